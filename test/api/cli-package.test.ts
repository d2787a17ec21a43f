import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { text } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { OLDEST_NODE, packageFiles, PROGRAM } from "../../apps/api/cli-package/files.ts";
import { packCli } from "../../apps/api/cli-package/pack.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { createTwinApi, type TwinApi, type TwinCall } from "../bed/twin-api.ts";
import { TSC } from "../checks.ts";

const run = promisify(execFile);

interface Manifest {
  name: string;
  version: string;
  bin: Record<string, string>;
  engines: Record<string, string>;
  dependencies?: Record<string, string>;
  getaredis: { service: string };
}

describe("the command line's package at /cli.tgz", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({ env: { QUOTA_PER_ADDRESS: "80", TRUST_PROXY: "192.0.2.80", ALLOWED_HOSTS: "*" } });
  });
  after(() => api.close());

  const get = (init?: TwinCall) => api.call("/cli.tgz", init);
  const bytes = async (init?: TwinCall) => Buffer.from(await (await get(init)).arrayBuffer());
  const manifestOf = async (init?: TwinCall) =>
    JSON.parse((await unpack(await bytes(init))).get("package/package.json")?.content ?? "{}") as Manifest;

  it("has one program without dependencies, and the licences of all that is in it", async () => {
    const answer = await get();
    assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, "application/gzip"]);
    const files = await unpack(Buffer.from(await answer.arrayBuffer()));
    assert.deepEqual(
      [...files].map(([path, { mode }]) => [path, mode]),
      [
        ["package/package.json", 0o644],
        [`package/${PROGRAM}`, 0o755],
        ["package/LICENSE", 0o644],
      ],
    );
    const { version, bin, engines, dependencies } = await manifestOf();
    assert.deepEqual([bin, dependencies], [{ getaredis: PROGRAM }, undefined]);
    assert.deepEqual([version, engines["node"]], [await ownVersion(), `>=${OLDEST_NODE}`]);
    const licence = files.get("package/LICENSE")?.content ?? "";
    for (const name of ["commander", "@commander-js/extra-typings", "openapi-fetch", "siphash", "ipaddr.js"])
      assert.match(licence, new RegExp(`^${name}$`, "m"));
    assert.equal(licence.match(/Permission is hereby granted/g)?.length, 5);
  });

  it("has the same bytes each time, from each replica, and is not sent again to who has it", async () => {
    const replica = await api.openReplica();
    try {
      const other = await replica.call("/cli.tgz");
      assert.ok((await bytes()).equals(Buffer.from(await other.arrayBuffer())));
      const etag = other.headers.get("etag") ?? assert.fail("no etag");
      assert.equal(other.headers.get("cache-control"), "no-cache");
      const again = await get({ headers: { "if-none-match": etag } });
      assert.deepEqual([again.status, await again.text()], [304, ""]);
    } finally {
      await replica.close();
    }
  });

  it("calls the service by the address that it came from, and by no other text of a Host header", async () => {
    const serviceFor = async (host: string, more: TwinCall = {}) => {
      const answer = await api.app.inject({
        url: "/cli.tgz",
        headers: { host, ...(more.headers as Record<string, string> | undefined) },
        remoteAddress: more.remoteAddress ?? "127.0.0.1",
      });
      const files = await unpack(answer.rawPayload);
      return (JSON.parse(files.get("package/package.json")?.content ?? "{}") as Manifest).getaredis.service;
    };
    assert.equal(await serviceFor("redis.example.org:8080"), "http://redis.example.org:8080");
    const proxied = { remoteAddress: "192.0.2.80", headers: { "x-forwarded-proto": "https" } };
    assert.equal(await serviceFor("redis.example.org", proxied), "https://redis.example.org");
    assert.match(await serviceFor('a"b$(id)'), /^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it("has a program that asks for nothing which the oldest Node.js it is for does not have", async () => {
    // What came into JavaScript since then is unknown to these types.
    const options = { extends: projectPath("tsconfig.json"), compilerOptions: { lib: ["es2023"], target: "es2023" } };
    const file = projectPath(".getaredis/oldest-node.json");
    await mkdir(projectPath(".getaredis"), { recursive: true });
    await writeFile(
      file,
      JSON.stringify({
        ...options,
        include: [projectPath("apps/**/*.d.ts")],
        files: [projectPath("apps/cli/main.ts")],
      }),
    );
    const { stdout } = await run(process.execPath, [projectPath(`node_modules/${TSC}`), "--project", file]).catch(
      (fault: unknown) => fault as { stdout: string },
    );
    await rm(file);
    assert.equal(stdout, "");
  });

  describe("by npx, in an empty folder, without a registry,", () => {
    let home: string;
    let folder: string;
    beforeEach(async () => {
      home = await mkdtemp(join(tmpdir(), "getaredis-npx-"));
      folder = join(home, "empty");
      await mkdir(folder);
    });
    afterEach(() => rm(home, { recursive: true, force: true }));

    const npx = async (address: string, ...args: string[]) => {
      const env = {
        PATH: process.env["PATH"],
        HOME: home,
        // Nothing listens there.
        npm_config_registry: "http://127.0.0.1:1/",
        npm_config_update_notifier: "false",
      };
      const ran = await run("npx", ["--yes", address, ...args], { cwd: folder, env });
      return ran.stdout;
    };

    it("gets and ends an instance of the service that it came from", async () => {
      const replica = await api.openReplica();
      try {
        const address = `${await replica.listen()}/cli.tgz`;
        const { id } = JSON.parse(await npx(address, "create", "--json")) as { id: string };
        assert.equal(api.service.states()[id], "running");
        assert.equal(await npx(address, "end", id), `${id} has ended.\n`);
        assert.equal(api.service.states()[id], "ended, owner");
        assert.deepEqual(await readdir(folder), []);
      } finally {
        await replica.close();
      }
    });

    it("is the service's own, also after that has changed", async () => {
      const shared = await packageFiles();
      const changed = shared.map((file) =>
        file.isProgram ? { ...file, content: Buffer.from('#!/usr/bin/env node\nconsole.log("changed");\n') } : file,
      );
      let files = shared;
      const server = createServer((_request, answer) => {
        void packCli(files, "http://127.0.0.1").then(({ tarball }) => answer.end(tarball));
      }).listen(0, "127.0.0.1");
      try {
        await once(server, "listening");
        const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cli.tgz`;
        assert.equal(await npx(address, "--version"), `${await ownVersion()}\n`);
        files = changed;
        assert.equal(await npx(address, "--version"), "changed\n");
      } finally {
        server.close();
        server.closeAllConnections();
      }
    });
  });
});

async function ownVersion(): Promise<string> {
  return (JSON.parse(await readFile(projectPath("package.json"), "utf8")) as Manifest).version;
}

/** The files of a package by their paths, in order. */
async function unpack(tarball: Buffer): Promise<Map<string, { mode: number | undefined; content: string }>> {
  const found = new Map<string, { mode: number | undefined; content: string }>();
  const entries = extract();
  const unzip = createGunzip();
  unzip.pipe(entries);
  unzip.end(tarball);
  for await (const entry of entries)
    found.set(entry.header.name, { mode: entry.header.mode, content: await text(entry) });
  return found;
}
