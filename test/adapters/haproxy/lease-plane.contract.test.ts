import { after, before, describe } from "node:test";
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
});
