import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KeptEvent } from "../../../apps/core/events/event.ts";
import {
  identify,
  isUseDue,
  looksLikeOperatorToken,
  mayAct,
  OPERATOR_NAME_PATTERN,
  operatorRoles,
  operatorToken,
  type Operator,
} from "../../../apps/core/operator/operators.ts";
import { seesVisitors, withoutVisitors } from "../../../apps/core/operator/viewer.ts";

const at = (seconds: number): Date => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);
const alice: Operator = {
  name: "alice",
  role: "operator",
  createdAt: at(0),
  createdBy: "admin",
  expiresAt: at(100),
  lastUsedAt: null,
};

describe("operators", () => {
  it("may do what their role may, and what every lower role may", () => {
    assert.deepEqual(
      operatorRoles.map((role) => operatorRoles.filter((needed) => mayAct(role, needed))),
      [["viewer"], ["viewer", "operator"], ["viewer", "operator", "admin"]],
    );
  });

  it("are known until the moment that their token expires, and are told from then on that it has", () => {
    const caller = { name: "alice", role: "operator" };
    assert.deepEqual(identify(alice, at(99.999)), { kind: "known", caller, expiresAt: at(100) });
    assert.deepEqual(identify(alice, at(100)), { kind: "expired", name: "alice", at: at(100) });
    assert.deepEqual(identify({ ...alice, expiresAt: null }, at(1e9)), { kind: "known", caller, expiresAt: null });
    assert.deepEqual(identify(undefined, at(0)), { kind: "unknown" });
  });

  it("have tokens that are told from all other words", () => {
    assert.equal(operatorToken("a".repeat(32)), `gar_op_${"a".repeat(32)}`);
    assert.ok(looksLikeOperatorToken(operatorToken("Z9".repeat(16))));
    for (const text of [
      "",
      "gar_op_",
      "gar_op_short",
      `gar_op_${"-".repeat(32)}`,
      "a".repeat(39),
      `gar_op_${"a".repeat(65)}`,
    ])
      assert.ok(!looksLikeOperatorToken(text), text);
  });

  it("have names of small letters, digits and a few signs, which begin with a letter or a digit", () => {
    const isName = (text: string) => new RegExp(OPERATOR_NAME_PATTERN).test(text);
    for (const name of ["a", "alice", "alice@example.org", "ci-2", "a".repeat(32)]) assert.ok(isName(name), name);
    for (const name of ["", "Alice", "a b", "-a", "ål", "a\n", "<b>", "a".repeat(33)]) assert.ok(!isName(name), name);
  });

  it("have a use noted when the last one that was is a minute old", () => {
    assert.ok(isUseDue(alice, at(0)));
    assert.ok(!isUseDue({ lastUsedAt: at(0) }, at(59.999)));
    assert.ok(isUseDue({ lastUsedAt: at(0) }, at(60)));
  });
});

describe("a viewer", () => {
  const event = (kind: string, over: Partial<KeptEvent> = {}) =>
    ({
      id: 1,
      at: at(0),
      lastAt: at(0),
      times: 1,
      actor: "operator",
      by: "alice",
      kind,
      reason: "192.0.2.1: spam",
      data: { address: "192.0.2.1" },
      ...over,
    }) as KeptEvent;

  it("is the only one who does not see visitors' addresses", () => {
    assert.deepEqual(operatorRoles.filter(seesVisitors), ["operator", "admin"]);
  });

  it("reads of blocks, and of ends that came with them, without an address; all else as it is", () => {
    for (const kind of ["block", "unblock", "end"]) {
      const shown = withoutVisitors(event(kind, kind === "end" ? { data: { cause: "operator" } } : {}));
      assert.ok(!JSON.stringify(shown).includes("192.0.2.1"), kind);
      assert.deepEqual([shown.kind, shown.by, shown.id], [kind, "alice", 1]);
    }
    for (const other of [event("hold"), event("end", { actor: "reconcile", data: { cause: "lost" } })])
      assert.equal(withoutVisitors(other), other);
  });
});
