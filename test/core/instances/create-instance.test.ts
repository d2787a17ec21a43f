import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createInstance, type CreatePorts } from "../../../apps/core/instances/create-instance.ts";
import type { CreateRequest, Handout } from "../../../apps/core/instances/handout.ts";
import { handoutRules } from "../../../apps/core/settings/instances.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { sealAnswer } from "../../../apps/core/instances/sealed-answer.ts";
import { hashSecret } from "../../../apps/lib/secrets.ts";
import { EngineFault, type EngineFaultReason } from "../../../apps/core/fleet/engine-fault.ts";
import type { KnownClaim, TakeResult } from "../../../apps/core/instances/handout.ts";
import type { Host } from "../../../apps/core/fleet/host.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";

const start = new Date("2026-01-01T00:00:00Z");
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);
const rules = handoutRules(
  loadSettings(
    {
      INSTANCE_IMAGE: "redis",
      SERVER_SECRET: "sixteen characters",
      HANDOUT_TIMEOUT_SECONDS: "30",
      SLOT_BACKOFF_SECONDS: "300",
    },
    ["INSTANCE_IMAGE", "SERVER_SECRET"],
  ),
);
const wish: CreateRequest = {
  address: "198.51.100.1",
  ttlSeconds: undefined,
  idempotencyKey: undefined,
  signal: new AbortController().signal,
};
const hostNamed = (name: string): Host => ({
  name,
  engineUrl: "unix:///x",
  deployment: "d",
  publicHost: `${name}.example.org`,
  checkHost: "127.0.0.1",
  bindAddress: "0.0.0.0",
  capacity: 40,
  basePort: 20_000,
  state: "active",
});
const fault = (reason: EngineFaultReason) => new EngineFault(reason, "any", new Error(reason));

/**
 * Ports on which everything works, over hosts a and b; what a test says goes wrong instead. Each call
 * that changes something is noted in `calls`.
 */
function fakePorts(
  over: {
    hosts?: string[];
    empty?: string[];
    blind?: boolean;
    take?: (hostName: string) => TakeResult | Promise<TakeResult>;
    startContainer?: (hostName: string) => void | Promise<void>;
    pong?: () => void | Promise<void>;
    handOut?: () => boolean | Promise<boolean>;
    beginEnd?: () => boolean;
    remove?: () => void;
    claims?: (KnownClaim | undefined)[];
  } = {},
) {
  const calls: string[] = [];
  const world = {
    now: start,
    calls,
    sealed: undefined as Buffer | undefined,
    resting: new Set<string>(),
    full: new Set<string>(),
    faults: [] as unknown[],
  };
  let ids = 0;
  let port = 20_000;
  const claims = [...(over.claims ?? [])];
  const note = async <T>(call: string, result: T): Promise<Awaited<T>> => {
    calls.push(call);
    return await result;
  };
  const ports: CreatePorts = {
    fleet: {
      openHosts: function* () {
        if (over.blind) return undefined;
        for (const name of over.hosts ?? ["a", "b"])
          if (!world.resting.has(name) && !world.full.has(name)) yield hostNamed(name);
        return undefined;
      },
      isBlind: () => over.blind ?? false,
      countTaken: (name) => over.empty?.includes(name) ?? false,
      countFull: (name) => world.full.add(name),
      backOff: (name) => world.resting.add(name),
      countSuccess: () => undefined,
    },
    store: {
      handouts: {
        takeSlot: (draft, hostName) =>
          note(`take ${draft.id} of ${hostName}`, over.take ? over.take(hostName) : { kind: "taken", port: port++ }),
        complete: (id, expiresAt, _now, sealed) => {
          world.sealed = sealed;
          return note(`hand out ${id} until ${expiresAt.toISOString()}`, over.handOut ? over.handOut() : true);
        },
        readClaim: () => Promise.resolve(claims.shift()),
      },
      leases: {
        beginEnd: async (id, cause) => {
          calls.push(`end ${id} as ${cause}`);
          return Promise.resolve(over.beginEnd ? over.beginEnd() : true);
        },
        close: (id, _now, slotFreeFrom) =>
          note(`close ${id}${slotFreeFrom ? `, slot free from ${slotFreeFrom.toISOString()}` : ""}`, undefined),
      },
    },
    engines: {
      startContainer: (host, spec) => note(`start ${spec.name} on ${host.name}`, over.startContainer?.(host.name)),
      removeContainer: async (host, id) => {
        calls.push(`remove ${id} from ${host.name}`);
        over.remove?.();
        return Promise.resolve();
      },
    },
    waitForPong: (_host, pongPort, password) => note(`pong from ${pongPort} to ${password}`, over.pong?.()),
    clock: () => world.now,
    delay: (ms) => {
      world.now = new Date(world.now.getTime() + ms);
      return Promise.resolve();
    },
    random: {
      id: () => `id${++ids}`,
      password: () => `password${ids}`,
      token: () => `token${ids}`,
      nonce: () => Buffer.alloc(12, ids),
    },
    onHostFailure: (hostName, id, error) => world.faults.push([hostName, id, error]),
    onStandbyTaken: (hostName) => calls.push(`standby ${hostName} is taken`),
    rules,
  };
  return { world, calls, ports };
}

