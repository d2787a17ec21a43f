import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { connect, createServer, type TlsOptions, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createCertificateAuthority } from "../../apps/adapters/pki/certificate-authority.ts";
import { certificatesIn } from "../../apps/adapters/pki/pem.ts";
import { authorityIn, clientTlsIn, enrolmentTlsIn } from "../../apps/adapters/pki/pki-files.ts";
import type { ClientTls } from "../../apps/lib/tls.ts";
import { ensurePki, type PkiChange } from "../../infra/pki/ensure-pki.ts";

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL("../../infra/pki/main.ts", import.meta.url));
const DAY = 86_400_000;
const FILES = ["ca-key.pem", "ca.pem", "client-key.pem", "client.pem", "enrolment-key.pem", "enrolment.pem"];
const today = new Date();

describe("the certificates of the fleet", () => {
  let scratch: string;
  let dir: string;
  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), "getaredis-pki-"));
    dir = join(scratch, "pki");
  });
  afterEach(() => rm(scratch, { recursive: true, force: true }));

  const ensure = (over: { names?: string[]; days?: number; change?: PkiChange } = {}) =>
    ensurePki(dir, {
      enrolmentNames: over.names ?? ["127.0.0.1"],
      now: new Date(today.getTime() + (over.days ?? 0) * DAY),
      change: over.change,
    });
  const kinds = async (...args: Parameters<typeof ensure>) => (await ensure(...args)).map(({ kind }) => kind);
  const text = (file: string) => readFile(join(dir, file), "utf8");
  const snapshot = async () =>
    Object.fromEntries(await Promise.all(FILES.map(async (file) => [file, await text(file)] as const)));
  const openssl = async (...args: string[]) => (await run("openssl", args)).stdout;

  describe("made for the first time", () => {
    it("are whole, and closed to others", async () => {
      assert.deepEqual(await kinds(), ["done", "done", "done"]);
      assert.deepEqual((await readdir(dir)).filter((name) => name.endsWith(".pem")).sort(), FILES);
      assert.equal((await stat(dir)).mode & 0o777, 0o700);
      for (const file of FILES)
        assert.equal((await stat(join(dir, file))).mode & 0o777, file.endsWith("-key.pem") ? 0o600 : 0o644, file);
    });

    it("are good for one use each", async () => {
      await ensure({ names: ["10.1.2.3", "Control.Internal", "::1"] });
      const ca = new X509Certificate(await text("ca.pem"));
      assert.ok(ca.ca && ca.checkIssued(ca) && ca.verify(ca.publicKey));
      assert.match(
        await openssl("x509", "-noout", "-text", "-in", join(dir, "ca.pem")),
        /CA:TRUE, pathlen:0[\s\S]*Certificate Sign\n/,
      );
      assert.equal(ca.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
      const verify = (purpose: string, file: string) =>
        openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", join(dir, "ca.pem"), join(dir, file));
      await verify("sslclient", "client.pem");
      await verify("sslserver", "enrolment.pem");
      await assert.rejects(verify("sslserver", "client.pem"), /unsuitable certificate purpose/);
      await assert.rejects(verify("sslclient", "enrolment.pem"), /unsuitable certificate purpose/);
      const enrolment = new X509Certificate(await text("enrolment.pem"));
      assert.deepEqual(
        [
          enrolment.checkIP("10.1.2.3"),
          enrolment.checkHost("control.internal"),
          enrolment.checkIP("::1"),
          enrolment.checkHost("other.internal"),
        ],
        ["10.1.2.3", "control.internal", "::1", undefined],
      );
    });

    it("are made by one of several that come at the same time", async () => {
      await Promise.all([ensure(), ensure(), ensure()]);
      assert.deepEqual(await kinds(), ["kept", "kept"]);
      clientTlsIn(dir, () => 0)();
      authorityIn(dir, () => 0)();
    });

    it("take up what a run left that was killed half-way", async () => {
      await mkdir(join(dir, "generation-0000"), { recursive: true });
      await writeFile(join(dir, "generation-0000", "ca.pem"), "half");
      await symlink("current/ca.pem", join(dir, "ca.pem"));
      assert.deepEqual(await kinds(), ["done", "done", "done"]);
      assert.equal((await readdir(dir)).filter((name) => name.startsWith("generation-")).length, 1);
    });

    it("need a name of the enrolment that is one", async () => {
      await assert.rejects(ensure({ names: [] }), /--enrolment-name/);
      await assert.rejects(ensure({ names: ["not a name"] }), /"not a name" is no host name/);
      await assert.rejects(stat(dir), /ENOENT/);
    });
  });

  describe("there already", () => {
    it("are kept as they are", async () => {
      await ensure({ names: ["::1", "127.0.0.1"] });
      const before = await snapshot();
      assert.deepEqual(await kinds({ names: ["0:0:0:0:0:0:0:1"], days: 700 }), ["kept", "kept"]);
      assert.deepEqual(await snapshot(), before);
    });

    it("are renewed in their last 30 days, the CA is not", async () => {
      await ensure();
      const before = await snapshot();
      assert.deepEqual(await kinds({ days: 800 }), ["done", "done"]);
      const after = await snapshot();
      assert.deepEqual(
        FILES.filter((file) => before[file] === after[file]),
        ["ca-key.pem", "ca.pem"],
      );
      assert.ok(new X509Certificate(after["client.pem"] ?? "").validToDate.getTime() > today.getTime() + 1600 * DAY);
    });

    it("get another name of the enrolment besides those there are", async () => {
      await ensure({ names: ["10.0.0.1"] });
      const { "client.pem": client } = await snapshot();
      assert.deepEqual(await kinds({ names: ["control.internal"] }), ["kept", "done"]);
      const enrolment = new X509Certificate(await text("enrolment.pem"));
      assert.equal(enrolment.subjectAltName, "IP Address:10.0.0.1, DNS:control.internal");
      assert.equal((await snapshot())["client.pem"], client);
    });

    it("say when the CA itself comes to its end, and never outlast it", async () => {
      await ensure();
      const late = await ensure({ days: 3000 });
      assert.match(late.at(-1)?.text ?? "", /no certificate outlasts it.*--rotate-ca/);
      const [ca, client] = [new X509Certificate(await text("ca.pem")), new X509Certificate(await text("client.pem"))];
      assert.equal(client.validToDate.getTime(), ca.validToDate.getTime());
      assert.deepEqual(await kinds({ days: 3640 }), ["kept", "kept", "warning"]);
    });

    it("are closed again to other users, with a warning that they were open", async () => {
      await ensure();
      await chmod(join(dir, "client-key.pem"), 0o644);
      await chmod(dir, 0o755);
      assert.deepEqual(await kinds(), ["kept", "kept", "warning"]);
      assert.deepEqual(
        [(await stat(dir)).mode & 0o777, (await stat(join(dir, "client-key.pem"))).mode & 0o777],
        [0o700, 0o600],
      );
      assert.deepEqual(await kinds(), ["kept", "kept"]);
    });
  });

  describe("a folder that is not ours, or broken, is left as it is", () => {
    const faults: [what: string, spoil: () => Promise<unknown>, says: RegExp][] = [
      [
        "holds something else",
        async () => {
          await mkdir(dir);
          await writeFile(join(dir, "notes.txt"), "mine");
        },
        /holds notes\.txt, which npm run pki did not make/,
      ],
      [
        "holds certificates of another tool",
        async () => {
          await mkdir(dir);
          await writeFile(join(dir, "ca.pem"), "theirs");
        },
        /holds ca\.pem, which/,
      ],
      ["is a file", () => writeFile(dir, ""), /is no folder/],
      [
        "lacks a key",
        async () => {
          await ensure();
          await rm(join(dir, "current", "client-key.pem"));
        },
        /client-key\.pem cannot be read/,
      ],
      [
        "has a key of something else",
        async () => {
          await ensure();
          await cp(join(dir, "current", "client-key.pem"), join(dir, "current", "ca-key.pem"));
        },
        /ca-key\.pem is the key of no certificate in ca\.pem/,
      ],
      [
        "has a certificate cut in half",
        async () => {
          await ensure();
          await writeFile(join(dir, "current", "enrolment.pem"), (await text("enrolment.pem")).slice(0, 100));
        },
        /enrolment-key\.pem is the key of no certificate/,
      ],
      [
        "has a certificate of another CA",
        async () => {
          await ensure();
          const [pem, key] = [await text("client.pem"), await text("client-key.pem")];
          await rename(dir, join(scratch, "elsewhere"));
          await ensure();
          await writeFile(join(dir, "current", "client.pem"), pem);
          await writeFile(join(dir, "current", "client-key.pem"), key);
        },
        /client\.pem is of another CA/,
      ],
    ];
    for (const [what, spoil, says] of faults) {
      it(`one that ${what}`, async () => {
        await spoil();
        const before = await tree(scratch);
        await assert.rejects(ensure({ change: "rotate-ca" }), says);
        await assert.rejects(ensure(), says);
        assert.deepEqual(await tree(scratch), before);
      });
    }

    it("one with nothing in it has nothing to rotate", async () => {
      await assert.rejects(ensure({ change: "rotate-ca" }), /nothing to change/);
    });
  });

  describe("replaced while hosts live", () => {
    it("the control plane's key is another at once, for old hosts as for new ones", async () => {
      await ensure();
      await using old = await startHost("old-1");
      const before = await text("client-key.pem");
      await ensure({ change: "rotate-client" });
      assert.notEqual(await text("client-key.pem"), before);
      assert.equal(await reach(old), "reached");
    });

    it("another CA leaves no host out of reach at any moment, and at its end none trusts the old one", async () => {
      await ensure();
      await using before = await startHost("before-1");
      const oldCa = certificatesIn(await text("ca.pem"))[0];
      const olderFiles = clientTlsIn(dir, () => 0)();

      await ensure({ change: "rotate-ca" });
      await using between = await startHost("between-1");
      assert.equal(certificatesIn(await text("ca.pem")).length, 2);
      assert.ok(oldCa && !certificatesIn(between.certificate)[0]?.verify(oldCa.publicKey), "the new CA signs for it");
      for (const host of [before, between]) assert.equal(await reach(host), "reached");
      // A control plane that has not read the files yet knows the hosts from before, and is known to all.
      assert.equal(await reach(before, olderFiles), "reached");
      // Hosts ordered before still find the enrolment, and so do hosts ordered now.
      for (const ca of [olderFiles.ca, await text("ca.pem")]) assert.equal(await reachEnrolment(ca), "reached");
      await assert.rejects(ensure({ change: "rotate-ca" }), /--retire-old-ca/);
      // Meanwhile everything else goes on by the CA that all know.
      await ensure({ change: "rotate-client" });
      for (const host of [before, between]) assert.equal(await reach(host), "reached");
      const betweenFiles = clientTlsIn(dir, () => 0)();

      await ensure({ change: "retire-old-ca" });
      await using after = await startHost("after-1");
      for (const host of [between, after]) assert.equal(await reach(host), "reached");
      assert.equal(await reachEnrolment(await text("ca.pem")), "reached");
      assert.notEqual(await reach(before), "reached", "the old CA counts no more");
      assert.notEqual(await reach(after, betweenFiles), "reached", "nor do keys from before");
      assert.deepEqual((await readdir(join(dir, "current"))).sort(), FILES);
      assert.deepEqual(await kinds({ change: "retire-old-ca" }), ["kept", "kept", "kept"]);
    });

    it("an old CA past its end is retired by itself", async () => {
      await ensure();
      await ensure({ days: 3000, change: "rotate-ca" });
      assert.equal(certificatesIn(await text("ca.pem")).length, 2);
      await ensure({ days: 3651 });
      assert.equal(certificatesIn(await text("ca.pem")).length, 1);
    });

    it("processes that follow the files see all old ones or all new ones", async () => {
      await ensure();
      let nowMs = 0;
      const [client, enrolment, authority] = [
        clientTlsIn(dir, () => nowMs),
        enrolmentTlsIn(dir, () => nowMs),
        authorityIn(dir, () => nowMs),
      ];
      const first = client();
      await ensure({ change: "rotate-ca" });
      await ensure({ change: "retire-old-ca" });
      assert.equal(client(), first, "not looked at yet");
      nowMs += 5_000;
      assert.equal(client().ca, await text("ca.pem"));
      assert.equal(enrolment().cert, await text("enrolment.pem"));
      assert.equal(authority().certificate.toString(), await text("ca.pem"));
      const second = client();
      await rename(dir, join(scratch, "away"));
      nowMs += 5_000;
      assert.equal(client(), second, "what was read before goes on counting");
      assert.throws(
        clientTlsIn(dir, () => nowMs),
        /ENOENT/,
      );
    });

    it("a key that is not of its certificate is not taken", async () => {
      await ensure();
      let nowMs = 0;
      const client = clientTlsIn(dir, () => nowMs);
      const first = client();
      await writeFile(
        join(dir, "current", "client-key.pem"),
        generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }),
      );
      nowMs += 5_000;
      assert.equal(client(), first);
      assert.throws(
        clientTlsIn(dir, () => nowMs),
        /is not the key of/,
      );
    });
  });

  it("npm run pki says what it did, and what is wrong with what it was asked", async () => {
    const env = { PATH: process.env.PATH, PKI_DIR: dir, ENROLMENT_URL: "https://control.internal:8443" };
    const { stdout } = await run(process.execPath, [MAIN, "--enrolment-name", "10.0.0.1"], { env });
    assert.match(
      stdout,
      /✓ made a CA, valid until \d{4}[^]*✓ made the enrolment's certificate for control\.internal, 10\.0\.0\.1, valid/,
    );
    assert.match((await run(process.execPath, [MAIN], { env })).stdout, /= kept the control plane's certificate/);
    for (const [args, says] of [
      [["--rotate-ca", "--rotate-client"], /npm run pki --/],
      [["a", "b"], /npm run pki --/],
      [["--rotate-everything"], /Unknown option/],
      [["/dev/null"], /is no folder/],
    ] as const) {
      await assert.rejects(
        run(process.execPath, [MAIN, ...args], { env }),
        (fault: { code: number; stderr: string }) =>
          fault.code === 1 && says.test(fault.stderr) && !fault.stderr.includes("    at "),
      );
    }
  });

  /** A host as an engine is one: its certificate by the CA of now, and trust in ca.pem as it is now. */
  async function startHost(name: string) {
    const key = join(scratch, `${name}.key`);
    const csr = await openssl(
      "req",
      "-new",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-keyout",
      key,
      "-subj",
      `/CN=${name}`,
    );
    const authority = createCertificateAuthority(authorityIn(dir, () => 0));
    const request = authority.readRequest(csr);
    assert.ok(!("refusal" in request));
    const certificate = authority.certify(request, name, today);
    const server = await serve({
      cert: certificate,
      key: await readFile(key, "utf8"),
      ca: await text("ca.pem"),
      requestCert: true,
      rejectUnauthorized: true,
    });
    return { ...server, name, certificate };
  }

  async function reach(
    host: { port: number; name: string },
    tls: ClientTls = clientTlsIn(dir, () => 0)(),
  ): Promise<string> {
    return answerOf(connect({ host: "127.0.0.1", port: host.port, servername: host.name, ...tls }));
  }

  async function reachEnrolment(ca: string): Promise<string> {
    await using server = await serve(enrolmentTlsIn(dir, () => 0)());
    return await answerOf(connect({ host: "127.0.0.1", port: server.port, ca }));
  }
});

async function serve(options: TlsOptions) {
  const open = new Set<TLSSocket>();
  const server = createServer(options, (socket) => {
    open.add(socket);
    socket.on("error", () => undefined);
    socket.end("reached");
  });
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** What the server says, or the code of what went wrong; a client learns of its own refusal only when it reads. */
async function answerOf(socket: TLSSocket): Promise<string> {
  let answer = "";
  try {
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  } catch (fault) {
    return (fault as NodeJS.ErrnoException).code ?? String(fault);
  } finally {
    socket.destroy();
  }
}

async function tree(dir: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    found[path] = entry.isFile() ? await readFile(path, "utf8") : "";
  }
  return found;
}
