import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fullImageName, isImageName, whyNotBalanced, type HostPort } from "../../../apps/core/ports/port.ts";

const port = (facts: Partial<HostPort> = {}): HostPort => ({
  host: "one",
  port: 8080,
  image: "web",
  imagePort: 80,
  state: "on",
  children: [],
  ...facts,
});
const slots = { basePort: 20_000, capacity: 40 };
const two = port({ host: "two", port: 9090 });

describe("a port that is to be balanced", () => {
  const refused = (facts: Partial<HostPort>, others: readonly HostPort[] = []) =>
    whyNotBalanced(port(facts), slots, others);

  it("is taken when it has an image or a child that is balanced", () => {
    assert.equal(refused({}), undefined);
    assert.equal(refused({ image: null, children: [{ host: "two", port: 9090 }] }, [two]), undefined);
  });

  it("is refused where the machine itself or an instance is reached", () => {
    for (const taken of [22, 2375, 2376, 20_000, 20_039])
      assert.match(refused({ port: taken }) ?? "", /^Port \d+ of one/);
    for (const free of [19_999, 20_040]) assert.equal(refused({ port: free }), undefined);
  });

  it("is refused without any members, with a wrong image, and with a child that is nobody's", () => {
    assert.match(refused({ image: null }) ?? "", /there would be no members/);
    assert.match(refused({ image: "Web; flush ruleset" }) ?? "", /is no name of an image/);
    assert.match(refused({ children: [{ host: "two", port: 9090 }] }) ?? "", /two:9090 is not balanced/);
  });

  it("is refused when its children lead back to it, however far around", () => {
    const three = port({ host: "three", port: 7070, children: [{ host: "one", port: 8080 }] });
    const round = port({ host: "two", port: 9090, children: [{ host: "three", port: 7070 }] });
    assert.match(refused({ children: [{ host: "two", port: 9090 }] }, [round, three]) ?? "", /circle/);
    assert.match(refused({ children: [{ host: "one", port: 8080 }] }) ?? "", /circle/);
  });

  it("is refused when the host has as many as it can have", () => {
    const many = Array.from({ length: 32 }, (_, index) => port({ port: 1000 + index }));
    assert.match(refused({}, many) ?? "", /32 ports/);
    assert.equal(refused({ port: 1000 }, many), undefined, "one of them may change");
  });
});

describe("the name of an image", () => {
  it("is what a registry takes, and nothing else", () => {
    for (const good of ["web", "flaxton/php:test", "registry.example.org:5000/a/b:1", `web@sha256:${"a".repeat(64)}`])
      assert.ok(isImageName(good), good);
    for (const bad of ["", "Web", "web:", "web test", "web\n", "../web", "web@sha256:1", "a".repeat(256)])
      assert.ok(!isImageName(bad), bad);
  });

  it("is written in one way, with its tag", () => {
    assert.equal(fullImageName("web"), "web:latest");
    assert.equal(fullImageName("docker.io/library/web:1"), "web:1");
    assert.equal(fullImageName("localhost:5000/web"), "localhost:5000/web:latest");
  });
});
