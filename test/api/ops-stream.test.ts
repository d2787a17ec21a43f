import assert from "node:assert/strict";
import { after, before, describe, it, mock } from "node:test";
import { setImmediate as pause } from "node:timers/promises";
import type { FleetOverview, HostOverview } from "../../apps/core/operator/fleet-overview.ts";
import { Unavailable } from "../../apps/lib/unavailable.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { assertProblem } from "./assert-problem.ts";

interface News {
  kind: string;
  data: unknown;
}

/** As often as the stream looks. */
const LOOK_MS = 1_000;

describe("the operator's stream", () => {
  let api: TwinApi;
  let origin: string;
  before(async () => {
    api = await createTwinApi({ hostNames: ["host-a", "host-b"], capacity: 3 });
    // A stream that goes on is read from a socket as it comes.
    origin = await api.listen();
    mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  });
  after(async () => {
    mock.timers.reset();
    await api.close();
  });

  /** Waits until a condition gives something truthy, and returns that; the stream looks again each time meanwhile. */
  const lookUntil = async <T>(what: string, condition: () => T): Promise<NonNullable<T>> => {
    const deadline = performance.now() + 10_000;
    for (;;) {
      const value = condition();
      if (value) return value;
      if (performance.now() > deadline) throw new Error(`not within 10 s: ${what}`);
      mock.timers.tick(LOOK_MS);
      await pause();
    }
  };

  /** Follows the stream until it is closed or ends. */
  const follow = async (headers: Record<string, string> = { authorization: `Bearer ${api.opsToken}` }) => {
    const closing = new AbortController();
    const answer = await fetch(`${origin}/ops/api/stream`, { headers, signal: closing.signal });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "text/event-stream; charset=utf-8");
    assert.equal(answer.headers.get("cache-control"), "no-store");
    const news: News[] = [];
    let hasEnded = false;
    const reading = (async () => {
      let text = "";
      const decoder = new TextDecoder();
      for await (const chunk of answer.body ?? []) {
        text += decoder.decode(chunk as Uint8Array, { stream: true });
        const blocks = text.split("\n\n");
        text = blocks.pop() ?? "";
        for (const block of blocks) {
          const [, kind, data] = /^event: (\w+)\ndata: (.*)$/s.exec(block) ?? [];
          if (kind !== undefined) news.push({ kind, data: JSON.parse(data ?? "null") });
        }
      }
      hasEnded = true;
    })().catch(() => undefined);
    return {
      news,
      hasEnded: () => hasEnded,
      close: async () => {
        closing.abort();
        await reading;
      },
    };
  };
  const hostsSeen = (news: News[]) => {
    const hosts = new Map<string, HostOverview>();
    for (const { kind, data } of news)
      if (kind === "picture" || kind === "change")
        for (const host of (data as FleetOverview).hosts) hosts.set(host.name, host);
    return hosts;
  };
  const operate = async (path: string, method: string, body?: object) => {
    await api.call(`/ops/api${path}`, {
      method,
      headers: { authorization: `Bearer ${api.opsToken}`, ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    await api.seeHosts();
  };

  it("begins with the whole fleet and goes on with what changes, slot by slot", async () => {
    const { news, close } = await follow();
    try {
      const [first] = await lookUntil("the first news", () => (news.length > 0 ? news : undefined));
      assert.equal(first?.kind, "picture");
      assert.deepEqual(
        (first.data as FleetOverview).hosts.map(({ name, slots, standing, isStandby }) => [
          name,
          slots,
          standing,
          isStandby,
        ]),
        [
          ["host-a", "...", "open", true],
          ["host-b", "...", "open", true],
        ],
      );
      assert.deepEqual((first.data as FleetOverview).slotLegend, {
        l: "leased",
        s: "starting",
        w: "warm",
        e: "ending",
        r: "port-taken",
        ".": "free",
      });
      const [, second] = await lookUntil("events", () => (news.length > 1 ? news : undefined));
      assert.deepEqual(second, { kind: "events", data: [] }, "that nothing has happened is told as well");
      const handout = (await (await api.call("/instances", { method: "POST" })).json()) as { id: string };
      await lookUntil("its slot is seen", () => hostsSeen(news).get("host-a")?.slots === "l..");
      assert.ok(
        news.slice(1).every(({ kind }) => kind !== "picture"),
        "the whole comes once",
      );
      await operate(`/instances/${handout.id}`, "DELETE");
      await lookUntil("it is free", () => hostsSeen(news).get("host-a")?.slots === "...");
    } finally {
      await close();
    }
  });

  it("tells of what is carried besides instances, as it is declared and given up", async () => {
    const { news, close } = await follow();
    const edge = () =>
      news.reduce<FleetOverview["edge"]>((known, { kind, data }) => {
        if (kind !== "picture" && kind !== "change") return known;
        return (data as Partial<FleetOverview>).edge ?? known;
      }, undefined);
    try {
      await lookUntil("the first news", () => edge());
      assert.deepEqual(edge(), {
        hasEdge: false,
        gateways: [],
        announced: null,
        services: [],
        ports: [],
        workloads: [],
      });
      await operate("/services", "POST", { name: "web", port: 7000, protocol: "tcp" });
      const [service] = await lookUntil("the service is told", () => {
        const services = edge()?.services ?? [];
        return services.length > 0 ? services : undefined;
      });
      assert.deepEqual([service?.name, service?.kind, service?.state], ["web", "declared", "not-carried"]);
      await operate("/services/web", "DELETE");
      await lookUntil("it is gone", () => edge()?.services.length === 0);
    } finally {
      await close();
    }
  });

  it("tells new events to all who watch, and those before to who comes later", async () => {
    const [one, two] = [await follow(), await follow()];
    const told = ({ news }: { news: News[] }) =>
      news.flatMap(({ kind, data }) =>
        kind === "events" ? (data as { kind: string; host: string; times: number }[]) : [],
      );
    try {
      await operate("/hosts/host-b", "PATCH", { state: "cordoned" });
      for (const each of [one, two]) {
        await lookUntil("the event is told", () =>
          told(each).some(({ kind, host }) => kind === "cordon" && host === "host-b"),
        );
        await lookUntil("the host is shown", () => hostsSeen(each.news).get("host-b")?.standing === "cordoned");
      }
      await operate("/hosts/host-b", "PATCH", { state: "active" });
      const late = await follow();
      await lookUntil("it is told as well", () => told(late).some(({ kind }) => kind === "uncordon"));
      await late.close();
      await lookUntil("the view has seen it", () => hostsSeen(one.news).get("host-b")?.standing === "open");
    } finally {
      await Promise.all([one.close(), two.close()]);
    }
  });

  it("tells alarms that go on, also those whose rows are older than all events that it tells", async () => {
    const { store, clock } = api.service;
    const alarm = { actor: "scale", kind: "hold", host: "gar-1", reason: "cannot go on", alarm: true } as const;
    await store.events.add(alarm, new Date(clock().getTime() - 3_600_000));
    for (let index = 0; index < 110; index++)
      await store.events.add(
        { actor: "scale", kind: "order", host: `gar-${index + 2}`, reason: "no room", data: { size: "small" } },
        clock(),
      );
    const { news, close } = await follow();
    const alarms = () =>
      news.flatMap(({ kind, data }) =>
        kind === "alarms" ? [(data as { host: string; times: number }[]).map(({ host, times }) => [host, times])] : [],
      );
    try {
      await lookUntil("the first alarms", () => alarms().length > 0);
      assert.deepEqual(alarms(), [[]], "one of an hour ago does not go on");
      await store.events.add(alarm, clock());
      await lookUntil("it is told", () => alarms().length > 1);
      assert.deepEqual(alarms()[1], [["gar-1", 2]]);
      await store.events.add(alarm, clock());
      await lookUntil("and told again when it is said again", () => alarms().length > 2);
      assert.deepEqual(alarms()[2], [["gar-1", 3]]);
    } finally {
      await close();
    }
  });

  it("is followed by so many at once and no more: the next is told which setting says so, and gets the place of one that goes", async () => {
    const replica = await api.openReplica({ OPERATOR_STREAMS: "2" });
    const url = `${await replica.listen()}/ops/api/stream`;
    const headers = { authorization: `Bearer ${api.opsToken}` };
    const open = async () => {
      const closing = new AbortController();
      return { answer: await fetch(url, { headers, signal: closing.signal }), closing };
    };
    try {
      const [first, second] = [await open(), await open()];
      assert.deepEqual([first.answer.status, second.answer.status], [200, 200]);
      const { answer: refused } = await open();
      assert.match(refused.headers.get("retry-after") ?? "", /^\d+$/);
      const detail = await assertProblem(refused, 503, "too-many-streams");
      assert.match(detail, /^OPERATOR_STREAMS allows 2 at once/);
      second.closing.abort();
      for (let status = 503; status !== 200;) {
        await pause();
        status = (await open()).answer.status;
      }
    } finally {
      await replica.close();
    }
  });

  it("answers no HEAD: that would never end", async () => {
    const answer = await api.call("/ops/api/stream", {
      method: "HEAD",
      headers: { authorization: `Bearer ${api.opsToken}` },
    });
    assert.deepEqual([answer.status, answer.headers.get("allow")], [405, "GET"]);
  });

  it("ends soon after its session", async () => {
    const logIn = await api.call("/ops/api/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token: api.opsToken }),
    });
    const cookie = logIn.headers.get("set-cookie")?.split(";")[0] ?? "";
    const { news, hasEnded, close } = await follow({ cookie });
    try {
      await lookUntil("it goes", () => news.length > 0);
      await api.call("/ops/api/session", { method: "DELETE", headers: { cookie } });
      await lookUntil("it has ended", hasEnded);
    } finally {
      await close();
    }
  });

  it("shows silent hosts as such, and not as standbys", async () => {
    const { news, close } = await follow();
    try {
      await lookUntil("all is seen", () => hostsSeen(news).size === 2);
      api.service.discovery.clear();
      await api.fleet.refresh(api.service.clock());
      await lookUntil("both are silent", () =>
        [...hostsSeen(news).values()].every(({ standing, isStandby }) => standing === "silent" && !isStandby),
      );
      await api.seeHosts();
      await lookUntil("both are open", () =>
        [...hostsSeen(news).values()].every(({ standing }) => standing === "open"),
      );
    } finally {
      await close();
    }
  });

  it("says so while MySQL does not answer, and goes on when it does", async () => {
    const { news, hasEnded, close } = await follow();
    try {
      await lookUntil("it goes", () => news.length > 0);
      api.service.faults.add({ fault: () => new Unavailable("mysql", new Error("down")) });
      await lookUntil("silence is told", () => news.some(({ kind }) => kind === "silence"));
      api.service.faults.clear();
      const silent = news.length;
      await lookUntil("it goes on", () =>
        news.slice(silent).some(({ kind }) => kind === "change" || kind === "picture"),
      );
      assert.equal(hasEnded(), false);
    } finally {
      await close();
    }
  });

  // Last: nothing answers any more.
  it("ends when the API is told to stop, and does not hold it up", async () => {
    const { news, hasEnded, close } = await follow();
    try {
      await lookUntil("it goes", () => news.length > 0);
      await api.close();
      await lookUntil("it has ended", hasEnded);
    } finally {
      await close();
    }
  });
});
