import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startTestLab, type TestLab } from "../bed/lab.ts";
import { until } from "../bed/until.ts";

const PATIENCE_MS = 60_000;
const CAP = 3;

interface Handout {
  id: string;
  host: string;
  port: number;
  password: string;
  token: string;
}

/** The real control plane and real droplets: nothing but the cloud's API is a stand-in. */
describe("a fleet", () => {
  let lab: TestLab;
  const leases: Handout[] = [];
  /** The most droplets that ever were at once. */
  let most = 0;
  const counting = new AbortController();
  before(async () => {
    lab = await startTestLab({ env: { HOST_CAPACITY: "2", ORDERS_PER_RUN: "1", DROPLET_CAP: String(CAP) } });
    void countDroplets();
  });
  after(async () => {
    counting.abort();
    await lab.stop();
  });

  async function countDroplets(): Promise<void> {
    while (!counting.signal.aborted) {
      most = Math.max(most, lab.cloud.droplets().length);
      await delay(20);
    }
  }
  const post = () => fetch(`${lab.origin}/instances`, { method: "POST", signal: AbortSignal.timeout(40_000) });
  const handOut = async (): Promise<Handout> => {
    const answer = await post();
    assert.equal(answer.status, 201, await answer.clone().text());
    const handout = (await answer.json()) as Handout;
    leases.push(handout);
    return handout;
  };
  const end = async ({ id, token }: Handout) => {
    const answer = await fetch(`${lab.origin}/instances/${id}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${token}` },
    });
    assert.ok([202, 204].includes(answer.status), String(answer.status));
    leases.splice(
      leases.findIndex((lease) => lease.id === id),
      1,
    );
  };
  const seen = async (what: string, condition: () => Promise<unknown>) => {
    try {
      return await until(what, condition, PATIENCE_MS);
    } catch (cause) {
      throw new Error(`${what}; what happened:\n${(await lab.story()).join("\n")}`, { cause });
    }
  };
  /** Empty hosts that take instances now, as the API sees them: by name. */
  const standbys = async () =>
    (await opsHosts()).filter(({ standing, inUse }) => standing === "open" && inUse === 0).map(({ name }) => name);
  const opsHosts = async () => {
    const answer = await fetch(`${lab.origin}/ops/api/hosts`, { headers: { authorization: `Bearer ${lab.opsToken}` } });
    return (await answer.json()) as { name: string; standing: string; inUse: number }[];
  };
  const atRest = (hosts: number) =>
    seen(
      `${hosts} hosts, one of them empty, and no other droplet`,
      async () =>
        (await standbys()).length === 1 &&
        (await lab.hostNames()).length === hosts &&
        lab.cloud.droplets().length === hosts,
    );
  const hostOf = async ({ id }: Handout) => (await lab.store.leases.find(id))?.hostName ?? "";

  /** As an operator does in the cloud's panel. */
  const powerOff = async (id: number) => {
    const answer = await fetch(`${lab.cloud.url}/droplets/${id}/actions`, {
      method: "POST",
      headers: { authorization: `Bearer ${lab.env["DIGITALOCEAN_TOKEN"] ?? ""}`, "content-type": "application/json" },
      body: JSON.stringify({ type: "power_off" }),
    });
    assert.equal(answer.status, 201);
  };

  it("grows from nothing to exactly one empty host, by itself", async () => {
    assert.equal((await post()).status, 503, "there is no host yet");
    await atRest(1);
    assert.equal(lab.cloud.everMade().length, 1);
  });

  it("gets another standby as soon as the first lease takes it, and goes on filling the busiest host", async () => {
    const first = await handOut();
    await atRest(2);
    const second = await handOut();
    assert.equal(await hostOf(second), await hostOf(first));
    const third = await handOut();
    assert.notEqual(await hostOf(third), await hostOf(first));
    await atRest(3);
  });

  it("never has more droplets than allowed, and says that it is full when it is", async () => {
    for (let slot = 3; slot < CAP * 2; slot++) await handOut();
    await seen("the hold is told", async () =>
      (await lab.store.events.list({ kind: "hold" }, 10)).some(({ reason }) =>
        reason.includes("no more than 3 are allowed"),
      ),
    );
    const full = await post();
    assert.equal(full.status, 503);
    assert.ok(Number(full.headers.get("retry-after")) > 0);
    assert.equal(most, CAP);
  });

  it("shrinks to exactly one host when all leases have ended, and never destroys a host with a lease", async () => {
    const kept = leases[0] ?? assert.fail("there are leases");
    const home = await hostOf(kept);
    for (const lease of leases.filter((each) => each !== kept)) await end(lease);
    await atRest(2);
    assert.ok((await lab.hostNames()).includes(home));
    assert.equal((await lab.store.leases.find(kept.id))?.state, "running");
    await end(kept);
    await atRest(1);
  });

  it("keeps its leases over a restart of Redis, destroys nothing, and hands out again", async () => {
    const lease = await handOut();
    await atRest(2);
    const before = lab.cloud
      .droplets()
      .map(({ name }) => name)
      .sort();
    await lab.restartRedis();
    await seen("it hands out again", async () => {
      const answer = await post();
      if (answer.status !== 201) return false;
      leases.push((await answer.json()) as Handout);
      return true;
    });
    await atRest(2);
    assert.deepEqual(
      lab.cloud
        .droplets()
        .map(({ name }) => name)
        .sort(),
      before,
    );
    assert.equal((await lab.store.leases.find(lease.id))?.state, "running");
    for (const each of [...leases]) await end(each);
    await atRest(1);
  });

  it("gives a host the image again that somebody has removed from it", async () => {
    const [name = ""] = await lab.hostNames();
    const id = await lab.machineOf(name);
    const image = lab.env["INSTANCE_IMAGE"] ?? "";
    await lab.room.exec(id, "docker", "rmi", "--force", image);
    await seen("the image is back", () => lab.room.exec(id, "docker", "image", "inspect", image).catch(() => false));
    await end(await handOut());
    await atRest(1);
  });

  it("counts a host whose engine hangs as none, though its heartbeat arrives, and replaces it", async () => {
    const [name = ""] = await lab.hostNames();
    await lab.room.exec(
      await lab.machineOf(name),
      "systemctl",
      "kill",
      "--signal=STOP",
      "--kill-who=main",
      "getaredis-docker.service",
    );
    await seen("it gets no instance", async () =>
      (await opsHosts()).some((host) => host.name === name && host.standing === "engine-silent"),
    );
    await seen("another one is there", async () => (await standbys()).some((standby) => standby !== name));
    await seen("it is destroyed", async () => !(await lab.hostNames()).includes(name));
    await atRest(1);
  });

  it("survives a host that loses its power: its leases are marked as lost, and it is replaced", async () => {
    const lease = await handOut();
    await atRest(2);
    const name = await hostOf(lease);
    const id = await lab.machineOf(name);
    await powerOff(id);
    await seen("its lease is told lost", async () => (await lab.store.leases.find(lease.id))?.endCause === "lost");
    leases.length = 0;
    await seen("the host is gone", async () => !(await lab.hostNames()).includes(name));
    await atRest(1);
  });

  it("keeps a host that is only cut off from the control plane as long as it has a lease", async () => {
    const lease = await handOut();
    await atRest(2);
    const name = await hostOf(lease);
    const id = await lab.machineOf(name);
    await lab.room.cutLink(id, "private", true);
    await seen("a person is called", async () =>
      (await lab.store.events.list({ host: name, kind: "hold" }, 1)).some(
        ({ alarm, reason }) => alarm === true && reason.includes("its leases run on"),
      ),
    );
    assert.equal((await lab.store.leases.find(lease.id))?.state, "running");
    assert.ok(lab.room.list().includes(id));
    await lab.room.cutLink(id, "private", false);
    await seen("it is open again", async () =>
      (await opsHosts()).some((host) => host.name === name && host.standing === "open"),
    );
    await end(lease);
    await atRest(1);
  });

  it("is led by one of several control planes, and by the next at once when that one is killed", async () => {
    const second = await lab.start("jobs", "jobs-2");
    await lab.programs.jobs.kill();
    const lease = await handOut();
    await atRest(2);
    const third = await lab.start("jobs", "jobs-3");
    await second.kill();
    await end(lease);
    await atRest(1);
    await third.stop();
    lab.programs.jobs = await lab.start("jobs", "jobs-4");
  });

  it("goes through faults of the cloud, one after the other and together, and settles by itself", async () => {
    const orphan = lab.cloud.add({ name: "orphan", tags: [`getaredis-${await lab.store.hosts.readDeployment()}`] });
    for (const rule of [
      { kind: "rate-limit", times: 2, retryAfterSeconds: 1 },
      { kind: "server-error", times: 2 },
      { kind: "answer-lost", times: 1, method: "POST", path: "/v2/droplets" },
      { kind: "droplet-limit", times: 1 },
      { kind: "slow-boot", times: 1, ms: 3000 },
      { kind: "list-lags", times: 1, ms: 2000 },
      { kind: "delete-refused", times: 2 },
      { kind: "delete-ignored", times: 1 },
    ] as const)
      lab.cloud.faults.add(rule);
    await seen("the first host is there all the same", async () => (await standbys()).length >= 1);
    const lease = await handOut();
    await atRest(2);
    await end(lease);
    await atRest(1);
    assert.ok(!lab.cloud.droplets().some(({ id }) => id === orphan.id));
    const made = lab.cloud.everMade().map(({ name }) => name);
    assert.equal(new Set(made).size, made.length, "no order has made two droplets");
    lab.cloud.faults.clear();
  });

  it("has never had more droplets than allowed", () => {
    // The planted orphan was nobody's order.
    assert.ok(most <= CAP + 1, `${most} at once`);
  });
});
