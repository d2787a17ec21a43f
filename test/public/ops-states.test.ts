import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import type { FleetOverview } from "../../apps/core/operator/fleet-overview.ts";
import { slotLegend } from "../../apps/core/operator/slot-row.ts";
import { operatorRoles } from "../../apps/core/operator/operators.ts";
import { allows } from "../../public/assets/ops/roles.js";
import {
  edgeStates,
  hostState,
  hostStates,
  instanceStates,
  slotStates,
  stateShown,
  verdictStates,
} from "../../public/assets/ops/states.js";
import { unknownVerdict, verdictOf } from "../../public/assets/ops/verdict.js";

const folder = new URL("../../public/assets/ops/", import.meta.url);
const states = await readFile(new URL("states.css", folder), "utf8");
const ops = await readFile(new URL("ops.css", folder), "utf8");

/** Custom properties of a style sheet as they are in one colour scheme. */
function tokens(css: string, scheme: "light" | "dark"): ReadonlyMap<string, string> {
  const at = css.indexOf("@media (prefers-color-scheme: dark)");
  const part = scheme === "light" ? css.slice(0, at) : css.slice(at, css.indexOf("\n}\n", at));
  return new Map([...part.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name = "", value = ""]) => [name, value]));
}

/** Linear red, green and blue. */
function linear(colour: string): number[] {
  return [1, 3, 5].map((index) => {
    const value = Number.parseInt(colour.slice(index, index + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = linear(colour);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** As WCAG 2 counts it. */
function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

type Matrix = readonly (readonly number[])[];

function times(matrix: Matrix, vector: readonly number[]): number[] {
  return matrix.map((row) => row.reduce((sum, value, index) => sum + value * (vector[index] ?? 0), 0));
}

/** How colours are seen by all cones, and without red, green or blue ones (Machado, Oliveira and Fernandes, 2009). */
const sights: Readonly<Record<string, Matrix>> = {
  "all cones": [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** Distance in OKLab, in which 0.02 or so is just seen. */
function distance(one: string, other: string, sight: Matrix): number {
  const [a, b] = [one, other].map((colour) => {
    const seen = times(sight, linear(colour)).map((value) => Math.min(1, Math.max(0, value)));
    const cones = times(
      [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
      ],
      seen,
    ).map(Math.cbrt);
    return times(
      [
        [0.2104542553, 0.793617785, -0.0040720468],
        [1.9779984951, -2.428592205, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.808675766],
      ],
      cones,
    );
  });
  return Math.hypot(...(a ?? []).map((value, index) => value - (b?.[index] ?? 0)));
}

function pairs<T>(items: readonly T[]): [T, T][] {
  return items.flatMap((one, index) => items.slice(index + 1).map((other): [T, T] => [one, other]));
}

describe("states on the operators' page", () => {
  it("have a word and a sign each that no other state of their kind has", () => {
    for (const kind of [hostStates, instanceStates, verdictStates]) {
      const all = Object.values(kind);
      for (const key of ["word", "sign"] as const) assert.equal(new Set(all.map((each) => each[key])).size, all.length);
    }
    assert.deepEqual(Object.keys(slotStates), Object.values(slotLegend), "all states of slots are in the legend");
    assert.deepEqual(hostState("of-tomorrow"), { word: "of-tomorrow", sign: "·" });
    for (const [state, { word, as }] of Object.entries(edgeStates))
      assert.ok(word.length > 0 && as in hostStates, `${state} has a word, and the colour of a host's state`);
    assert.equal(stateShown({ standing: "open", destroyRequest: "none" }), "destroy-requested");
    assert.equal(stateShown({ standing: "destroying", destroyRequest: "none" }), "destroying");
  });

  for (const scheme of ["light", "dark"] as const) {
    const own = tokens(states, scheme);
    const colourOf = (name: string) => own.get(name) ?? assert.fail(`no --${name}`);

    it(`have a colour each, on which their word is read, ${scheme}`, () => {
      for (const names of [Object.keys(hostStates), Object.keys(instanceStates).map((name) => `instance-${name}`)]) {
        for (const name of names)
          assert.ok(contrast(colourOf(name), colourOf(`on-${name}`)) >= 4.5, `${name} is hard to read`);
        for (const [one, other] of pairs(names))
          assert.ok(
            distance(colourOf(one), colourOf(other), sights["all cones"] ?? []) >= 0.02,
            `${one} and ${other} look alike`,
          );
      }
      for (const [one, other] of pairs(Object.keys(hostStates)))
        assert.notEqual(colourOf(`line-${one}`), colourOf(`line-${other}`), "lines in plots");
    });

    it(`of slots are told apart by all who see fewer colours, ${scheme}`, () => {
      const common = tokens(ops, scheme);
      const colours = ["leased", "starting", "ending", "trouble"].map((name) => common.get(name) ?? assert.fail(name));
      for (const [sight, matrix] of Object.entries(sights))
        for (const [one, other] of pairs(colours))
          assert.ok(distance(one, other, matrix) >= 0.04, `${one} and ${other}, ${sight}`);
    });
  }

  it("are unknown, and since when, while nothing is heard of the fleet", () => {
    const at = new Date(2026, 0, 1, 9, 57, 12).getTime();
    const { level, headline, notes } = unknownVerdict(at, at + 60_000, "MySQL does not answer.", "All is well");
    assert.deepEqual([level, headline], ["unknown", "Unknown since 09:57"]);
    assert.equal(notes[0]?.text, "MySQL does not answer. Last known state, at 09:57: All is well.");
  });

  it("of a large fleet are summed up: the verdict stays as short as it is for a small one", () => {
    const host = (standing: string, index: number) => ({
      name: `gar-${index}`,
      standing,
      capacity: 2,
      occupied: 0,
      warm: 0,
    });
    const hosts = Array.from({ length: 60 }, (_, index) => host(index % 2 ? "silent" : "backing-off", index));
    const overview = { isBlind: false, hosts, rules: { isFleet: false }, switches: [], jobs: [], running: 0 };
    const { headline, notes } = verdictOf(overview as unknown as FleetOverview, [], 0);
    assert.equal(headline, "30 of 60 hosts are unhealthy");
    assert.deepEqual(
      notes.slice(4, 10).map(({ text }) => text.replace(/^gar-\d+: /, "")),
      [
        "26 more hosts are unhealthy.",
        ...Array<string>(4).fill("takes no instances for a moment, because one failed to start on it"),
        "26 more hosts take none for a moment.",
      ],
    );
  });

  it("offer acts by the same order of roles as the service", () => {
    for (const [index, role] of operatorRoles.entries())
      assert.deepEqual(
        operatorRoles.filter((needed) => allows(role, needed)),
        operatorRoles.slice(0, index + 1),
      );
    assert.equal(allows(undefined, "viewer"), false);
    assert.equal(allows("of-tomorrow", "viewer"), false);
  });
});
