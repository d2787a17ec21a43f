import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createCarrier } from "../../../apps/core/edge/carry-routes.ts";
import {
  command,
  startLeaseHaproxy,
  startStandIn,
  talkTo,
  type LeaseHaproxy,
  type Talk,
} from "../../bed/lease-plane.ts";
import { until } from "../../bed/until.ts";
import { describeLeasePlaneContract } from "../../contracts/lease-plane.ts";

describe("routes of HAProxy", () => {
  let haproxy: LeaseHaproxy;
  let instances: Awaited<ReturnType<typeof startStandIn>>[] = [];
  before(async () => {
    haproxy = await startLeaseHaproxy();
    instances = [await startStandIn(), await startStandIn()];
  });
  after(async () => {
    for (const instance of instances) instance.close();
    await haproxy.stop();
  });

  describeLeasePlaneContract(async () => {
    const { plane, plainPort } = haproxy;
    await plane.swapRoutes(new Map());
    const talks: Talk[] = [];
    const [one, other] = instances.map(({ target }) => target);
    return {
      plane,
      targets: [one ?? "", other ?? ""],
      connect: async (id) => {
        const talk = await talkTo(plainPort);
        talks.push(talk);
        talk.say(command("AUTH", `${id}-a-password`));
        talk.say(command("WHO"));
        await until("an answer", () => talk.heard().includes("+127.0.0.1") || talk.heard().includes("-"));
        const [, target] = /\+(127.*)\r\n/.exec(talk.heard()) ?? [];
        return { target, isOpen: () => !talk.isClosed() };
      },
      close: async () => {
        for (const { socket } of talks) socket.destroy();
        await until("HAProxy has closed them too", async () => (await plane.readFacts()).connections === 0);
      },
    };
  });

  it("carries a hundred thousand, finds one that somebody has taken away, and puts that back alone", async () => {
    const { plane, plainPort } = haproxy;
    const target = instances[0]?.target ?? "";
    const [address = "", port = ""] = target.split(" ");
    const ids = Array.from({ length: 100_000 }, (_, number) => String(number).padStart(16, "0"));
    const routes = ids.map((id) => ({ id, address, port: Number(port) }));
    const read = () => Promise.resolve({ isAll: true, routes, gone: [], mark: { at: 0 } });
    const carrier = createCarrier({ routes: { read }, plane, nowMs: () => performance.now() }, { rereadMs: 60_000 });
    assert.equal((await carrier.step([], true)).isWhole, true);
    assert.equal((await plane.readRoutes()).size, ids.length);
    const last = ids.at(-1) ?? "";
    await plane.changeRoutes([{ kind: "delete", id: last }]);
    const { repaired, changed, carried } = await carrier.step([last], true);
    assert.deepEqual([repaired, changed, carried], [1, 1, [{ id: last, target }]]);
    const talk = await talkTo(plainPort);
    talk.say(command("AUTH", `${last}-a-password`));
    await until("it is logged in", () => talk.heard() === "+OK\r\n");
    talk.socket.destroy();
    await plane.swapRoutes(new Map());
  });
});
