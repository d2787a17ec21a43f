import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  comparePortMaps,
  listMembers,
  mapPorts,
  renderPortMap,
  type HostLook,
  type PortMap,
} from "../../../apps/core/ports/port-map.ts";
import type { HostPort } from "../../../apps/core/ports/port.ts";

const SIZE = 251;

const port = (facts: Partial<HostPort> = {}): HostPort => ({
  host: "one",
  port: 8080,
  image: "web:1",
  imagePort: 80,
  state: "on",
  children: [],
  ...facts,
});
const container = (number: number, facts: Partial<HostLook["containers"][number]> = {}) => ({
  id: `c${number}`,
  name: `web-${number}`,
  image: "web:1",
  address: `172.18.0.${number}`,
  isPaused: false,
  isInstance: false,
  ...facts,
});
const look = (...containers: HostLook["containers"]): HostLook => ({ address: "10.0.0.1", containers });
const mapOf = (ports: readonly HostPort[], looks: Record<string, HostLook>, size = SIZE): PortMap => {
  const map = mapPorts("one", ports, new Map(Object.entries(looks)), size);
  assert.ok(map);
  return map;
};
/** How many buckets each member of a map's first port has, by name. */
const shares = ([first]: PortMap) => {
  const found: Record<string, number> = {};
  for (const place of first?.buckets ?? []) {
    const name = first?.members[place]?.name ?? "nobody";
    found[name] = (found[name] ?? 0) + 1;
  }
  return found;
};

describe("the ports of a host", () => {
  it("are balanced over the containers of their image, each at the image's port", () => {
    const map = mapOf([port()], { one: look(container(2), container(3), container(4, { image: "other:1" })) });
    assert.deepEqual(
      map[0]?.members.map(({ name, address, port: to }) => [name, address, to]),
      [
        ["web-2", "172.18.0.2", 80],
        ["web-3", "172.18.0.3", 80],
      ],
    );
    const { "web-2": one = 0, "web-3": other = 0 } = shares(map);
    assert.equal(one + other, SIZE);
    assert.ok(Math.abs(one - other) <= 1);
  });

  it("find an image by its full name, however the name was written", () => {
    const names = ["web", "web:latest", "docker.io/library/web", "library/web:latest"];
    const containers = names.map((image, index) => container(index + 2, { image }));
    assert.equal(mapOf([port({ image: "web" })], { one: look(...containers) })[0]?.members.length, names.length);
    assert.equal(mapOf([port({ image: "web:2" })], { one: look(...containers) })[0]?.members.length, 0);
  });

  it("never lead to somebody's instance, also when its image is named", () => {
    const map = mapOf([port()], { one: look(container(2, { isInstance: true })) });
    assert.deepEqual(map[0]?.members, []);
    assert.deepEqual(map[0].buckets, []);
  });

  it("give a paused container no bucket, and keep it as a member with the connections it has", () => {
    const map = mapOf([port()], { one: look(container(2, { isPaused: true }), container(3)) });
    assert.deepEqual(shares(map), { "web-3": SIZE });
    assert.deepEqual(
      map[0]?.members.map(({ takes }) => takes),
      [false, true],
    );
  });

  it("leave out a container that has no address yet", () => {
    assert.deepEqual(mapOf([port()], { one: look(container(2, { address: null })) })[0]?.members, []);
  });

  it("keep the members of a stopped port, and no bucket", () => {
    const [stopped] = mapOf([port({ state: "stopped" })], { one: look(container(2)) });
    assert.equal(stopped?.members.length, 1);
    assert.deepEqual(stopped.buckets, []);
  });

  it("give a child as much as there are members behind it, those of its own children included", () => {
    const ports = [
      port({ children: [{ host: "two", port: 9090 }] }),
      port({ host: "two", port: 9090, children: [{ host: "three", port: 7070 }] }),
      port({ host: "three", port: 7070 }),
    ];
    const map = mapOf(ports, {
      one: look(container(2)),
      two: { address: "10.0.0.2", containers: [container(3)] },
      three: { address: "10.0.0.3", containers: [container(4), container(5, { isPaused: true })] },
    });
    const child = map[0]?.members.find(({ kind }) => kind === "child");
    assert.deepEqual([child?.address, child?.port, child?.weight], ["10.0.0.2", 9090, 2]);
    const { "web-2": own = 0, "two:9090": others = 0 } = shares(map);
    assert.ok(Math.abs(others - 2 * own) <= 4, `${others} beside ${own}`);
  });

  it("give nothing to a child that has nobody behind it, is stopped, or leads back", () => {
    const toTwo = { children: [{ host: "two", port: 9090 }] };
    const two = (facts: Partial<HostPort>) => port({ host: "two", port: 9090, image: "none", ...facts });
    for (const child of [
      two({}),
      two({ image: "web:1", state: "stopped" }),
      two({ children: [{ host: "one", port: 8080 }], image: null }),
    ]) {
      const map = mapOf([port({ ...toTwo, image: null }), child], {
        one: look(),
        two: { address: "10.0.0.2", containers: child.state === "stopped" ? [container(3)] : [] },
      });
      assert.deepEqual(map[0]?.buckets, []);
    }
  });

  it("are unknown, and not empty, while the host has never been seen", () => {
    assert.equal(mapPorts("one", [port()], new Map(), SIZE), undefined);
  });

  it("are the same on every host that knows the same members, in whatever order it got to know them", () => {
    const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 250 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(
        numbers.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([list, shuffled]) => {
          const textOf = (some: readonly number[]) =>
            renderPortMap(mapOf([port()], { one: look(...some.map((number) => container(number))) }));
          assert.deepEqual(textOf(list), textOf(shuffled));
        },
      ),
      { numRuns: 50 },
    );
  });

  it("move the buckets of a container that leaves, and hardly any other", () => {
    const containers = Array.from({ length: 10 }, (_, index) => container(index + 2));
    const nameAt = ([first]: PortMap, bucket: number) => first?.members[first.buckets[bucket] ?? -1]?.name;
    const size = 16_381;
    const before = mapOf([port()], { one: look(...containers) }, size);
    const after = mapOf([port()], { one: look(...containers.slice(1)) }, size);
    let moved = 0;
    for (let bucket = 0; bucket < size; bucket++)
      if (nameAt(before, bucket) !== "web-2" && nameAt(before, bucket) !== nameAt(after, bucket)) moved++;
    assert.ok(moved <= size / 100, `${moved} of ${size} moved besides those of the one that left`);
  });
});

