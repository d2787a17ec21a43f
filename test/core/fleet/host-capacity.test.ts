import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { capacityByMemory, memoryOfSize, OWN_MB } from "../../../apps/core/fleet/host-capacity.ts";

test("a host has as many slots as its memory holds full instances, beside what the machine needs itself", () => {
  const cases: [what: string, memoryMb: number, ownMb: number, dataMb: number, slots: number][] = [
    ["a droplet of 1 GB", 1024, OWN_MB.droplet, 25, 17],
    ["a droplet of 2 GB", 2048, OWN_MB.droplet, 25, 47],
    ["a droplet of 8 GB", 8192, OWN_MB.droplet, 25, 222],
    ["a box of 1 GB", 960, OWN_MB.box, 25, 7],
    ["a box of 2 GB", 1960, OWN_MB.box, 25, 36],
    ["a box of 4 GB", 3920, OWN_MB.box, 25, 92],
    ["larger instances", 2048, OWN_MB.droplet, 250, 6],
  ];
  for (const [what, memoryMb, ownMb, dataMb, slots] of cases)
    assert.equal(capacityByMemory(memoryMb, ownMb, dataMb), slots, what);
});

test("a tiny machine still gets two slots, and a huge one no more than were measured", () => {
  assert.equal(capacityByMemory(256, OWN_MB.box, 25), 2);
  assert.equal(capacityByMemory(512 * 1024, OWN_MB.droplet, 25), 300);
});

test("slots never outgrow the memory, and grow with it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1000, max: 1_000_000 }), fc.integer({ min: 1, max: 1000 }), (memoryMb, dataMb) => {
      const slots = capacityByMemory(memoryMb, OWN_MB.droplet, dataMb);
      assert.ok(slots === 2 || slots * dataMb + OWN_MB.droplet < memoryMb);
      assert.ok(slots <= capacityByMemory(memoryMb + 100, OWN_MB.droplet, dataMb));
    }),
  );
});

test("the name of a droplet's size tells its memory", () => {
  const sizes: [size: string, memoryMb: number | undefined][] = [
    ["s-1vcpu-2gb", 2048],
    ["s-1vcpu-512mb-10gb", 512],
    ["s-4vcpu-8gb-intel", 8192],
    ["s-2vcpu-8gb-160gb-intel", 8192],
    ["m-2vcpu-16gb", 16_384],
    ["g-40vcpu-160gb", 163_840],
    ["c-2", 4096],
    ["c-32-intel", 65_536],
    ["somewhat-large", undefined],
  ];
  for (const [size, memoryMb] of sizes) assert.equal(memoryOfSize(size), memoryMb, size);
});
