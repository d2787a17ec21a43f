import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { startDigitalOcean, type LabCloud, type LabSettings } from "../../../infra/lab/digitalocean/index.ts";
import type { MachineOrder, Machines } from "../../../infra/lab/digitalocean/machines.ts";
import { until } from "../../bed/until.ts";

const TOKEN = "dop_v1_0123456789abcdef";
const order = {
  name: "host-1",
  region: "fra1",
  size: "s-1vcpu-2gb",
  image: "debian-12-x64",
  tags: ["ours"],
  user_data: "#!/bin/sh\n",
};

type Droplet = {
  readonly id: number;
  readonly status: string;
  readonly tags: readonly string[];
  readonly networks: { readonly v4: readonly { readonly ip_address: string; readonly type: string }[] };
};

/** What stands behind the API: machines that only write down what is done to them. */
function notingMachines() {
  const notes: string[] = [];
  const orders: MachineOrder[] = [];
  const broken = new Set<string>();
  const held = new Map<string, Promise<undefined>>();
  const note = async (what: string, id: number) => {
    await held.get(what);
    notes.push(`${what} ${orders.find((known) => known.id === id)?.name ?? "?"}`);
    if (broken.has(what)) throw new Error(`cannot ${what}`);
  };
  const machines: Machines = {
    build: async (machine) => {
      orders.push(machine);
      await note("build", machine.id);
      return { publicIp: "198.51.100.7", privateIp: "10.99.0.7" };
    },
    destroy: (id) => note("destroy", id),
    powerOff: (id) => note("power-off", id),
    powerOn: (id) => note("power-on", id),
    partition: (id, isCutOff) => note(isCutOff ? "cut-off" : "joined", id),
  };
  /** Keeps something from being done to machines until the answer is called. */
  const hold = (what: string): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    held.set(what, promise);
    return () => resolve(undefined);
  };
  return { machines, notes, orders, broken, hold };
}

