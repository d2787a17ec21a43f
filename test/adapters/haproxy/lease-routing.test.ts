import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { createConnection } from "node:net";
import { WRONG_PASSWORD } from "../../../apps/core/edge/concierge.ts";
import {
  command,
  DOMAIN,
  startLeaseHaproxy,
  startStandIn,
  talkTo,
  type LeaseHaproxy,
  type Talk,
} from "../../bed/lease-plane.ts";
import { until } from "../../bed/until.ts";

const ID = "5sq9fsfr26iw58ze";
const PASSWORD = `${ID}83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84`;
const UNKNOWN = `0000000000000000${PASSWORD.slice(16)}`;
const MOST = 20;

describe("leases through HAProxy", () => {
  let haproxy: LeaseHaproxy;
  let instance: Awaited<ReturnType<typeof startStandIn>>;
  const talks: Talk[] = [];
  before(async () => {
    haproxy = await startLeaseHaproxy({ loginMs: 2_000, connectionsPerLease: MOST, connectionsPerAddress: 60 });
    instance = await startStandIn();
    await haproxy.plane.changeRoutes([{ kind: "add", id: ID, target: instance.target }]);
    haproxy.known.add(ID);
  });
  after(async () => {
    instance.close();
    await haproxy.stop();
  });
  afterEach(async () => {
    for (const { socket } of talks.splice(0)) socket.destroy();
    await until("all are gone", async () => (await haproxy.plane.readFacts()).connections === 0);
  });

  async function talk(...given: Parameters<typeof talkTo>): Promise<Talk> {
    const begun = await talkTo(...given);
    talks.push(begun);
    return begun;
  }
  const heard = (begun: Talk, text: string) => until(`to hear ${text}`, () => begun.heard().includes(text));
  const closed = (begun: Talk) => until("it is closed", begun.isClosed);
  /** Logs in, in so many pieces, and asks who is there. */
  async function reach(begun: Talk, ...pieces: string[]): Promise<string> {
    for (const piece of pieces) begun.say(piece);
    await heard(begun, "+OK\r\n");
    begun.say(command("WHO"));
    await heard(begun, instance.target);
    return begun.heard();
  }

  const logins = {
    "AUTH with a password": command("AUTH", PASSWORD),
    "AUTH with user and password, in small letters": command("auth", "default", PASSWORD),
    "HELLO with AUTH and SETNAME": command("HELLO", "3", "AUTH", "default", PASSWORD, "SETNAME", "mine"),
  };

  it("counts TLS handshakes, by how they come out, and the bytes of those who come", async () => {
    const before = await haproxy.plane.readFacts();
    await reach(await talk(haproxy.port, { ca: haproxy.ca }), command("AUTH", PASSWORD));
    const stranger = await talk(haproxy.port);
    stranger.say("PING\r\n");
    await closed(stranger);
    for (const { socket } of talks) socket.destroy();
    const facts = await until("bytes are counted, as they are when connections end", async () => {
      const now = await haproxy.plane.readFacts();
      return now.bytesIn > before.bytesIn && now.bytesOut > before.bytesOut ? now : undefined;
    });
    assert.equal(facts.handshakes, before.handshakes + 1);
    assert.equal(facts.failedHandshakes, before.failedHandshakes + 1);
    assert.ok(facts.mostConnections > 0);
  });

  for (const [name, login] of Object.entries(logins)) {
    it(`finds an instance by ${name}, with TLS and without`, async () => {
      assert.equal(await reach(await talk(haproxy.plainPort), login), `+OK\r\n+${instance.target}\r\n`);
      assert.equal(await reach(await talk(haproxy.port, { ca: haproxy.ca }), login), `+OK\r\n+${instance.target}\r\n`);
    });

    it(`finds an instance by ${name} that comes byte by byte`, async () => {
      const begun = await talk(haproxy.plainPort);
      begun.socket.setNoDelay();
      for (const byte of Array.from(login)) {
        begun.say(byte);
        await new Promise(setImmediate);
      }
      await reach(begun);
    });
  }

  it("finds an instance by the name that a client tells, whatever its password is", async () => {
    const name = `${ID}.${DOMAIN}`;
    await reach(await talk(haproxy.port, { ca: haproxy.ca, name }), command("AUTH", "a password of before"));
    await reach(await talk(haproxy.port, { ca: haproxy.ca, name: name.toUpperCase() }), command("AUTH", PASSWORD));
    const foreign = await talk(haproxy.port, { ca: haproxy.ca, name: "redis.example.org" });
    await reach(foreign, command("AUTH", PASSWORD));
  });

  it("sends all that comes after a log-in in one piece on with it", async () => {
    const begun = await talk(haproxy.plainPort);
    begun.say(command("AUTH", PASSWORD) + command("WHO"));
    await heard(begun, instance.target);
  });

  it("answers whoever asks before a log-in, and takes the log-in afterwards", async () => {
    for (const begun of [
      await talk(haproxy.plainPort),
      await talk(haproxy.port, { ca: haproxy.ca, name: `${ID}.${DOMAIN}` }),
    ]) {
      begun.say(command("PING"));
      await heard(begun, "-NOAUTH Authentication required.\r\n");
      begun.say(command("HELLO", "3"));
      await heard(begun, "-NOAUTH HELLO");
      await reach(begun, command("AUTH", PASSWORD));
    }
    await reach(await talk(haproxy.plainPort), `AUTH ${PASSWORD}\r\n`);
  });

  it("answers unknown instances, ended ones and foreign ones alike, with or without a name", async () => {
    await haproxy.plane.changeRoutes([{ kind: "add", id: "e".repeat(16), target: instance.target }]);
    await haproxy.plane.changeRoutes([{ kind: "delete", id: "e".repeat(16) }]);
    for (const [tls, password] of [
      [undefined, UNKNOWN],
      [undefined, `${"e".repeat(16)}${PASSWORD.slice(16)}`],
      [undefined, "short"],
      [{ ca: haproxy.ca }, UNKNOWN],
      [{ ca: haproxy.ca, name: `0000000000000000.${DOMAIN}` }, PASSWORD],
      [{ ca: haproxy.ca, name: `${"e".repeat(16)}.${DOMAIN}` }, PASSWORD],
    ] as const) {
      const begun = await talk(tls ? haproxy.port : haproxy.plainPort, tls);
      begun.say(command("AUTH", password));
      await until("an answer", () => begun.heard());
      assert.equal(begun.heard(), WRONG_PASSWORD);
    }
  });

  it("leaves no connection at an instance that has refused its password, and tells the client what it said", async () => {
    const begun = await talk(haproxy.plainPort);
    begun.say(command("AUTH", `${ID}-this-is-wrong`));
    await closed(begun);
    assert.equal(begun.heard(), "-WRONGPASS no\r\n");
    assert.equal(instance.connections(), 0);
  });

  it("does not bother an instance before a log-in has come whole", async () => {
    const before = instance.accepted();
    const begun = await talk(haproxy.port, { ca: haproxy.ca, name: `${ID}.${DOMAIN}` });
    begun.say(command("AUTH", PASSWORD).slice(0, 30));
    const other = await talk(haproxy.plainPort);
    other.say(command("PING"));
    await heard(other, "-NOAUTH");
    assert.equal(instance.accepted(), before);
  });

  it("closes those that say nothing, half a log-in, or no more than PING, once their time is over, and nobody who is in", async () => {
    const idle = [
      await talk(haproxy.plainPort),
      await talk(haproxy.port, { ca: haproxy.ca }),
      await talk(haproxy.plainPort),
    ];
    for (const [index, each] of idle.entries())
      await reach(each, `${index === 2 ? command("PING") : ""}${command("AUTH", PASSWORD)}`);
    const silent = await talk(haproxy.plainPort);
    const half = await talk(haproxy.plainPort);
    half.say("*2\r\n$4\r\nAU");
    const asking = await talk(haproxy.plainPort);
    asking.say(command("PING"));
    const handshake = createConnection({ port: haproxy.port, host: "127.0.0.1" });
    let isOver = false;
    handshake.on("close", () => (isOver = true));
    handshake.on("error", () => undefined);
    handshake.write(Buffer.from("160301", "hex"));
    for (const each of [silent, half, asking]) await closed(each);
    await until("the handshake is given up", () => isOver);
    assert.equal(silent.heard() + half.heard(), "");
    // Those began after them: their time would be over as well soon.
    const later = await talk(haproxy.plainPort);
    await closed(later);
    for (const each of idle) {
      const before = each.heard().length;
      each.say(command("WHO"));
      await until("an answer", () => each.heard().slice(before).includes(instance.target));
    }
  });

  it("lets in as many connections of an address as an instance has for it, and one more when one ends", async () => {
    const all = await Promise.all(Array.from({ length: MOST + 10 }, () => talk(haproxy.plainPort)));
    for (const each of all) each.say(command("AUTH", PASSWORD));
    const isIn = (each: Talk) => each.heard() === "+OK\r\n" && !each.isClosed();
    await until("all have their answer", () => all.every((each) => isIn(each) || each.isClosed()));
    assert.equal(all.filter(isIn).length, MOST);
    all.find(isIn)?.socket.destroy();
    await until("another one gets in", async () => {
      const one = await talk(haproxy.plainPort);
      one.say(command("AUTH", PASSWORD));
      await until("an answer", () => one.heard() !== "" || one.isClosed());
      return isIn(one);
    });
  });

  it("counts those that ask first in the same way, and calls no right password wrong", async () => {
    const all = await Promise.all(Array.from({ length: MOST + 5 }, () => talk(haproxy.plainPort)));
    for (const each of all) each.say(command("PING") + command("AUTH", PASSWORD));
    const isIn = (each: Talk) => each.heard().includes("+OK\r\n") && !each.isClosed();
    await until("all have their answer", () => all.every((each) => isIn(each) || each.isClosed()));
    assert.equal(all.filter(isIn).length, MOST);
    assert.ok(all.every((each) => !each.heard().includes("WRONGPASS")));
  });

  it("refuses an address that holds too many connections before any handshake", async () => {
    const held = await Promise.all(Array.from({ length: 60 }, () => talk(haproxy.plainPort)));
    await until("all are let in", async () => (await haproxy.plane.readFacts()).connections === held.length);
    await assert.rejects(talk(haproxy.port, { ca: haproxy.ca }));
    for (const { socket } of held) socket.destroy();
  });

  it("believes no PROXY header of a stranger", async () => {
    const begun = await talk(haproxy.plainPort);
    begun.say(`PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${command("AUTH", PASSWORD)}`);
    await heard(begun, "-NOAUTH Authentication required.\r\n");
    await heard(begun, "+OK\r\n");
    assert.match(await haproxy.tableOfCallers(), new RegExp(`key=${ID}/127\\.0\\.0\\.1 `));
  });

  it("leads nobody who asks for the last instance to the next one on its port, from the moment that it is gone", async () => {
    for (let count = 0; count < 100; count++) {
      const [last, next] = [count, count + 1].map((number) => `reuse${String(number).padStart(11, "0")}`);
      if (last === undefined || next === undefined) assert.fail();
      if (count === 0) await haproxy.plane.changeRoutes([{ kind: "add", id: last, target: instance.target }]);
      // Already on its way when the route is taken away: it may still be let in, by the last instance.
      const early = await talkTo(haproxy.plainPort);
      early.say(command("AUTH", `${last}-a-password`));
      await haproxy.plane.changeRoutes([{ kind: "delete", id: last }]);
      await haproxy.plane.endSessions([{ id: last, target: instance.target }]);
      await haproxy.plane.changeRoutes([{ kind: "add", id: next, target: instance.target }]);
      const late = await talkTo(haproxy.plainPort);
      late.say(command("AUTH", `${last}-a-password`));
      await until("an answer", () => late.heard());
      assert.equal(late.heard(), WRONG_PASSWORD);
      await until("the early one is over", () => early.isClosed() || early.heard() === WRONG_PASSWORD);
      for (const { socket } of [early, late]) socket.destroy();
    }
  });

  it("carries what a client still gets after it has sent its last byte", async () => {
    for (const first of ["", command("PING")]) {
      const begun = await talk(haproxy.plainPort);
      begun.say(first + command("AUTH", PASSWORD));
      await heard(begun, "+OK\r\n");
      begun.socket.end(command("WHO"));
      await heard(begun, `${instance.target}\r\n+BYE\r\n`);
      await closed(begun);
    }
  });
});
