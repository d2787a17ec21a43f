import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Alarm } from "../../../apps/core/notifications/alarms.ts";
import type { Channel, MessageType, NewMessage } from "../../../apps/core/notifications/messages.ts";
import { at, useStore, type OpenStore } from "./bed.ts";

const alarm = (key: string, reason = "why"): Alarm => ({
  key,
  topic: "host",
  kind: "host-silent",
  host: "a",
  instance: null,
  reason,
});
const message = (messageId: string, channel: Channel = "webhook", type: MessageType = "host.lost"): NewMessage => ({
  messageId,
  channel,
  type,
  payload: JSON.stringify({ text: "“ü”" }),
});

/** The store's contract of alarms, and of messages about them. */
export function describeNotifications(open: OpenStore): void {
  describe("notifications", () => {
    const { bed } = useStore(open);
    const nouns = () => bed.store.notifications;
    const ids = (messages: readonly { messageId: string }[]) => messages.map(({ messageId }) => messageId);

    it("of an alarm that goes on keep when it began, and are told by one of several processes", async () => {
      await nouns().seeAlarm(alarm("host:a"), at(0));
      await nouns().seeAlarm(alarm("host:a", "another reason"), at(20));
      await nouns().seeAlarm(alarm("host:a", "another reason"), at(10));
      const [kept] = await nouns().listAlarms();
      assert.deepEqual(kept, { ...alarm("host:a", "another reason"), firstAt: at(0), lastAt: at(20), toldAt: null });
      const told = await Promise.all(
        [bed.store, bed.another(), bed.another()].map(({ notifications }, index) =>
          notifications.tellAlarm("host:a", [message(`m${index}`)], at(30)),
        ),
      );
      assert.equal(told.filter(Boolean).length, 1);
      assert.equal((await nouns().list(10)).length, 1);
      assert.deepEqual((await nouns().listAlarms())[0]?.toldAt, at(30));
    });

    it("of an alarm that is over are kept once, and not when it was seen again meanwhile", async () => {
      await nouns().seeAlarm(alarm("host:a"), at(0));
      await nouns().seeAlarm(alarm("host:a"), at(10));
      assert.equal(await nouns().endAlarm("host:a", at(0), [message("early")], at(11)), false);
      const ended = await Promise.all(
        [bed.store, bed.another()].map(({ notifications }, index) =>
          notifications.endAlarm("host:a", at(10), [message(`m${index}`)], at(20)),
        ),
      );
      assert.equal(ended.filter(Boolean).length, 1);
      assert.equal((await nouns().list(10)).length, 1);
      assert.deepEqual(await nouns().listAlarms(), []);
    });

    it("are taken by one process at a time, when they are due, and again when that one has died", async () => {
      for (const id of ["one", "two", "three"]) await nouns().add(message(id), at(0));
      const taken = await Promise.all(
        [bed.store, bed.another(), bed.another()].map(({ notifications }) =>
          notifications.take("webhook", 10, at(1), at(60)),
        ),
      );
      assert.deepEqual(ids(taken.flat()).sort(), ["one", "three", "two"]);
      assert.deepEqual(await nouns().take("webhook", 10, at(59), at(100)), []);
      await nouns().finish("one", "webhook", { kind: "sent" }, at(2));
      await nouns().finish("two", "webhook", { kind: "again", fault: "it answered 500", nextAt: at(200) }, at(3));
      assert.deepEqual(ids(await nouns().take("webhook", 10, at(60), at(100))), ["three"], "whoever took it is dead");
      await nouns().finish("three", "webhook", { kind: "sent" }, at(61));
      const [two] = await nouns().take("webhook", 10, at(200), at(300));
      assert.deepEqual(
        [two?.messageId, two?.attempts, two?.fault, two?.createdAt],
        ["two", 1, "it answered 500", at(0)],
      );
      assert.deepEqual(two?.payload, message("two").payload);
    });

    it("that are sent together are taken by one process, and not too soon after the last", async () => {
      for (const id of ["one", "two"]) await nouns().add(message(id, "mail"), at(0));
      const take = (seconds: number, store = bed.store) =>
        store.notifications.takeTogether("mail", 10, at(seconds), at(seconds + 30), 300_000);
      const taken = await Promise.all([bed.store, bed.another(), bed.another()].map((store) => take(1, store)));
      assert.deepEqual(taken.map(({ length }) => length).sort(), [0, 0, 2]);
      await nouns().add(message("three", "mail"), at(2));
      assert.deepEqual(await take(3), [], "another process is at it");
      for (const id of ["one", "two"]) await nouns().finish(id, "mail", { kind: "sent" }, at(4));
      assert.deepEqual(await take(303), [], "too soon");
      await nouns().add(message("test", "mail", "test"), at(10));
      assert.deepEqual(ids(await take(11)), ["test"], "a test does not wait");
      await nouns().finish("test", "mail", { kind: "sent" }, at(12));
      assert.deepEqual(ids(await take(304)), ["three"]);
    });

    it("are counted while they wait and when they are given up, found, listed, and forgotten in time", async () => {
      await nouns().add(message("one"), at(0));
      await nouns().add(message("one", "mail"), at(1));
      await nouns().add(message("test", "mail", "test"), at(2));
      await nouns().finish("one", "mail", { kind: "given-up", fault: "x".repeat(600) }, at(3));
      await nouns().finish("one", "mail", { kind: "sent" }, at(4));
      assert.deepEqual(await nouns().count(), [
        { channel: "mail", state: "given-up", messages: 1 },
        { channel: "webhook", state: "waiting", messages: 1 },
      ]);
      const found = await nouns().find("one", "mail");
      assert.deepEqual([found?.state, found?.finishedAt, found?.fault?.length], ["given-up", at(3), 500]);
      assert.equal(
        await nouns()
          .find("one", "webhook")
          .then((each) => each?.state),
        "waiting",
      );
      assert.equal(await nouns().find("nobody", "mail"), undefined);
      assert.deepEqual(ids(await nouns().list(2)), ["test", "one"]);
      assert.equal(await nouns().prune(at(2)), 2);
      assert.deepEqual(ids(await nouns().list(9)), ["test"]);
    });
  });
}