describe("the document of a host's ports", () => {
  it("has a line for each port and member, the buckets, and an end", () => {
    const { revision, text } = renderPortMap(
      mapOf([port(), port({ port: 8081, state: "stopped" })], {
        one: look(container(2), container(3, { isPaused: true })),
      }),
    );
    assert.deepEqual(text.split("\n"), [
      `port-map 1 ${revision}`,
      `port 8080 ${SIZE} on`,
      "member 0 172.18.0.2 80 direct takes",
      "member 1 172.18.0.3 80 direct rests",
      `buckets ${Array.from({ length: SIZE }, () => 0).join(",")}`,
      `port 8081 ${SIZE} stopped`,
      "member 0 172.18.0.2 80 direct takes",
      "member 1 172.18.0.3 80 direct rests",
      "end",
      "",
    ]);
  });

  it("can be read again: who is behind each port, and how many buckets each has", () => {
    const children = [{ host: "two", port: 9090 }];
    const map = mapOf([port({ children }), port({ host: "two", port: 9090 }), port({ port: 8081, state: "stopped" })], {
      one: look(container(2), container(3, { isPaused: true })),
      two: { address: "10.0.0.2", containers: [container(4)] },
    });
    const listed = listMembers(renderPortMap(map).text);
    assert.deepEqual([...listed.keys()], [8080, 8081]);
    const counts = shares(map);
    assert.deepEqual(
      listed.get(8080)?.map(({ address, buckets }) => [address, buckets]),
      [
        ["172.18.0.2", counts["web-2"]],
        ["172.18.0.3", 0],
        ["10.0.0.2", counts["two:9090"]],
      ],
    );
    assert.ok(listed.get(8081)?.every(({ buckets }) => buckets === 0));
  });

  it("has another revision when anything in it is different", () => {
    const revisionOf = (...containers: HostLook["containers"]) =>
      renderPortMap(mapOf([port()], { one: look(...containers) })).revision;
    const revisions = [revisionOf(), revisionOf(container(2)), revisionOf(container(2, { isPaused: true }))];
    assert.equal(new Set(revisions).size, revisions.length);
  });
});

describe("two maps of a host", () => {
  const compare = (before: readonly HostPort[], after: readonly HostPort[], were: HostLook, are: HostLook = were) =>
    comparePortMaps(mapOf(before, { one: were }), mapOf(after, { one: are })).map(
      ({ kind, reason }) => `${kind}: ${reason}`,
    );

  it("differ by what a person would say has happened", () => {
    assert.deepEqual(compare([port()], [port()], look(container(2))), []);
    assert.deepEqual(compare([], [port()], look(container(2))), [
      "port-on: port 8080 is balanced over 1 member",
      "member-in: web-2 at 172.18.0.2:80 takes connections of port 8080",
    ]);
    assert.deepEqual(
      compare([port()], [port()], look(container(2), container(3)), look(container(3, { isPaused: true }))),
      [
        "member-out: web-2 has left port 8080",
        "member-rests: web-3 at 172.18.0.3:80 gets no new connections of port 8080",
      ],
    );
    assert.deepEqual(compare([port()], [port({ state: "stopped" })], look()), [
      "port-off: port 8080 is stopped: open connections go on, and none are added",
    ]);
    assert.deepEqual(compare([port()], [], look()), ["port-off: port 8080 is not balanced any more"]);
  });

  it("tell that a container has come back at another address", () => {
    assert.deepEqual(compare([port()], [port()], look(container(2)), look(container(2, { address: "172.18.0.9" }))), [
      "member-in: web-2 at 172.18.0.9:80 takes connections of port 8080",
    ]);
  });
});
