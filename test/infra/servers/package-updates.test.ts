import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { outdatedIn, updatePackageLists, upgradeServers } from "../../../infra/servers/package-updates.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("packages", () => {
  it("are outdated when apt would install another version than the one that is there", () => {
    const policy = [
      ["redis-server", "5:7.0.15-1~deb12u7", "5:7.0.15-1~deb12u10"],
      ["redis-tools", "5:7.0.15-1~deb12u10", "5:7.0.15-1~deb12u10"],
      ["valkey-server", "(none)", "8.1.1-1"],
      ["of-its-own", "1.0", "(none)"],
    ].map(
      ([name, installed, candidate]) =>
        `${name}:\n  Installed: ${installed}\n  Candidate: ${candidate}\n  Version table:\n     ${candidate} 500\n`,
    );
    assert.deepEqual(outdatedIn(policy.join("")), [
      { name: "redis-server", installed: "5:7.0.15-1~deb12u7", candidate: "5:7.0.15-1~deb12u10" },
    ]);
    assert.deepEqual(outdatedIn(""), []);
  });
});

/** With an apt of its own: nothing of this machine's changes. */
describe("package lists", () => {
  let dir: string;
  let stamp: string;
  const before = process.env["APT_CONFIG"];
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-updates-"));
    stamp = join(dir, "state/stamp");
    for (const folder of ["lists/partial", "cache/archives/partial", "dpkg", "repository"])
      await mkdir(join(dir, folder), { recursive: true });
    await writeFile(
      join(dir, "dpkg/status"),
      "Package: redis-server\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n" +
        "Maintainer: nobody\nDescription: of before\n\n",
    );
    await writeFile(join(dir, "sources.list"), `deb [trusted=yes] file:${dir}/repository ./\n`);
    const settings = [
      `Dir::State::lists "${dir}/lists"`,
      `Dir::State::status "${dir}/dpkg/status"`,
      `Dir::Cache "${dir}/cache"`,
      `Dir::Etc::sourcelist "${dir}/sources.list"`,
      `Dir::Etc::sourceparts "/dev/null"`,
      `APT::Sandbox::User "root"`,
    ];
    await writeFile(join(dir, "apt.conf"), settings.map((setting) => `${setting};\n`).join(""));
    process.env["APT_CONFIG"] = join(dir, "apt.conf");
  });
  afterEach(async () => {
    if (before === undefined) delete process.env["APT_CONFIG"];
    else process.env["APT_CONFIG"] = before;
    await rm(dir, { recursive: true });
  });

  /** The repository as it is after a security update, without the package itself. */
  const publish = () =>
    writeFile(
      join(dir, "repository/Packages"),
      "Package: redis-server\nVersion: 2\nArchitecture: all\nMaintainer: nobody\nDescription: newer\n" +
        `Filename: ./redis-server.deb\nSize: 1\nSHA256: ${"0".repeat(64)}\n\n`,
    );

  it("are read when they never were or that is a day ago, so that an update is known, and not more often", async () => {
    await publish();
    assert.deepEqual(await upgradeServers(["redis-server"]), { upgraded: [], warnings: [] });
    assert.equal(await updatePackageLists(new Date(), stamp), undefined);
    // Asked for twice, told once.
    const { upgraded, warnings } = await upgradeServers(["redis-server", "redis-server"]);
    assert.deepEqual([upgraded, warnings.length], [[], 1]);
    assert.match(
      warnings.join(),
      /^redis-server is 1, not 2: apt-get could not upgrade \(E: .*\)\. Run sudo apt-get install --only-upgrade/,
    );
    await rm(join(dir, "repository"), { recursive: true });
    const now = Date.now();
    assert.equal(await updatePackageLists(new Date(now + DAY / 2), stamp), undefined);
    assert.match((await updatePackageLists(new Date(now + 2 * DAY), stamp)) ?? "", /apt-get update failed/);
  });

  it("that cannot be read are told with the reason, and tried again an hour later", async () => {
    await rm(join(dir, "repository"), { recursive: true });
    assert.match(
      (await updatePackageLists(new Date(), stamp)) ?? "",
      /have not been updated, so security updates may be missing: apt-get update failed \(E: /,
    );
    await assert.rejects(stat(stamp));
    await mkdir(join(dir, "repository"));
    await publish();
    assert.match((await updatePackageLists(new Date(), stamp)) ?? "", /failed within the last hour/);
    assert.equal(await updatePackageLists(new Date(Date.now() + 2 * HOUR), stamp), undefined);
    assert.equal(await updatePackageLists(new Date(), stamp), undefined);
  });

  it("are nobody's concern where no server of ours is asked for", async () => {
    await publish();
    await updatePackageLists(new Date(), stamp);
    assert.deepEqual(await upgradeServers(["bash", "nft"]), { upgraded: [], warnings: [] });
  });
});
