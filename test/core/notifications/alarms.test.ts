import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { Membership } from "../../../apps/core/edge/contract.ts";
import type { Gateway } from "../../../apps/core/edge/gateway.ts";
import { deliver, type DeliverRules } from "../../../apps/core/notifications/deliver.ts";
import { followAlarms, type FollowAlarmsRules } from "../../../apps/core/notifications/follow-alarms.ts";
import { pauseMs, type Channel, type Payload } from "../../../apps/core/notifications/messages.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { gateway } from "../../../apps/twins/gateways.ts";
import { createTwinService, type TwinService } from "../../bed/twin-service.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const rules: FollowAlarmsRules & DeliverRules = {
  topics: ["alarm", "host", "misuse"],
  channels: ["webhook"],
  afterMs: 2 * MINUTE,
  timeoutMs: 10 * SECOND,
  giveUpMs: 24 * 60 * MINUTE,
  mailGapMs: 5 * MINUTE,
};

describe("alarms", () => {
  let service: TwinService;
  let made: number;
  /** Gateways, where a test has an edge. */
  let edge: Pick<Membership, "list"> | undefined;
  beforeEach(async () => {
    service = createTwinService();
    made = 0;
    edge = undefined;
    await service.addHost("host-a");
    await service.addHost("host-b");
  });

  function follow(over: Partial<FollowAlarmsRules> = {}, store = service.store): Promise<number> {
    const newMessageId = () => `msg_${++made}`;
    const ports = { store, fleet: service.fleet, edge, newMessageId, clock: service.clock };
    return followAlarms(ports, { ...rules, ...over });
  }

  /** Lets minutes pass, in which the alarms are looked at each 30 s; heartbeats of `alive` go on. */
  async function pass(minutes: number, alive: readonly string[] = ["host-a", "host-b"]): Promise<void> {
    for (let step = 0; step < minutes * 2; step++) {
      for (const name of alive) service.discovery.beat(name);
      await follow();
      service.time.pass(30 * SECOND);
    }
  }

  async function told(): Promise<string[]> {
    return (await service.store.notifications.list(100))
      .reverse()
      .map(({ type, payload }) => `${type} ${(JSON.parse(payload) as Payload).data.alarm ?? ""}`);
  }

  it("are told once when they have lasted, and once when they are over", async () => {
    await pass(3);
    assert.deepEqual(await told(), []);
    service.discovery.remove("host-b");
    await pass(2, ["host-a"]);
    assert.deepEqual(await told(), [], "two minutes are not over yet");
    await pass(10, ["host-a"]);
    assert.deepEqual(await told(), ["host.lost host:host-b"]);
    await pass(10);
    assert.deepEqual(await told(), ["host.lost host:host-b", "host.recovered host:host-b"]);
  });

  it("tell that no gateway lives, for as long as that is known", async () => {
    let living: readonly Gateway[] = [gateway("gw-1")];
    let isAway = false;
    edge = {
      list: () => (isAway ? Promise.reject(new Unavailable("redis", new Error("away"))) : Promise.resolve(living)),
    };
    await pass(3);
    living = [{ ...gateway("gw-1"), state: "joining" }];
    await pass(2);
    assert.deepEqual(await told(), [], "a gateway that starts anew is no alarm");
    await pass(1);
    assert.deepEqual(await told(), ["alarm.began no-gateway"]);
    isAway = true;
    await pass(5);
    assert.deepEqual(await told(), ["alarm.began no-gateway"], "it is unknown whether it is over");
    isAway = false;
    living = [{ ...gateway("gw-1"), state: "draining" }];
    await pass(5);
    assert.deepEqual(await told(), ["alarm.began no-gateway", "alarm.ended no-gateway"]);
  });

  it("that come and go are told neither when short, nor again and again when long", async () => {
    for (let times = 0; times < 3; times++) {
      service.discovery.remove("host-b");
      await pass(1, ["host-a"]);
      await pass(1);
    }
    assert.deepEqual(await told(), []);
    for (let times = 0; times < 3; times++) {
      service.discovery.remove("host-b");
      await pass(3, ["host-a"]);
      await pass(1);
    }
    assert.deepEqual(await told(), ["host.lost host:host-b"]);
  });

  it("say that a host is removed, not recovered, when the operator has closed it", async () => {
    service.discovery.remove("host-b");
    await pass(4, ["host-a"]);
    await service.store.hosts.setState("host-b", "draining");
    await pass(4, ["host-a"]);
    assert.deepEqual(await told(), ["host.lost host:host-b", "host.removed host:host-b"]);
  });

  it("say nothing of single hosts while no heartbeats can be read", async () => {
    await pass(1);
    service.faults.add({ call: "readHeartbeats", fault: () => new Unavailable("redis", new Error("away")) });
    await pass(5, []);
    assert.deepEqual(await told(), ["alarm.began heartbeats-unseen"]);
    service.faults.clear();
    await pass(5);
    assert.deepEqual(await told(), ["alarm.began heartbeats-unseen", "alarm.ended heartbeats-unseen"]);
  });

  it("tell that there is no room, and that a job has stopped", async () => {
    await service.store.runs.begin("reap", service.clock());
    await service.store.runs.finish("reap", service.clock(), undefined);
    for (const name of ["host-a", "host-b"]) await service.store.hosts.setState(name, "cordoned");
    await pass(12);
    assert.deepEqual(await told(), ["alarm.began no-room", "alarm.began job:reap"]);
  });

  it("of the journal are told at once: misuse until it is over, what happens once without an end", async () => {
    const now = service.clock();
    const finding = { rule: "egress", value: 9, bound: 5 } as const;
    const about = { host: "host-a", instance: "0123456789abcdef", alarm: true } as const;
    await service.store.events.add(
      { ...about, actor: "misuse", kind: "misuse", reason: "it sends", data: finding },
      now,
    );
    await service.store.events.add(
      { actor: "scale", kind: "sweep", host: "gar-1", alarm: true, reason: "nobody tracks it", data: { dropletId: 1 } },
      now,
    );
    await pass(8);
    assert.deepEqual((await told()).sort(), [
      "alarm.began sweep:2",
      "misuse.began misuse:host-a:0123456789abcdef:egress",
      "misuse.ended misuse:host-a:0123456789abcdef:egress",
    ]);
  });

  it("are told in every channel that is set up, and only those of the topics that are wanted", async () => {
    service.discovery.remove("host-b");
    await follow({ channels: ["webhook", "mail"], afterMs: 0 });
    const messages = await service.store.notifications.list(10);
    assert.deepEqual(messages.map(({ channel }) => channel).sort(), ["mail", "webhook"]);
    assert.equal(new Set(messages.map(({ messageId }) => messageId)).size, 1);
    for (const name of ["host-a", "host-b"]) await service.store.hosts.setState(name, "cordoned");
    await follow({ topics: ["host"], afterMs: 0 });
    assert.ok((await told()).every((each) => !each.includes("no-room")));
  });

  it("are told once by several processes", async () => {
    service.discovery.remove("host-b");
    await Promise.all([follow({ afterMs: 0 }), follow({ afterMs: 0 }, service.elsewhere)]);
    assert.deepEqual(await told(), ["host.lost host:host-b"]);
  });

  describe("that are delivered", () => {
    let sent: string[][];
    let answers: (string | undefined)[];

    beforeEach(() => {
      sent = [];
      answers = [];
    });

    function send(channel: Channel, over: Partial<DeliverRules> = {}): Promise<void> {
      const sender = (messages: readonly { messageId: string }[]) => {
        sent.push(messages.map(({ messageId }) => messageId));
        return Promise.resolve(answers.shift());
      };
      const ports = { store: service.store, send: { [channel]: sender }, clock: service.clock, chance: () => 0.5 };
      return deliver(ports, { ...rules, ...over });
    }

    async function add(messageId: string, channel: Channel, type: "host.lost" | "test" = "host.lost"): Promise<void> {
      await service.store.notifications.add({ messageId, channel, type, payload: "{}" }, service.clock());
    }

    it("are tried again after 10 s, then three times as long each time, four hours at most", async () => {
      assert.deepEqual(
        [1, 2, 3, 4, 5, 6, 7, 8, 20].map((attempts) => pauseMs(attempts, 0.5) / SECOND),
        [10, 30, 90, 270, 810, 2430, 7290, 14_400, 14_400],
      );
      assert.deepEqual([pauseMs(1, 0), pauseMs(1, 1)], [8000, 12_000]);
      await add("one", "webhook");
      answers = ["it answered 500", "it answered 500", undefined];
      for (const seconds of [0, 9, 1, 29, 1, 60]) {
        service.time.pass(seconds * SECOND);
        await send("webhook");
      }
      assert.deepEqual(sent, [["one"], ["one"], ["one"]]);
      assert.equal((await service.store.notifications.find("one", "webhook"))?.state, "sent");
    });

    it("are given up when they are too old, which is an alarm that is told elsewhere", async () => {
      await add("one", "webhook");
      answers = Array<string>(100).fill("it answered 500");
      for (let hours = 0; hours < 26; hours++) {
        await send("webhook");
        service.time.pass(60 * MINUTE);
      }
      assert.equal((await service.store.notifications.find("one", "webhook"))?.state, "given-up");
      const [event] = await service.store.events.list({ kind: "notify-failed" }, 10);
      assert.match(event?.reason ?? "", /^The webhook about host\.lost of .* was given up after \d+ attempts\. .*500$/);
      // Told within its five minutes, and never by the channel that has failed.
      service.tables.events[0] = { ...(service.tables.events[0] as object), lastAt: service.clock() } as never;
      await follow({ channels: ["webhook", "mail"] });
      const [message] = await service.store.notifications.list(1);
      assert.deepEqual([message?.channel, message?.type], ["mail", "alarm.began"]);
      assert.equal((await service.store.notifications.list(10)).length, 2);
    });

    it("by mail come together: a storm is one mail, and the next comes after a while", async () => {
      for (let count = 0; count < 50; count++) await add(`first-${count}`, "mail");
      await send("mail");
      assert.deepEqual(
        sent.map(({ length }) => length),
        [50],
      );
      await add("later-1", "mail");
      await send("mail");
      service.time.pass(4 * MINUTE);
      await add("later-2", "mail");
      await send("mail");
      assert.equal(sent.length, 1);
      service.time.pass(MINUTE);
      await send("mail");
      assert.deepEqual(sent[1], ["later-1", "later-2"]);
    });

    it("as a test are tried once, alone and at once", async () => {
      await add("one", "mail");
      await send("mail");
      await add("two", "mail");
      await add("test", "mail", "test");
      answers = ["no such host"];
      await send("mail");
      assert.deepEqual(sent, [["one"], ["test"]]);
      const test = await service.store.notifications.find("test", "mail");
      assert.deepEqual([test?.state, test?.fault], ["given-up", "no such host"]);
      assert.deepEqual(await service.store.events.list({}, 10), []);
    });
  });
});
