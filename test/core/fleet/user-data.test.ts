import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { readHostFiles } from "../../../apps/adapters/host-files/host-files.ts";
import { projectPath } from "../../../infra/process/project-path.ts";
import {
  renderGatewayUserData,
  renderUserData,
  type HostFiles,
  type HostSetup,
} from "../../../apps/core/fleet/user-data.ts";

const run = promisify(execFile);
const PEM = `-----BEGIN CERTIFICATE-----\n${"QUJD".repeat(16)}\n-----END CERTIFICATE-----\n`;
const setup: HostSetup = {
  hostName: "gar-test-1",
  enrolmentUrl: "https://10.0.0.1:8443",
  enrolmentToken: "one-time-token_0123456789",
  caPem: PEM,
  redisHost: "10.0.0.1",
  redisPort: 6379,
  heartbeatSeconds: 4,
  heartbeatTtlSeconds: 10,
  connectionsPerAddress: 40,
  loginSeconds: 10,
  loginKb: 32,
  loginsPending: 200,
  transferBytesPerSecond: 20_000_000,
  transferBytes: 10_000_000_000,
  gateways: undefined,
};
const few: HostFiles = {
  scripts: new Map([["a.sh", "echo a\n"]]),
  units: new Map([["getaredis-a.service", "[Unit]\n"]]),
};

/** Letters by chance, by the same chance each time. */
function noise(length: number): string {
  let text = "";
  for (let block = 0; text.length < length; block++)
    text += createHash("sha256").update(String(block)).digest("base64url");
  return text.slice(0, length);
}