/** Fails the first `times` calls, then works. */
function failing(times: number, error: Error): () => void {
  let calls = 0;
  return () => {
    if (calls++ < times) throw error;
  };
}

describe("createInstance", () => {
  it("takes a slot, starts the container, sees its PONG, and only then hands out", async () => {
    const { ports, calls } = fakePorts();
    const result = await createInstance(ports, wish);
    assert.deepEqual(calls, [
      "take id1 of a",
      "start redis-id1 on a",
      "pong from 20000 to password1",
      `hand out id1 until ${at(43_200).toISOString()}`,
    ]);
    assert.deepEqual(result, {
      kind: "created",
      hostName: "a",
      replayed: false,
      handout: {
        id: "id1",
        host: "a.example.org",
        port: 20_000,
        username: "default",
        password: "password1",
        url: "redis://default:password1@a.example.org:20000",
        createdAt: start.toISOString(),
        expiresAt: at(43_200).toISOString(),
        token: "token1",
      },
    });
  });

  it("tells that the fleet's empty host is taken as soon as its slot is, before anything can fail", async () => {
    const { ports, calls } = fakePorts({ hosts: ["b"], empty: ["b"] });
    await createInstance(ports, wish);
    assert.deepEqual(calls.slice(0, 2), ["take id1 of b", "standby b is taken"]);
  });

  it("counts the lifetime from the hand-out, not from the request", async () => {
    const { ports, world } = fakePorts({ pong: () => void (world.now = at(5)) });
    const result = await createInstance(ports, { ...wish, ttlSeconds: 60 });
    assert.equal(result.kind === "created" && result.handout.expiresAt, at(65).toISOString());
  });

  it("takes nothing for a lifetime out of bounds", async () => {
    const { ports, calls } = fakePorts();
    assert.equal((await createInstance(ports, { ...wish, ttlSeconds: 1 })).kind, "lease-out-of-bounds");
    assert.deepEqual(calls, []);
  });

  it("refuses by quota at once, without trying other hosts", async () => {
    const { ports, calls } = fakePorts({ take: () => ({ kind: "quota-exceeded", nextFreeAt: at(60) }) });
    assert.deepEqual(await createInstance(ports, wish), {
      kind: "quota-exceeded",
      quota: rules.quotaPerAddress,
      nextFreeAt: at(60),
    });
    assert.equal(calls.length, 1);
  });

  describe("on another host", () => {
    it("goes on when one turns out full or closed", async () => {
      for (const kind of ["host-full", "host-closed"] as const) {
        const { ports, calls } = fakePorts({
          take: (name) => (name === "a" ? { kind } : { kind: "taken", port: 20_000 }),
        });
        const result = await createInstance(ports, wish);
        assert.equal(result.kind === "created" && result.hostName, "b");
        assert.equal(calls[0], "take id1 of a");
      }
    });

    for (const [what, over] of [
      ["does not start it", { startContainer: failing(1, fault("refused")) }],
      ["cannot be reached", { startContainer: failing(1, fault("unreachable")) }],
      ["has no image", { startContainer: failing(1, fault("image-missing")) }],
      ["starts it without a PONG", { pong: failing(1, new Error("no pong")) }],
    ] as const) {
      it(`goes on when one ${what}, and undoes what it took there`, async () => {
        const { ports, calls, world } = fakePorts(over);
        const result = await createInstance(ports, wish);
        assert.equal(result.kind === "created" && result.hostName, "b");
        const [end, remove, close] = ["end id1 as failed", "remove id1 from a", "close id1"].map((call) =>
          calls.indexOf(call),
        );
        assert.ok(
          end !== undefined && remove !== undefined && close !== undefined && end > 0 && end < remove && remove < close,
          calls.join("\n"),
        );
        assert.ok(world.resting.has("a"));
        assert.equal(world.faults.length, 1);
      });
    }

    it("goes on without waiting for a host that hangs: its row stays for the reaper", async () => {
      const { ports, calls } = fakePorts({ startContainer: failing(1, fault("timeout")) });
      assert.equal((await createInstance(ports, wish)).kind, "created");
      assert.ok(calls.includes("end id1 as failed"));
      assert.ok(!calls.some((call) => call.startsWith("remove") || call.startsWith("close")));
    });

    it("goes on when what failed cannot be removed either: its row stays for the reaper", async () => {
      const { ports, calls, world } = fakePorts({
        pong: failing(1, new Error("no pong")),
        remove: failing(1, fault("refused")),
      });
      assert.equal((await createInstance(ports, wish)).kind, "created");
      assert.ok(!calls.some((call) => call.startsWith("close")));
      assert.equal(world.faults.length, 2);
    });
  });

  it("tries another slot of the same host when something holds the port, and lets the slot rest", async () => {
    const { ports, calls, world } = fakePorts({ startContainer: failing(2, fault("port-taken")) });
    const result = await createInstance(ports, wish);
    assert.equal(result.kind === "created" && result.hostName, "a");
    assert.deepEqual(
      calls.filter((call) => call.startsWith("close")),
      [1, 2].map((id) => `close id${id}, slot free from ${at(300).toISOString()}`),
    );
    assert.equal(world.resting.size, 0);
  });

  it("gives a host up when port after port is taken", async () => {
    const { ports, calls } = fakePorts({
      startContainer: (name) => (name === "a" ? Promise.reject(fault("port-taken")) : undefined),
    });
    const result = await createInstance(ports, wish);
    assert.equal(result.kind === "created" && result.hostName, "b");
    assert.equal(calls.filter((call) => call.endsWith("of a")).length, 5);
  });

  it("undoes a hand-out that came too late to count", async () => {
    const { ports, calls } = fakePorts({ hosts: ["a"], handOut: () => false });
    assert.deepEqual(await createInstance(ports, wish), { kind: "no-capacity", reason: "hosts-failed" });
    assert.deepEqual(calls.slice(-3), ["end id1 as failed", "remove id1 from a", "close id1"]);
  });

  it("tells why there is no room", async () => {
    assert.deepEqual(await createInstance(fakePorts({ blind: true }).ports, wish), {
      kind: "no-capacity",
      reason: "fleet-unseen",
    });
    assert.deepEqual(await createInstance(fakePorts({ hosts: [] }).ports, wish), {
      kind: "no-capacity",
      reason: "no-open-host",
    });
    assert.deepEqual(await createInstance(fakePorts({ take: () => ({ kind: "host-full" }) }).ports, wish), {
      kind: "no-capacity",
      reason: "no-open-host",
    });
    assert.deepEqual(await createInstance(fakePorts({ pong: failing(9, new Error("no pong")) }).ports, wish), {
      kind: "no-capacity",
      reason: "hosts-failed",
    });
  });

  it("stops trying when its time is over", async () => {
    const { ports, world, calls } = fakePorts({
      pong: () => {
        world.now = at(30);
        throw new Error("no pong");
      },
    });
    assert.deepEqual(await createInstance(ports, wish), { kind: "no-capacity", reason: "too-slow" });
    assert.equal(calls.filter((call) => call.startsWith("take")).length, 1);
  });

  describe("when MySQL goes away", () => {
    const down = new Unavailable("mysql", new Error("down"));

    it("before anything was taken, takes nothing", async () => {
      const { ports, calls } = fakePorts({ take: () => Promise.reject(down) });
      await assert.rejects(createInstance(ports, wish), down);
      assert.equal(calls.length, 1);
    });

    it("before the hand-out, removes the container all the same and says so", async () => {
      const unavailable = () => {
        throw down;
      };
      const { ports, calls } = fakePorts({ handOut: () => Promise.reject(down), beginEnd: unavailable });
      await assert.rejects(createInstance(ports, wish), down);
      assert.ok(calls.includes("remove id1 from a"));
      assert.ok(!calls.some((call) => call.startsWith("close")));
    });

    for (const [how, beginEnd] of [
      ["written", () => false],
      [
        "perhaps written",
        () => {
          throw down;
        },
      ],
    ] as const) {
      it(`during the hand-out, keeps what is ${how} for a key's retry, and blames no host`, async () => {
        const { ports, calls, world } = fakePorts({ handOut: () => Promise.reject(down), beginEnd });
        await assert.rejects(createInstance(ports, { ...wish, idempotencyKey: "key" }), down);
        assert.equal(calls.at(-1), "end id1 as failed");
        assert.deepEqual([world.faults, [...world.resting]], [[], []]);
      });
    }

    it("during the hand-out, undoes what was not written", async () => {
      const { ports, calls } = fakePorts({ handOut: () => Promise.reject(down) });
      await assert.rejects(createInstance(ports, { ...wish, idempotencyKey: "key" }), down);
      assert.deepEqual(calls.slice(-3), ["end id1 as failed", "remove id1 from a", "close id1"]);
    });

    it("during the hand-out, takes back what nobody can ask for again, written or not, and blames no host", async () => {
      const { ports, calls, world } = fakePorts({ handOut: () => Promise.reject(down) });
      await assert.rejects(createInstance(ports, wish), down);
      assert.deepEqual(calls.slice(-3), ["end id1 as abandoned", "remove id1 from a", "close id1"]);
      assert.deepEqual([world.faults, [...world.resting]], [[], []]);
    });
  });

  describe("when the caller hangs up", () => {
    const hangingUp = () => {
      const caller = new AbortController();
      const { ports, calls } = fakePorts({ pong: () => caller.abort() });
      return { ports, calls, signal: caller.signal };
    };

    it("takes back what nobody waits for", async () => {
      const { ports, calls, signal } = hangingUp();
      assert.deepEqual(await createInstance(ports, { ...wish, signal }), { kind: "abandoned" });
      assert.deepEqual(calls.slice(-3), ["end id1 as abandoned", "remove id1 from a", "close id1"]);
    });

    it("takes back what was handed out a moment after", async () => {
      const caller = new AbortController();
      const handOut = () => {
        caller.abort();
        return true;
      };
      const { ports, calls } = fakePorts({ handOut });
      assert.deepEqual(await createInstance(ports, { ...wish, signal: caller.signal }), { kind: "abandoned" });
      assert.deepEqual(calls.slice(-3), ["end id1 as abandoned", "remove id1 from a", "close id1"]);
    });

    it("hands out all the same to a key: its caller can come back for the answer", async () => {
      const { ports, calls, signal } = hangingUp();
      assert.equal((await createInstance(ports, { ...wish, idempotencyKey: "key", signal })).kind, "created");
      assert.ok(!calls.some((call) => call.startsWith("end")));
    });

    it("does not go on to another host for nobody", async () => {
      const caller = new AbortController();
      const { ports, calls } = fakePorts({
        pong: () => {
          caller.abort();
          throw new Error("no pong");
        },
      });
      assert.deepEqual(await createInstance(ports, { ...wish, signal: caller.signal }), { kind: "abandoned" });
      assert.equal(calls.filter((call) => call.startsWith("take")).length, 1);
    });
  });

  describe("with an idempotency key", () => {
    const keyed = { ...wish, idempotencyKey: "key" };
    const requestHash = hashSecret(JSON.stringify({ ttlSeconds: null }));
    const handout = { id: "id0", password: "from before", expiresAt: at(60).toISOString() } as Handout;
    const sealedAnswer = sealAnswer(
      JSON.stringify(handout),
      { serverSecret: rules.serverSecret, idempotencyKey: "key", instanceId: "id0" },
      Buffer.alloc(12),
    );
    const atWork: KnownClaim = { requestHash, instanceId: "id0", sealedAnswer: null, expiresAt: at(60) };
    const done: KnownClaim = { requestHash, instanceId: "id0", sealedAnswer, expiresAt: at(60) };

    it("seals the answer, so that the store alone cannot give the password away", async () => {
      const { ports, world } = fakePorts();
      assert.equal((await createInstance(ports, keyed)).kind, "created");
      assert.ok(world.sealed && !world.sealed.includes("password1"));
    });

    it("keeps no answer without a key", async () => {
      const { ports, world } = fakePorts();
      await createInstance(ports, wish);
      assert.equal(world.sealed, undefined);
    });

    it("tells in the first answer given again when the lease ends now, after a change of it", async () => {
      const { ports } = fakePorts({ claims: [{ ...done, expiresAt: at(7200) }] });
      const result = await createInstance(ports, keyed);
      assert.equal(result.kind === "created" && result.handout.expiresAt, at(7200).toISOString());
    });

    it("gives the first answer again", async () => {
      const { ports, calls } = fakePorts({ claims: [done] });
      assert.deepEqual(await createInstance(ports, keyed), {
        kind: "created",
        handout,
        hostName: undefined,
        replayed: true,
      });
      assert.deepEqual(calls, []);
    });

    it("waits for a first request that is still at work", async () => {
      const { ports } = fakePorts({ claims: [atWork, atWork, atWork, done] });
      const result = await createInstance(ports, keyed);
      assert.ok(result.kind === "created" && result.replayed);
    });

    it("waits also when the first request was faster by a moment", async () => {
      const { ports, calls } = fakePorts({
        claims: [undefined, atWork, done],
        take: () => ({ kind: "known", ...atWork }),
      });
      const result = await createInstance(ports, keyed);
      assert.ok(result.kind === "created" && result.replayed);
      assert.deepEqual(calls, ["take id1 of a"]);
    });

    it("does it itself when the first request came to nothing", async () => {
      const { ports } = fakePorts({ claims: [atWork, atWork, undefined] });
      const result = await createInstance(ports, keyed);
      assert.ok(result.kind === "created" && !result.replayed);
    });

    it("refuses another request with the same key, finished or not", async () => {
      for (const known of [atWork, done]) {
        const { ports, calls } = fakePorts({ claims: [known] });
        assert.deepEqual(await createInstance(ports, { ...keyed, ttlSeconds: 60 }), { kind: "idempotency-key-reused" });
        assert.deepEqual(calls, []);
      }
    });

    it("does not wait for ever", async () => {
      const { ports, world } = fakePorts({ claims: Array<KnownClaim>(1000).fill(atWork) });
      assert.deepEqual(await createInstance(ports, keyed), { kind: "idempotency-key-in-progress" });
      assert.deepEqual(world.now, at(30));
    });
  });
});
