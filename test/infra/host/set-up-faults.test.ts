import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { pino } from "pino";
import { createCertificateAuthority } from "../../../apps/adapters/pki/certificate-authority.ts";
import { readHostFiles } from "../../../apps/adapters/host-files/host-files.ts";
import { projectPath } from "../../../infra/process/project-path.ts";
import { authorityIn, enrolmentTlsIn } from "../../../apps/adapters/pki/pki-files.ts";
import { Unavailable } from "../../../apps/lib/unavailable.ts";
import { renderUserData } from "../../../apps/core/fleet/user-data.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { buildEnrolment } from "../../../apps/enrolment/server.ts";
import { openMachineRoom, type MachineRoom } from "../../../infra/lab/machines/room.ts";
import { createUndoList } from "../../../apps/lib/lifecycle.ts";
import { ensurePki } from "../../../infra/pki/ensure-pki.ts";
import { until } from "../../bed/until.ts";

const PATIENCE_MS = 30_000;

/** The real enrolment over a store that each test makes: faults that no whole control plane shows on demand. */
describe("set-up.sh, when what it needs is not as it should be", () => {
  const undo = createUndoList();
  const faults: unknown[] = [];
  /** What hosts asked for, in order. */
  const asked: { hostName: string; keyHash: string }[] = [];
  /** How often the enrolment fails after it has taken down a key: the host sees no answer. */
  let answersLost = 0;
  let dir: string;
  let room: MachineRoom;
  let enrolmentUrl: string;
  let caPem: string;
  let lastId = 0;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-set-up-"));
    undo.add("folder", () => rm(dir, { recursive: true, force: true }), { withinMs: 60_000 });
    room = await openMachineRoom((fault) => faults.push(fault));
    undo.add("machines", room.stop, { withinMs: 60_000 });
    const pki = join(dir, "pki");
    await ensurePki(pki, { enrolmentNames: [room.controlAddress], now: new Date() });
    caPem = await readFile(join(pki, "ca.pem"), "utf8");
    const enrolment = await buildEnrolment({
      logger: pino({ level: "silent" }),
      tls: enrolmentTlsIn(pki, () => performance.now())(),
      enrol: {
        store: {
          droplets: {
            enrol: ({ hostName, keyHash }) => {
              asked.push({ hostName, keyHash: keyHash.toString("hex") });
              return Promise.resolve("granted");
            },
          },
        },
        authority: createCertificateAuthority(authorityIn(pki, () => performance.now())),
        heartbeatPassword: (hostName) => `password-of-${hostName}`,
        grantHeartbeat: () =>
          answersLost-- > 0 ? Promise.reject(new Unavailable("redis", undefined)) : Promise.resolve(),
        clock: () => new Date(),
      },
      http: loadSettings({}).http,
    });
    undo.add("enrolment", () => enrolment.close(), { withinMs: 60_000 });
    await enrolment.listen({ host: room.controlAddress, port: 0 });
    enrolmentUrl = `https://${room.controlAddress}:${(enrolment.server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    assert.deepEqual(faults, []);
    asked.length = 0;
  });
  after(undo.undoAll);

  /** `first` is done by the machine before anything else of its user-data. */
  const build = async ({ ca = caPem, first = "" } = {}) => {
    const id = ++lastId;
    const userData = renderUserData(await readHostFiles(projectPath("infra/host")), {
      hostName: `host-${id}`,
      enrolmentUrl,
      enrolmentToken: `token-of-host-${id}`.padEnd(32, "x"),
      caPem: ca,
      redisHost: room.controlAddress,
      redisPort: 9,
      heartbeatSeconds: 1,
      heartbeatTtlSeconds: 3,
      connectionsPerAddress: 40,
      loginSeconds: 10,
      loginKb: 32,
      loginsPending: 200,
      transferBytesPerSecond: 20_000_000,
      transferBytes: 10_000_000_000,
      gateways: undefined,
    });
    await room.build({
      id,
      name: `host-${id}`,
      userData: userData.replace("\n", `\n${first}\n`),
      region: "fra1",
      size: "small",
    });
    return id;
  };
  const shell = async (id: number, script: string) => (await room.exec(id, "bash", "-c", script)).trim();
  const journal = (id: number) =>
    shell(id, "journalctl --quiet --no-pager --output=cat --unit=getaredis-set-up.service");
  const said = (id: number, what: RegExp) =>
    until(`it says ${what.source}`, async () => what.test(await journal(id)), PATIENCE_MS);

  it("asks apt-get again until the packages are there", async () => {
    // A machine without nft, where apt-get works at the third call only.
    const first = `
mv /usr/sbin/nft /usr/sbin/nft.aside
cat >/usr/local/sbin/apt-get <<'END'
#!/bin/bash
echo "$*" >>/var/log/apt-calls
[ "$(wc -l </var/log/apt-calls)" -gt 2 ] || exit 100
[[ " $* " != *" install "* ]] || mv /usr/sbin/nft.aside /usr/sbin/nft
END
chmod 755 /usr/local/sbin/apt-get`;
    const id = await build({ first });
    await said(id, /this machine is host/);
    assert.match(await journal(id), /install_packages did not work, next try in 1 s[^]*in 2 s[^]*installing nftables/);
    assert.match(
      await shell(id, "cat /var/log/apt-calls"),
      /^.*update.*\n.*update.*\n.*update.*\n.*install .*--no-install-recommends nftables$/,
    );
    assert.equal(
      await shell(id, "systemctl is-active getaredis-{firewall,docker,expire,janitor,heartbeat}.service"),
      "active\nactive\nactive\nactive\nactive",
    );
    await room.destroy(id);
  });

  it("asks again with the same key when an answer was lost, also after a power cut", async () => {
    answersLost = 2;
    const id = await build();
    await said(id, /does not enrol this host now \(503\)/);
    await room.powerOff(id);
    await room.powerOn(id);
    await said(id, /this machine is host/);
    assert.ok(asked.length >= 3);
    assert.equal(new Set(asked.map(({ keyHash }) => keyHash)).size, 1);
    assert.equal(
      await shell(id, "cat /etc/getaredis/heartbeat-password; ls /etc/getaredis/token 2>/dev/null || true"),
      `password-of-host-${id}`,
    );
    await room.destroy(id);
  });

  it("finishes what a power cut left between the certificate and the services", async () => {
    // The set-up dies where it would remove the token, the last thing that it does.
    const id = await build({
      first:
        'printf \'#!/bin/bash\\n[ "$*" != /etc/getaredis/token ] || sleep infinity\\nexec /bin/rm "$@"\\n\' ' +
        ">/usr/local/sbin/rm; chmod 755 /usr/local/sbin/rm",
    });
    await until(
      "all is done but for the token",
      async () => (await shell(id, "pgrep -x sleep || true")) !== "",
      PATIENCE_MS,
    );
    await room.powerOff(id);
    await room.powerOn(id);
    await until("it is up", () => shell(id, "systemctl is-active getaredis-docker.service"), PATIENCE_MS);
    await shell(id, "/bin/rm /usr/local/sbin/rm; systemctl restart getaredis-set-up.service");
    assert.equal(await shell(id, "ls /etc/getaredis/token 2>/dev/null || true"), "");
    assert.equal(asked.length, 1, "a host that has its certificate asks for no other");
    await room.destroy(id);
  });

  it("tells its token to nobody who is not of its CA", async () => {
    const other = join(dir, "other-pki");
    await ensurePki(other, { enrolmentNames: [room.controlAddress], now: new Date() });
    const id = await build({ ca: await readFile(join(other, "ca.pem"), "utf8") });
    await said(id, /certificate[^]*does not enrol this host now \(000\)/i);
    assert.deepEqual(asked, []);
    await room.destroy(id);
  });
});