describe("user-data", () => {
  let real: HostFiles;
  before(async () => {
    real = await readHostFiles(projectPath("infra/host"));
  });

  it("has room left in DigitalOcean's 64 KiB, two CAs in it while one replaces another", () => {
    const script = renderUserData(real, { ...setup, caPem: PEM + PEM });
    assert.ok(Buffer.byteLength(script) < 48 * 1024, `${Buffer.byteLength(script)} bytes`);
  });

  it("of a gateway holds the token, the CA and a script that every system image runs, and nothing of hosts", async () => {
    const files = await readHostFiles(projectPath("infra/host/gateway"));
    const token = "one-time-token_0123456789";
    const gateway = { name: "gar-test-gw-1", enrolmentUrl: setup.enrolmentUrl, enrolmentToken: token, caPem: PEM };
    const script = renderGatewayUserData(files, gateway);
    assert.ok(Buffer.byteLength(script) < 16 * 1024, `${Buffer.byteLength(script)} bytes`);
    assert.match(script, /systemctl enable --now --no-block getaredis-set-up-gateway\.service/);
    assert.ok(!script.includes("HEARTBEAT") && !script.includes("set-up.sh"));
    await run("bash", ["-n", "-c", script]);
    assert.throws(() => renderGatewayUserData(files, { ...gateway, name: "Not a name" }), /name does not fit/);
  });

  it("is refused when it would be too long, counted in bytes", () => {
    // What cannot be packed any smaller: base64 makes four bytes of three.
    const filled = (bytes: number) => () =>
      renderUserData({ ...few, scripts: new Map([["big.sh", noise(bytes)]]) }, setup);
    assert.throws(filled(64 * 1024), /user-data is \d+ bytes, and may have 65536/);
    assert.doesNotThrow(filled(32 * 1024));
  });

  it("refuses values with a meaning to a shell, to systemd or in an address, and repeats none", () => {
    const hostile = [
      "",
      " ",
      "a b",
      "a\nb",
      "a\n",
      "$(id)",
      "`id`",
      "a;id",
      "a'b",
      'a"b',
      "a\\b",
      "a&b",
      "a|b",
      "a>b",
      "%i",
      "a#b",
      "a\0b",
      "é",
    ];
    const cases: [keyof HostSetup, string[]][] = [
      ["hostName", [...hostile, "Upper", "-first", "a.b", "../up", "a/b", "x".repeat(64)]],
      [
        "enrolmentUrl",
        [
          ...hostile.map((bad) => `https://host${bad === "" ? " " : bad}`),
          "http://10.0.0.1",
          "https://",
          "https://user@host",
          "ftp://host",
        ],
      ],
      ["enrolmentToken", hostile],
      ["redisHost", hostile],
    ];
    for (const [name, values] of cases) {
      for (const value of values) {
        assert.throws(
          () => renderUserData(few, { ...setup, [name]: value }),
          (fault) =>
            fault instanceof Error &&
            fault.message.startsWith(name) &&
            (value.trim().length < 3 || !fault.message.includes(value)),
          `${name}=${JSON.stringify(value)}`,
        );
      }
    }
    for (const name of [
      "redisPort",
      "heartbeatSeconds",
      "heartbeatTtlSeconds",
      "connectionsPerAddress",
      "loginSeconds",
      "loginKb",
      "loginsPending",
    ] as const) {
      for (const value of [0, -1, 1.5, Number.NaN, Infinity])
        assert.throws(() => renderUserData(few, { ...setup, [name]: value }), new RegExp(`^Error: ${name}`));
    }
  });

  it("takes IPv6 addresses, names, and a path in front of the enrolment", () => {
    const script = renderUserData(few, {
      ...setup,
      redisHost: "fd00::1",
      enrolmentUrl: "https://[fd00::1]:8443/fleet/",
    });
    assert.match(script, /^HEARTBEAT_REDIS_HOST=fd00::1$/m);
    assert.match(script, /^ENROLMENT_URL=https:\/\/\[fd00::1\]:8443\/fleet$/m);
  });

  it("says behind an edge where gateways connect from, and whether nobody else may", () => {
    assert.doesNotMatch(renderUserData(few, setup), /GATEWAY|INSTANCES_OPEN_TO/);
    const network = "10.114.0.0/20";
    assert.match(
      renderUserData(few, { ...setup, gateways: { network, only: true } }),
      /^GATEWAY_NETWORK=10\.114\.0\.0\/20\nINSTANCES_OPEN_TO=gateways$/m,
    );
    assert.match(
      renderUserData(few, { ...setup, gateways: { network, only: false } }),
      /^INSTANCES_OPEN_TO=everyone$/m,
    );
    for (const wrong of ["", "10.114.0.0", "fd00::/8", "10.0.0.0/8\nX=1", "$(id)"])
      assert.throws(
        () => renderUserData(few, { ...setup, gateways: { network: wrong, only: true } }),
        /^Error: gateways/,
      );
  });

  it("takes certificates and nothing else for the CA", () => {
    const key = "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n";
    for (const caPem of ["", "text", key, PEM + key, `${PEM}rm -rf /\n`, PEM.replace("QUJD", "QU D")])
      assert.throws(() => renderUserData(few, { ...setup, caPem }), /caPem/);
  });

  it("takes no file that would go elsewhere", () => {
    const scripts = (name: string, text: string) => () =>
      renderUserData({ ...few, scripts: new Map([[name, text]]) }, setup);
    for (const name of ["../../etc/profile.sh", "a b.sh", "a.txt", ".sh"])
      assert.throws(scripts(name, ""), /script does not fit/, name);
  });

  it("differs between two orders of a host by the token alone, which is in it once", () => {
    const [one, other] = ["a".repeat(32), "b".repeat(32)].map((enrolmentToken) =>
      renderUserData(real, { ...setup, enrolmentToken }).split(enrolmentToken),
    );
    assert.equal(one?.length, 2);
    assert.deepEqual(one, other);
    assert.doesNotMatch(String(one), /PRIVATE KEY|dop_v1/);
  });

  describe("run as a script", () => {
    let dir: string;
    before(async () => {
      dir = await mkdtemp(join(tmpdir(), "getaredis-user-data-"));
    });
    after(() => rm(dir, { recursive: true }));

    it("leaves every file behind as it is in the project, its settings as given, for root alone", async () => {
      // The same script, below a folder of ours; systemd is asked nothing.
      const below = (text: string) =>
        text.replaceAll(/([ >])(\/(?:etc|usr)\/)/g, `$1${dir}$2`).replaceAll(/^systemctl /gm, ": ");
      await writeFile(join(dir, "script"), below(renderUserData(real, setup)));
      await mkdir(join(dir, "etc/systemd/system"), { recursive: true });
      await run("bash", [join(dir, "script")]);
      const read = async (path: string) => readFile(join(dir, path), "utf8");
      assert.deepEqual((await readdir(join(dir, "usr/local/lib/getaredis"))).sort(), [
        "conntrack.sh",
        "expire.sh",
        "firewall.sh",
        "heartbeat.sh",
        "janitor.sh",
        "port-map.sh",
        "set-up.sh",
        "transfer.sh",
      ]);
      for (const [name, text] of real.scripts) assert.equal(await read(`usr/local/lib/getaredis/${name}`), text, name);
      for (const [name, text] of real.units) assert.equal(await read(`etc/systemd/system/${name}`), text, name);
      assert.equal(
        await read("etc/getaredis/host.env"),
        "HOST_NAME=gar-test-1\nENROLMENT_URL=https://10.0.0.1:8443\n" +
          "HEARTBEAT_REDIS_HOST=10.0.0.1\nHEARTBEAT_REDIS_PORT=6379\n" +
          "HEARTBEAT_SECONDS=4\nHEARTBEAT_TTL_SECONDS=10\nCONNECTIONS_PER_ADDRESS=40\n" +
          "LOGIN_SECONDS=10\nLOGIN_KB=32\nLOGINS_PENDING=200\n" +
          "TRANSFER_BYTES_PER_SECOND=20000000\nTRANSFER_BYTES=10000000000\n",
      );
      assert.equal(await read("etc/getaredis/token"), `${setup.enrolmentToken}\n`);
      assert.equal(await read("etc/getaredis/ca.pem"), PEM);
      assert.equal(
        (await run("find", [join(dir, "etc/getaredis"), join(dir, "usr/local/lib/getaredis"), "-perm", "/077"])).stdout,
        "",
      );
    });
  });
});
