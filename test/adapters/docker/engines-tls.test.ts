import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate, type KeyObject } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { makeCertificate, type CertificateFacts } from "../../../apps/adapters/pki/certificates.ts";
import { createDockerEngines } from "../../../apps/adapters/docker/engines.ts";
import type { ClientTls } from "../../../apps/lib/tls.ts";
import { waitForPong } from "../../../apps/adapters/redis/probe.ts";
import { instanceLimits } from "../../../apps/core/settings/instances.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { redisService } from "../../../apps/core/services/redis.ts";
import { hashSecret } from "../../../apps/lib/secrets.ts";
import { EngineFault, isSilence, type EngineFaultReason } from "../../../apps/core/fleet/engine-fault.ts";
import type { EngineHost as Place } from "../../../apps/core/fleet/host.ts";
import { ensureRedisImage, writeImageArchive } from "../../../infra/servers/redis-image.ts";
import { startEngineHost, type EngineHost } from "../../bed/engine-host.ts";

const TIMEOUT_MS = 5_000;
const IMAGE_TIMEOUT_MS = 30_000;
const NAME = "fleet-1";
const DAY = 86_400_000;

type Issued = { readonly cert: string; readonly key: string };
type Authority = { readonly pem: string; readonly certificate: X509Certificate; readonly key: KeyObject };

