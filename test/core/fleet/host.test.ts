import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseHeartbeat, type HeartbeatReading } from "../../../apps/core/fleet/host.ts";
import { beat as beatOf } from "../../contracts/heartbeat.ts";

const beat = beatOf("host-a");
const reasonOf = (heartbeat: HeartbeatReading) => (heartbeat.kind === "refused" ? heartbeat.reason : undefined);
const read = (value: unknown) => parseHeartbeat("host-a", JSON.stringify(value));

describe("parseHeartbeat", () => {
  it("takes a whole heartbeat as it was sent", () => {
    assert.deepEqual(read(beat), { kind: "beat", beat });
  });

  it("takes a heartbeat whose engine does not answer, shown by containers null", () => {
    assert.deepEqual(read({ ...beat, containers: null }), { kind: "beat", beat: { ...beat, containers: null } });
  });

  it("refuses a heartbeat with any field missing, and names it", () => {
    for (const field of Object.keys(beat)) {
      const rest = Object.fromEntries(Object.entries(beat).filter(([name]) => name !== field));
      assert.match(reasonOf(read(rest)) ?? "taken", new RegExp(field));
    }
  });

  it("refuses fields of a wrong type or out of range, and names them", () => {
    const wrong = {
      name: ["", "x".repeat(64), 7, null],
      publicIp: [7, null, "x".repeat(254)],
      privateIp: [7, null, "x".repeat(254)],
      dockerPort: ["2376", -1, 65_536, 1.5, null],
      containers: ["3", -1, 1.5, 1e9, true],
      memAvailableMb: ["512", -1, 0.5, null],
      sentAt: ["", "yesterday", 1_767_225_600, null, `2026-01-01T00:00:00${"Z".repeat(40)}`],
    };
    for (const [field, values] of Object.entries(wrong)) {
      for (const value of values) {
        assert.match(
          reasonOf(read({ ...beat, [field]: value })) ?? "taken",
          new RegExp(field),
          `${field} ${JSON.stringify(value)}`,
        );
      }
    }
  });

  it("refuses an unknown field: a host that speaks another version is not understood", () => {
    assert.equal(read({ ...beat, slots: 40 }).kind, "refused");
  });

  it("refuses a heartbeat that names another host", () => {
    const heartbeat = read({ ...beat, name: "host-b" });
    assert.deepEqual(heartbeat, { kind: "refused", reason: 'names another host, "host-b"' });
  });

  it("refuses a heartbeat that was cut off anywhere", () => {
    const whole = JSON.stringify(beat);
    for (let length = 0; length < whole.length; length++)
      assert.equal(parseHeartbeat("host-a", whole.slice(0, length)).kind, "refused", whole.slice(0, length));
  });

  it("never throws, and never takes a value that is not a whole heartbeat", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (value) =>
        assert.equal(parseHeartbeat("host-a", value).kind, "refused"),
      ),
    );
  });

  it("gives every refusal a reason", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.ok((reasonOf(read(value)) ?? "").length > 3);
      }),
    );
  });
});
