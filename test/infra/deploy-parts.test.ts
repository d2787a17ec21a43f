import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { projectPath } from "../../infra/process/project-path.ts";

const run = promisify(execFile);

describe("parts of a deployment's set-up", () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-parts-"));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  for (const template of ["firewall.nft", "single-box/firewall.nft"]) {
    describe(`ports of services in ${template}`, () => {
      const load = async () => {
        const text = await readFile(projectPath(`infra/deploy/${template}`), "utf8");
        const facts: Record<string, string> = {
          "<private network>": "10.114.0.0/20",
          "<private address>": "10.114.0.2",
          "<edge ports>": ", 6379",
          "<open ports>": "22, 80",
        };
        const file = join(dir, "firewall.nft");
        await writeFile(
          file,
          text.replace(/<[a-z ]+>/g, (fact) => facts[fact] ?? "22"),
        );
        await run("nft", ["-f", file]);
      };
      before(load);
      after(() => run("nft", ["delete", "table", "inet", "getaredis_control"]));

      const open = async (lines: string | undefined) => {
        const file = join(dir, "service-ports");
        if (lines === undefined) await rm(file, { force: true });
        else await writeFile(file, lines);
        await run("bash", [projectPath("infra/deploy/service-ports.sh"), file]);
        const { stdout } = await run("nft", ["list", "table", "inet", "getaredis_control"]);
        assert.match(stdout, /tcp dport @service_ports accept/);
        return (/elements = \{([^}]*)\}/.exec(stdout)?.[1] ?? "").split(",").map((port) => port.trim());
      };
      const none = [""];

      it("are open while the gateway carries services there, and closed otherwise", async () => {
        assert.deepEqual(await open(undefined), none);
        assert.deepEqual(await open("443\n80\n7000\n"), ["80", "443", "7000"]);
        assert.deepEqual(await open("7000\n"), ["7000"]);
        assert.deepEqual(await open("\n"), none);
      });

      it("are opened for nothing but numbers, and for none of what this service itself runs there", async () => {
        const lines = [
          "3306",
          "6380",
          "8080",
          "8443",
          "0",
          "65536",
          "70000",
          "-1",
          "22 accept; flush ruleset",
          "1-100",
        ];
        assert.deepEqual(await open(`${lines.join("\n")}\n 9000\n9001\n$(reboot)\n`), ["9000", "9001"]);
      });

      it("are given again when the rules are loaded anew", async () => {
        await open("7000\n");
        await load();
        assert.deepEqual(await open("7000\n"), ["7000"]);
      });
    });
  }

  describe("the gateway's unit", () => {
    /** Runs words of the set-up where these are the settings, and returns what is printed. */
    const setUp = async (settings: string, words: string) => {
      await writeFile(join(dir, "settings"), settings);
      const sources = ["common.sh", "edge.sh"].map((part) => `. ${projectPath(`infra/deploy/parts/${part}`)}`);
      const script = [`HERE=/nowhere SETTINGS=${join(dir, "settings")}`, ...sources, words].join("\n");
      return (await run("bash", ["--norc", "-euc", script])).stdout;
    };
    const units = () => join(dir, "units");
    const rights = (settings: string) => setUp(settings, `put_gateway_rights ${units()}; find ${units()} -type f`);

    it("may change addresses and rules of the kernel only where gateways share an address", async () => {
      await run("mkdir", ["-p", units()]);
      assert.equal(await rights("EDGE_DOMAIN=redis.example.org\n"), "");
      const file = join(units(), "getaredis-gateway.service.d/shared-address.conf");
      assert.equal(await rights("EDGE_SHARED_ADDRESS=10.0.0.9\n"), `${file}\n`);
      assert.deepEqual(
        (await readFile(file, "utf8")).split("\n").filter((line) => line.includes("CAP_")),
        ["AmbientCapabilities=CAP_NET_ADMIN", "CapabilityBoundingSet=CAP_NET_ADMIN"],
      );
      assert.doesNotMatch(
        await readFile(projectPath("infra/deploy/units/getaredis-gateway.service"), "utf8"),
        /NET_ADMIN/,
      );
      assert.equal(await rights("EDGE_SHARED_ADDRESS=\n"), "", "it goes with the setting");
      assert.equal(await setUp("", `ls ${units()}`), "", "and leaves nothing behind");
    });

    it("has nginx only where applications are to go through it, and the distribution's own is left as it was", async () => {
      const tried = (settings: string, isThere: boolean) =>
        setUp(
          settings,
          `have() { echo "have $*"; }; systemctl() { echo "systemctl $*"; }
           command() { if [ "$2" = nginx ]; then ${isThere}; else builtin command "$@"; fi; }
           have_renderer`,
        );
      assert.equal(await tried("APP_RENDERER=haproxy\n", false), "");
      assert.equal(await tried("", false), "");
      assert.equal(await tried("APP_RENDERER=nginx\n", true), "have nginx nginx\n");
      assert.equal(
        await tried("APP_RENDERER=nginx\n", false),
        "have nginx nginx\nsystemctl disable --quiet --now nginx.service\n",
      );
    });
  });
});