describe("docker engines over mutual TLS", () => {
  const ca = makeAuthority("CA of the fleet");
  const otherCa = makeAuthority("CA of somebody else");
  const ours: ClientTls = { ca: ca.pem, ...issue(ca, { kind: "client" }) };
  let dir: string;
  let host: EngineHost;
  let place: Place;
  const showsTo = async ({ cert, key }: Issued) => {
    await writeFile(join(dir, "server.pem"), cert);
    await writeFile(join(dir, "server-key.pem"), key);
  };
  const restartShowing = async (issued: Issued) => {
    await host.killEngine();
    await showsTo(issued);
    await host.startEngine();
  };
  const hostCertificate = issue(ca, { kind: "server", names: [NAME] });
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-tls-"));
    await writeFile(join(dir, "ca.pem"), ca.pem);
    await showsTo(hostCertificate);
    host = await startEngineHost({
      name: NAME,
      dockerdArgs: [
        "--host=tcp://0.0.0.0:2376",
        "--tlsverify",
        `--tlscacert=${join(dir, "ca.pem")}`,
        `--tlscert=${join(dir, "server.pem")}`,
        `--tlskey=${join(dir, "server-key.pem")}`,
      ],
    });
    place = { name: NAME, engineUrl: `https://${host.address}:2376`, deployment: "testtesttest" };
  });
  after(async () => {
    await host.stop();
    await rm(dir, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const { Id } of await host.docker.listContainers({ all: true }))
      await host.docker.getContainer(Id).remove({ force: true });
  });

  const fails =
    (...reasons: EngineFaultReason[]) =>
    (fault: unknown) => {
      assert.ok(fault instanceof EngineFault, String(fault));
      assert.ok(reasons.includes(fault.reason), `${fault.reason}: ${fault.message}`);
      return true;
    };
  const engines = (tls?: ClientTls) => createDockerEngines(TIMEOUT_MS, tls && (() => tls));

  describe("our certificate and theirs", () => {
    it("open the engine, and an instance starts there", async () => {
      const { ping, startContainer, listContainers, removeContainer } = engines(ours);
      await ping(place);
      const limits = instanceLimits(loadSettings({ INSTANCE_IMAGE: host.image }, ["INSTANCE_IMAGE"]).instances);
      const spec = redisService(limits).containerOf({
        id: "0123456789abcdef",
        deployment: place.deployment,
        bindAddress: "0.0.0.0",
        port: 20_000,
        passwordHash: hashSecret("password"),
        watchHash: Buffer.alloc(32),
        notAfter: new Date("2100-01-01T00:00:00Z"),
      });
      await startContainer(place, spec, new AbortController().signal);
      await waitForPong(host.address, 20_000, "password", AbortSignal.timeout(5_000));
      assert.deepEqual(await listContainers(place), [{ instanceId: "0123456789abcdef", running: true }]);
      await removeContainer(place, "0123456789abcdef");
    });

    it("keep connections, and take another certificate of ours from the next call on", async () => {
      let tls = ours;
      const { ping } = createDockerEngines(TIMEOUT_MS, () => tls);
      const opened = async () =>
        Number(
          (
            await host.exec(
              "sh",
              "-c",
              "grep -c ':0948 .* 01 ' /proc/net/tcp /proc/net/tcp6 | awk -F: '{ sum += $2 } END { print sum }'",
            )
          ).trim(),
        );
      await ping(place);
      const first = await opened();
      assert.ok(first > 0);
      for (let call = 0; call < 20; call++) await ping(place);
      assert.ok((await opened()) < first + 5, "calls share connections");
      tls = { ca: ca.pem, ...issue(otherCa, { kind: "client" }) };
      await assert.rejects(ping(place), fails("certificate", "unreachable"));
      tls = { ca: ca.pem, ...issue(ca, { kind: "client" }) };
      await ping(place);
    });

    it("work while one CA replaces another", async () => {
      await engines({ ...ours, ca: `${otherCa.pem}${ca.pem}` }).ping(place);
    });
  });

  describe("an engine refuses", () => {
    const clients: [who: string, tls: () => ClientTls][] = [
      ["a client without a certificate", () => ({ ca: ca.pem }) as ClientTls],
      ["one of another CA", () => ({ ca: ca.pem, ...issue(otherCa, { kind: "client" }) })],
      [
        "one past its end",
        () => ({ ca: ca.pem, ...issue(ca, { kind: "client", notAfter: new Date(Date.now() - DAY) }) }),
      ],
      ["a host's own, used as a client's", () => ({ ca: ca.pem, ...hostCertificate })],
    ];
    for (const [who, tls] of clients) {
      it(who, async () => {
        const { ping, listContainers } = engines(tls());
        for (const call of [() => ping(place), () => listContainers(place)]) {
          // Its alarm may be overtaken by the end of the connection.
          await assert.rejects(call(), fails("certificate", "unreachable"));
        }
        await engines(ours).ping(place);
      });
    }

    it("plain HTTP, and so do we", async () => {
      await assert.rejects(
        engines(ours).ping({ ...place, engineUrl: `tcp://${host.address}:2376` }),
        fails("refused", "unreachable"),
      );
      await assert.rejects(engines().ping(place), fails("certificate"));
    });

    it("nobody without us saying why: a certificate that cannot be read is reported", async () => {
      const broken = createDockerEngines(TIMEOUT_MS, () => {
        throw new Error("no such file");
      });
      await assert.rejects(
        broken.ping(place),
        (fault: Error) => fails("certificate")(fault) && fault.message.includes("no such file"),
      );
    });
  });

  describe("we refuse an engine that shows", () => {
    after(() => restartShowing(hostCertificate));
    const servers: [what: string, issued: () => Issued][] = [
      ["a certificate of another CA", () => issue(otherCa, { kind: "server", names: [NAME] })],
      ["a certificate of another host", () => issue(ca, { kind: "server", names: ["fleet-2"] })],
      ["a certificate that names its address only", () => issue(ca, { kind: "server", names: [host.address] })],
      [
        "a certificate past its end",
        () => issue(ca, { kind: "server", names: [NAME], notAfter: new Date(Date.now() - DAY) }),
      ],
      ["a client's certificate", () => issue(ca, { kind: "client", names: [NAME] })],
    ];
    for (const [what, issued] of servers) {
      it(what, async () => {
        await restartShowing(issued());
        await assert.rejects(
          engines(ours).ping(place),
          (fault: EngineFault) => fails("certificate")(fault) && isSilence(fault),
        );
      });
    }
  });

  describe("an image", () => {
    const nothing = "getaredis/nothing:1";
    let archive: string;
    before(async () => {
      archive = join(dir, "image.tar");
      await writeImageArchive(archive);
    });
    const removeImage = () => host.docker.getImage(host.image).remove({ force: true });
    after(async () => {
      await ensureRedisImage(host.docker);
    });

    it("that is there is left as it is, whatever the archive", async () => {
      await engines(ours).ensureImage(place, host.image, "/no/such/archive", IMAGE_TIMEOUT_MS);
    });

    it("that is missing is sent, once for all that ask, and is the same on every host", async () => {
      const { Id } = await host.docker.getImage(host.image).inspect();
      await removeImage();
      const { ensureImage } = engines(ours);
      await Promise.all([1, 2, 3].map(() => ensureImage(place, host.image, archive, IMAGE_TIMEOUT_MS)));
      assert.equal((await host.docker.getImage(host.image).inspect()).Id, Id);
      await removeImage();
      await ensureImage(place, host.image, archive, IMAGE_TIMEOUT_MS);
    });

    it("that is missing is pulled when there is no archive, and the registry's refusal is reported", async () => {
      await assert.rejects(
        engines(ours).ensureImage(place, "127.0.0.1:1/redis:7", undefined, IMAGE_TIMEOUT_MS),
        (fault: Error) =>
          fails("image-missing")(fault) && /cannot pull the image 127\.0\.0\.1:1\/redis:7/.test(fault.message),
      );
    });

    it("that the archive does not hold is not there afterwards, and that is reported", async () => {
      const { ensureImage } = engines(ours);
      await assert.rejects(
        ensureImage(place, nothing, archive, IMAGE_TIMEOUT_MS),
        (fault: Error) => fails("image-missing")(fault) && /does not hold getaredis\/nothing:1/.test(fault.message),
      );
      await assert.rejects(
        ensureImage(place, nothing, join(dir, "no.tar"), IMAGE_TIMEOUT_MS),
        (fault: Error) => fails("image-missing")(fault) && /archive cannot be read.*ENOENT/.test(fault.message),
      );
      await writeFile(join(dir, "junk.tar"), "no archive at all");
      await assert.rejects(
        ensureImage(place, nothing, join(dir, "junk.tar"), IMAGE_TIMEOUT_MS),
        fails("image-missing"),
      );
    });

    it("is given up on in time when the engine hangs, and tried again", async () => {
      const { ensureImage } = engines(ours);
      await host.pause();
      try {
        const started = performance.now();
        await Promise.all(
          [1, 2].map(() => assert.rejects(ensureImage(place, host.image, archive, 1_000), fails("timeout"))),
        );
        assert.ok(performance.now() - started < 3_000);
      } finally {
        await host.resume();
      }
      await ensureImage(place, host.image, archive, IMAGE_TIMEOUT_MS);
    });
  });
});

function makeAuthority(commonName: string): Authority {
  const { publicKey, privateKey: key } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = makeCertificate({ commonName, publicKey, kind: "ca", names: [], ...validity() }, undefined, key);
  return { pem, certificate: new X509Certificate(pem), key };
}

function issue(authority: Authority, facts: Pick<CertificateFacts, "kind"> & Partial<CertificateFacts>): Issued {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const cert = makeCertificate(
    { commonName: "any", publicKey, names: [], ...validity(), ...facts },
    authority.certificate,
    authority.key,
  );
  return { cert, key: privateKey.export({ type: "pkcs8", format: "pem" }) as string };
}

function validity() {
  return { notBefore: new Date(Date.now() - 30 * DAY), notAfter: new Date(Date.now() + 30 * DAY) };
}
