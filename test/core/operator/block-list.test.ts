import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { followBlockList, readBlockList } from "../../../apps/core/operator/block-list.ts";
import { createTwinService } from "../../bed/twin-service.ts";

describe("a list of blocked networks", () => {
  it("has a CIDR a line, comments behind # and ;, and each network once", () => {
    const text = "# of ours\n203.0.113.0/24 # scans\r\n\n2001:db8::/32 ; SBL1\n203.0.113.0/24\n198.51.100.7";
    assert.deepEqual(readBlockList(text), {
      kind: "list",
      networks: ["203.0.113.0/24", "2001:db8::/32", "198.51.100.7"],
    });
    assert.deepEqual(readBlockList(""), { kind: "list", networks: [] });
  });

  it("is refused whole for a line that is wrong, which it names", () => {
    const reasonOf = (text: string) => {
      const reading = readBlockList(text);
      return reading.kind === "wrong" ? reading.reason : assert.fail("it was taken");
    };
    assert.match(reasonOf("203.0.113.0/24\n\n0.0.0.0/0"), /^line 3: "0\.0\.0\.0\/0" is too wide/);
    assert.match(reasonOf("<html>"), /^line 1: .* neither an IP address nor a network/);
    const many = Array.from({ length: 100_001 }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`).join("\n");
    assert.match(reasonOf(many), /^line 100001: a list has 100000 networks at most/);
  });

  it("is taken on when it changes; a file that turns bad leaves it in force and raises an alarm", async () => {
    const service = createTwinService();
    let file: string | Error | undefined = "203.0.113.0/24\n198.51.100.0/24";
    const read = () => (file instanceof Error ? Promise.reject(file) : Promise.resolve(file));
    const open = () => followBlockList({ ...service, readBlockList: read });
    const follow = open();
    const events = async () =>
      (await service.store.events.list({ kind: "block-list" }, 10)).map(({ alarm, reason }) => [alarm, reason]);
    await follow();
    await follow();
    assert.deepEqual(await events(), [[false, "2 networks: 2 new, 0 gone"]]);

    file = "203.0.113.0/24\nnonsense";
    await follow();
    assert.equal(await service.store.blocks.countListed(), 2);
    assert.match(
      String((await events())[0]),
      /^true,BLOCK_LIST_FILE: line 2: "nonsense" .* stays in force, with 2 net/,
    );
    file = new Error("ENOENT: no such file");
    await follow();
    // Another process, begun while the file is gone, leaves the list in force as well.
    await open()();
    assert.equal(await service.store.blocks.countListed(), 2);
    assert.match(String((await events())[0]), /cannot be read: ENOENT/);

    file = "203.0.113.0/24";
    await follow();
    assert.deepEqual((await events())[0], [false, "1 networks: 0 new, 1 gone"]);
    file = undefined;
    await follow();
    assert.equal(await service.store.blocks.countListed(), 0, "the setting is gone, and the list with it");
  });
});
