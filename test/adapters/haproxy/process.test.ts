import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createHaproxy } from "../../../apps/adapters/haproxy/process.ts";
import { WRONG_PASSWORD } from "../../../apps/core/edge/concierge.ts";
import { PlaneFault } from "../../../apps/core/edge/plane-fault.ts";
import {
  command,
  startLeaseHaproxy,
  startStandIn,
  talkTo,
  type LeaseHaproxy,
  type Talk,
} from "../../bed/lease-plane.ts";
import { until } from "../../bed/until.ts";

const ID = "5sq9fsfr26iw58ze";
const PASSWORD = `${ID}83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84`;

describe("the process of HAProxy", () => {
  let bed: LeaseHaproxy;
  let instance: Awaited<ReturnType<typeof startStandIn>>;
  const talks: Talk[] = [];
  const routes = () => new Map([[ID, instance.target]]);
  beforeEach(async () => {
    bed = await startLeaseHaproxy();
    instance = await startStandIn();
    await bed.haproxy.bring(await bed.contentFor(routes()));
  });
  afterEach(async () => {
    for (const { socket } of talks.splice(0)) socket.destroy();
    instance.close();
    await bed.stop();
  });

  async function logIn(): Promise<Talk> {
    const talk = await talkTo(bed.port, { ca: bed.ca });
    talks.push(talk);
    talk.say(command("AUTH", PASSWORD));
    await until("it is logged in", () => talk.heard() === "+OK\r\n");
    return talk;
  }
  async function isServed(talk: Talk): Promise<void> {
    const before = talk.heard().length;
    talk.say(command("WHO"));
    await until("an answer", () => talk.heard().slice(before) === `+${instance.target}\r\n`);
  }

  it("takes on a new certificate, and keeps all connections that are open", async () => {
    const before = await logIn();
    await bed.haproxy.bring(await bed.contentFor(routes()));
    const after = await logIn();
    assert.notEqual(after.fingerprint, before.fingerprint);
    await isServed(before);
    await isServed(after);
  });

  it("breaks no connection while it is reloaded again and again under load", async () => {
    const old = await logIn();
    let isOver = false;
    let served = 0;
    let broken = 0;
    const come = async (port: number, tls?: { ca: string }) => {
      while (!isOver) {
        const talk = await talkTo(port, tls).catch(() => undefined);
        talk?.say(command("AUTH", PASSWORD));
        await until("it is logged in, or it is over", () => talk?.heard() !== "" || talk.isClosed());
        if (talk?.heard() === "+OK\r\n") served++;
        else broken++;
        talk?.socket.destroy();
      }
    };
    const coming = [come(bed.plainPort), come(bed.plainPort), come(bed.port, { ca: bed.ca })];
    const { reloads } = await bed.plane.readFacts();
    for (let count = 0; count < 5; count++) {
      const before = served;
      await bed.haproxy.bring(await bed.contentFor(routes()));
      await until("somebody has come since", () => served > before + 5);
      await isServed(old);
    }
    isOver = true;
    await Promise.all(coming);
    assert.equal(broken, 0);
    assert.equal((await bed.plane.readFacts()).reloads, reloads + 5);
  });

  it("leaves what runs in force when a configuration fails its test, and says what is wrong in HAProxy's words", async () => {
    const talk = await logIn();
    const good = await bed.contentFor(routes());
    const written = await readFile(bed.haproxy.files.config, "utf8");
    await assert.rejects(
      bed.haproxy.bring(
        (files) =>
          new Map([
            ...good(files),
            [files.config, `${good(files).get(files.config) ?? ""}\nfrontend x\n    bund :1\n`],
          ]),
      ),
      (fault) =>
        fault instanceof PlaneFault && /refuses its configuration: .*unknown keyword 'bund'/.test(fault.message),
    );
    await assert.rejects(
      bed.haproxy.bring((files) => new Map([...good(files), [files.certificate, "nothing"]])),
      /refuses its configuration: .*edge\.pem/,
    );
    assert.equal(await readFile(bed.haproxy.files.config, "utf8"), written);
    await isServed(talk);
    await isServed(await logIn());
  });

  it("is taken over by the next process that has it run, with all its connections", async () => {
    const talk = await logIn();
    const next = createHaproxy(bed.haproxy.files.dir);
    await next.bring(await bed.contentFor(routes()));
    assert.ok(await bed.haproxy.isRunning(), "it is the same one");
    await isServed(talk);
    await isServed(await logIn());
  });

  it("is left alone when it runs with all of this already, and reloaded when whoever wrote it was killed before", async () => {
    const content = await bed.contentFor(routes());
    await bed.haproxy.bring(content);
    const workers = await bed.workers();
    await createHaproxy(bed.haproxy.files.dir).bring(content);
    assert.deepEqual(await bed.workers(), workers);
    // Files are written, and nobody has said that HAProxy has them.
    await rm(bed.haproxy.files.inForce);
    await createHaproxy(bed.haproxy.files.dir).bring(content);
    assert.notDeepEqual(await bed.workers(), workers);
    await isServed(await logIn());
  });

  it("is known to be gone when it was killed, and is started again with its routes", async () => {
    const [worker] = await bed.workers();
    process.kill(worker ?? 0, "SIGKILL");
    await until("it is gone", async () => !(await bed.haproxy.isRunning()));
    await assert.rejects(bed.plane.readFacts(), PlaneFault);
    await bed.haproxy.bring(await bed.contentFor(routes()));
    await isServed(await logIn());
  });

  it("is ended and started again when it hangs", async () => {
    for (const pid of await bed.workers()) process.kill(pid, "SIGSTOP");
    await assert.rejects(bed.plane.readFacts(), PlaneFault);
    await bed.haproxy.bring(await bed.contentFor(routes()));
    await isServed(await logIn());
  });

  it("is asked and changed in another way when the file of its socket is gone, and keeps all connections", async () => {
    const talk = await logIn();
    await rm(bed.haproxy.files.runtimeSocket);
    const many = Array.from({ length: 500 }, (_, number) => [String(number).padStart(16, "0"), "127.0.0.1 1"] as const);
    await bed.plane.changeRoutes(many.map(([id, target]) => ({ kind: "add", id, target })));
    assert.equal((await bed.plane.readRoutes()).size, 501);
    await bed.plane.swapRoutes(new Map([...many, ...routes()]));
    assert.equal((await bed.plane.readRoutes()).size, 501);
    assert.ok((await bed.plane.readFacts()).connections > 0);
    await bed.haproxy.bring(await bed.contentFor(routes()));
    await isServed(talk);
    await isServed(await logIn());
    assert.equal(await bed.plane.endSessions([{ id: ID, target: instance.target }]), 2);
  });

  it("ends connections to an instance also where they are older than a reload, and leads nobody there who logs in later", async () => {
    const [stays, stayed] = ["staysstaysstays0", "x".repeat(32)];
    await bed.plane.changeRoutes([{ kind: "add", id: stays, target: instance.target }]);
    bed.known.add(stays);
    const talk = await logIn();
    const logins = [command("AUTH", PASSWORD), command("AUTH", `${stays}${stayed}`)] as const;
    const [late, lateOther] = [await talkTo(bed.plainPort), await talkTo(bed.plainPort)];
    talks.push(late, lateOther);
    late.say(logins[0].slice(0, 20));
    lateOther.say(logins[1].slice(0, 20));
    await until("they are let in", async () => (await bed.plane.readFacts()).connections >= 3);
    await bed.haproxy.bring(await bed.contentFor(new Map([...routes(), [stays, instance.target]])));
    await bed.plane.forgetOlder();
    const other = await logIn();
    await bed.plane.changeRoutes([{ kind: "delete", id: ID }]);
    assert.equal(await bed.plane.endSessions([{ id: ID, target: instance.target }]), 2);
    await until("both are closed", () => talk.isClosed() && other.isClosed());
    const accepted = instance.accepted();
    late.say(logins[0].slice(20));
    await until("an answer", late.heard);
    assert.deepEqual([late.heard(), instance.accepted()], [WRONG_PASSWORD, accepted]);
    lateOther.say(logins[1].slice(20));
    await until("an answer", lateOther.heard);
    assert.equal(lateOther.heard(), "+OK\r\n");
  });

  it("does not start on a port that is taken, and says so", async () => {
    await bed.haproxy.stop();
    const content = await bed.contentFor(routes());
    await assert.rejects(
      bed.haproxy.bring((files) => {
        const files2 = new Map(content(files));
        const taken = instance.target.replace(" ", ":");
        files2.set(
          files.config,
          `${files2.get(files.config) ?? ""}\nfrontend taken\n    bind ${taken}\n    default_backend leases\n`,
        );
        return files2;
      }),
      /HAProxy ended while it started .*[Aa]ddress already in use/,
    );
    assert.ok(!(await bed.haproxy.isRunning()));
  });

  it("ends with all its connections when it is stopped", async () => {
    const talk = await logIn();
    await bed.haproxy.stop();
    assert.ok(!(await bed.haproxy.isRunning()));
    await until("it is closed", talk.isClosed);
    await bed.haproxy.stop();
  });
});