describe("the stand-in for DigitalOcean", () => {
  let lab: LabCloud;
  let behind: ReturnType<typeof notingMachines>;
  let faults: unknown[];
  const ends: (() => Promise<void>)[] = [];
  beforeEach(async () => {
    behind = notingMachines();
    faults = [];
    lab = await start({ machines: behind.machines });
  });
  afterEach(async () => {
    behind.broken.clear();
    for (const end of ends.splice(0)) await end();
  });

  const start = async (settings: Partial<LabSettings>): Promise<LabCloud> => {
    const started = await startDigitalOcean({
      token: TOKEN,
      times: { activeMs: 20, tagLagMs: 20, deleteMs: 20, actionMs: 20 },
      onFault: (fault) => faults.push(fault),
      ...settings,
    });
    ends.push(() => started.stop());
    return started;
  };
  const ask = async (method: string, path: string, body?: unknown, token = TOKEN) => {
    const url = path.startsWith("/lab/") ? new URL(path, lab.url) : `${lab.url}${path}`;
    const answer = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      body: (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>,
    };
  };
  const create = async (change: Partial<typeof order> = {}): Promise<Droplet> =>
    (await ask("POST", "/droplets", { ...order, ...change })).body["droplet"] as Droplet;
  const find = async (id: number): Promise<Droplet> => (await ask("GET", `/droplets/${id}`)).body["droplet"] as Droplet;

  describe("a droplet", () => {
    it("is a machine with its user data, and tells that machine's addresses once it is active", async () => {
      const made = await create();
      assert.deepEqual([made.status, made.networks.v4], ["new", []]);
      await lab.settle();
      const found = await find(made.id);
      assert.deepEqual(behind.orders, [
        { id: made.id, name: "host-1", userData: "#!/bin/sh\n", region: "fra1", size: "s-1vcpu-2gb" },
      ]);
      assert.equal(found.status, "active");
      assert.deepEqual(found.networks.v4.map(({ ip_address, type }) => `${type} ${ip_address}`).sort(), [
        "private 10.99.0.7",
        "public 198.51.100.7",
      ]);
    });

    it("has its tags a moment later than itself", async () => {
      lab = await start({ times: { tagLagMs: 1000 } });
      const made = await create();
      assert.deepEqual((await find(made.id)).tags, []);
      assert.deepEqual((await ask("GET", "/droplets?tag_name=ours")).body["droplets"], []);
      assert.equal(((await ask("GET", "/droplets?name=HOST-1")).body["droplets"] as object[]).length, 1);
      await until(
        "the tag is there",
        async () => ((await ask("GET", "/droplets?tag_name=ours")).body["droplets"] as object[]).length === 1,
      );
    });

    it("goes a moment after its deletion was accepted, and its machine with it", async () => {
      const { id } = await create();
      await lab.settle();
      const release = behind.hold("destroy");
      assert.equal((await ask("DELETE", `/droplets/${id}`)).status, 204);
      assert.equal((await ask("GET", `/droplets/${id}`)).status, 200);
      release();
      await lab.settle();
      assert.equal((await ask("GET", `/droplets/${id}`)).status, 404);
      assert.equal((await ask("DELETE", `/droplets/${id}`)).status, 404);
      assert.deepEqual(behind.notes, ["build host-1", "destroy host-1"]);
    });

    it("deleted while it is built leaves no machine", async () => {
      lab = await start({ machines: behind.machines, times: { deleteMs: 0 } });
      const release = behind.hold("build");
      const { id } = await create();
      assert.equal((await ask("DELETE", `/droplets/${id}`)).status, 204);
      assert.equal((await find(id)).status, "new");
      release();
      await lab.settle();
      assert.deepEqual(behind.notes, ["build host-1", "destroy host-1"]);
      assert.deepEqual(lab.droplets(), []);
    });

    it("whose machine cannot be built stays new, and the lab is told", async () => {
      behind.broken.add("build");
      const { id } = await create();
      await lab.settle();
      assert.equal((await find(id)).status, "new");
      assert.match(String(faults[0]), /cannot build/);
      const { actions } = (await ask("GET", `/droplets/${id}/actions`)).body as { actions: { status: string }[] };
      assert.deepEqual(
        actions.map(({ status }) => status),
        ["errored"],
      );
    });

    it("is switched off and on, one event after the other", async () => {
      const { id } = await create();
      await lab.settle();
      const release = behind.hold("power-off");
      assert.equal((await ask("POST", `/droplets/${id}/actions`, { type: "power_off" })).status, 201);
      const second = await ask("POST", `/droplets/${id}/actions`, { type: "power_on" });
      assert.deepEqual([second.status, second.body["message"]], [422, "Droplet already has a pending event."]);
      assert.equal((await ask("DELETE", `/droplets/${id}`)).status, 422);
      release();
      await lab.settle();
      assert.equal((await find(id)).status, "off");
      await ask("POST", `/droplets/${id}/actions`, { type: "power_on" });
      await lab.settle();
      assert.equal((await find(id)).status, "active");
      await ask("POST", `/droplets/${id}/actions`, { type: "power_cycle" });
      await lab.settle();
      assert.deepEqual(behind.notes, [
        "build host-1",
        "power-off host-1",
        "power-on host-1",
        "power-off host-1",
        "power-on host-1",
      ]);
    });
  });

  describe("stopping", () => {
    it("takes all machines away, those that are just being built too", async () => {
      const machines = notingMachines();
      lab = await startDigitalOcean({ token: TOKEN, machines: machines.machines, times: { activeMs: 60_000 } });
      await create();
      const release = machines.hold("build");
      await create({ name: "host-2" });
      const stopped = lab.stop();
      await until("it answers no more", () =>
        fetch(lab.url).then(
          () => false,
          () => true,
        ),
      );
      release();
      await stopped;
      assert.deepEqual(machines.notes.slice(0, 2), ["build host-1", "build host-2"]);
      assert.deepEqual(machines.notes.slice(2).sort(), ["destroy host-1", "destroy host-2"]);
    });

    it("tries every machine although one fails, and tells of it", async () => {
      const machines = notingMachines();
      lab = await startDigitalOcean({ token: TOKEN, machines: machines.machines, times: { activeMs: 0 } });
      for (const name of ["host-1", "host-2"]) await create({ name });
      await lab.settle();
      machines.broken.add("destroy");
      await assert.rejects(lab.stop(), /cannot destroy/);
      assert.deepEqual(machines.notes.filter((note) => note.startsWith("destroy")).sort(), [
        "destroy host-1",
        "destroy host-2",
      ]);
    });
  });

  describe("its faults", () => {
    it("happen as often as they say, to what they name", async () => {
      lab.faults.add({ kind: "out-of-stock", times: 1, size: "s-1vcpu-2gb" });
      lab.faults.add({ kind: "server-error", method: "GET", path: "/v2/tags" });
      lab.faults.add({ kind: "droplet-limit", name: "host-3" });
      assert.equal((await ask("POST", "/droplets", { ...order, size: "s-1vcpu-1gb" })).status, 202);
      assert.equal((await ask("POST", "/droplets", order)).body["message"], "Size is not available in this region.");
      assert.equal((await ask("POST", "/droplets", order)).status, 202);
      assert.equal(
        (await ask("POST", "/droplets", { ...order, name: "host-3" })).body["message"],
        "creating this/these droplet(s) will exceed your droplet limit",
      );
      for (let time = 0; time < 3; time++) assert.equal((await ask("GET", "/tags/ours")).status, 500);
      assert.equal((await ask("GET", "/account")).status, 200);
      assert.deepEqual(
        lab.faults.list().map(({ hits }) => hits),
        [1, 3, 1],
      );
      lab.faults.clear();
      assert.equal((await ask("GET", "/tags/ours")).status, 200);
    });

    it("never-active leaves a droplet new, without a machine", async () => {
      lab.faults.add({ kind: "never-active" });
      const { id } = await create();
      await lab.settle();
      assert.equal((await find(id)).status, "new");
      assert.deepEqual(behind.notes, []);
    });

    it("never-boots gives an active droplet with addresses, and no machine", async () => {
      lab.faults.add({ kind: "never-boots" });
      const { id } = await create();
      await lab.settle();
      const { status, networks } = await find(id);
      assert.deepEqual([status, networks.v4.length], ["active", 2]);
      assert.deepEqual(behind.notes, []);
      assert.deepEqual(
        lab.droplets().map(({ boots }) => boots),
        [false],
      );
    });

    it("slow-boot switches the machine on later than the droplet is active", async () => {
      lab.faults.add({ kind: "slow-boot", ms: 1000 });
      const { id } = await create();
      await until("it is active", async () => (await find(id)).status === "active");
      assert.deepEqual(behind.notes, []);
      await lab.settle();
      assert.deepEqual(behind.notes, ["build host-1"]);
    });

    it("list-lags keeps a droplet out of lists for a while, not from those who know its id", async () => {
      lab.faults.add({ kind: "list-lags", ms: 1000 });
      const { id } = await create();
      assert.equal((await find(id)).id, id);
      assert.deepEqual((await ask("GET", "/droplets?name=host-1")).body["droplets"], []);
      await until(
        "it is listed",
        async () => ((await ask("GET", "/droplets")).body["droplets"] as object[]).length === 1,
      );
    });

    it("delete-ignored accepts a deletion that comes to nothing", async () => {
      const { id } = await create();
      await lab.settle();
      lab.faults.add({ kind: "delete-ignored", times: 1 });
      assert.equal((await ask("DELETE", `/droplets/${id}`)).status, 204);
      await lab.settle();
      assert.equal((await find(id)).status, "active");
    });

    it("are made, seen and taken back over HTTP", async () => {
      const added = await ask("POST", "/lab/faults", { kind: "server-error", path: "/v2/account" });
      assert.equal(added.status, 201);
      assert.equal((await ask("GET", "/account")).status, 500);
      assert.deepEqual((await ask("GET", "/lab/faults")).body, {
        faults: [{ id: added.body["id"], rule: { kind: "server-error", path: "/v2/account" }, hits: 1 }],
      });
      assert.equal((await ask("DELETE", `/lab/faults/${String(added.body["id"])}`)).status, 204);
      assert.equal((await ask("DELETE", `/lab/faults/${String(added.body["id"])}`)).status, 404);
      assert.equal((await ask("GET", "/account")).status, 200);
      const wrong = await ask("POST", "/lab/faults", { kind: "earthquake" });
      assert.equal(wrong.status, 422);
      assert.match(String(wrong.body["message"]), /kinds are rate-limit, server-error/);
      await ask("POST", "/lab/faults", { kind: "hang" });
      assert.equal((await ask("DELETE", "/lab/faults")).status, 204);
      assert.deepEqual(lab.faults.list(), []);
    });
  });

  it("pulls plugs behind the API's back", async () => {
    const { id } = await create();
    await lab.settle();
    assert.equal((await ask("POST", `/lab/droplets/${id}/partition`, { isCutOff: true })).status, 204);
    assert.equal((await ask("POST", `/lab/droplets/${id}/partition`, { isCutOff: false })).status, 204);
    assert.equal((await ask("POST", `/lab/droplets/${id}/power-off`)).status, 204);
    assert.equal((await find(id)).status, "active");
    assert.equal((await ask("POST", `/lab/droplets/${id}/power-on`)).status, 204);
    assert.deepEqual(behind.notes, [
      "build host-1",
      "cut-off host-1",
      "joined host-1",
      "power-off host-1",
      "power-on host-1",
    ]);
    assert.equal((await ask("POST", "/lab/droplets/1/power-off")).status, 404);
  });

  it("says how many calls the token has left, and refuses those beyond a minute's", async () => {
    lab = await start({ limits: { perHour: 100, perMinute: 3 } });
    const remaining: (string | null)[] = [];
    for (let call = 0; call < 3; call++)
      remaining.push((await ask("GET", "/account")).headers.get("ratelimit-remaining"));
    assert.deepEqual(remaining, ["99", "98", "97"]);
    const refused = await ask("GET", "/account");
    assert.deepEqual([refused.status, refused.body["id"]], [429, "too_many_requests"]);
    const seconds = Number(refused.headers.get("retry-after"));
    assert.ok(seconds > 0 && seconds <= 60, `${seconds} s`);
  });

  it("takes no token but its own, on the API and beside it", async () => {
    for (const path of ["/droplets", "/account", "/nothing", "/lab/faults"]) {
      const { status, body } = await ask("GET", path, undefined, "dop_v1_0123456789abcdeF");
      assert.deepEqual([status, body["id"]], [401, "unauthorized"]);
    }
    assert.equal((await ask("GET", "/nothing")).status, 404);
  });
});
