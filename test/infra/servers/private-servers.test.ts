import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import { createConnection } from "mysql2/promise";
import type { RowDataPacket } from "mysql2/promise";
import { startMariadb } from "../../../infra/servers/mariadb.ts";
import { commandLineOf, endProcess, markProcess } from "../../../infra/process/processes.ts";
import { pingRedis, startRedis } from "../../../infra/servers/redis.ts";
import type { ServerProcess } from "../../../infra/process/server-process.ts";

describe("private servers", () => {
  let dir: string;
  const running = new Set<ServerProcess>();
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "getaredis-servers-"));
  });
  after(async () => {
    await Promise.all([...running].map((server) => server.stop()));
    await rm(dir, { recursive: true });
  });
  const noted = <Server extends ServerProcess>(server: Server): Server => {
    running.add(server);
    return server;
  };

  it("MariaDB keeps what was committed when it is killed", async () => {
    const place = { dir: join(dir, "killed") };
    const first = noted(await startMariadb(place));
    await query(first.url, "CREATE TABLE kept (number INT) ENGINE=InnoDB");
    await query(first.url, "INSERT INTO kept VALUES (42)");
    await endProcess(first.pid, 5_000, "SIGKILL");

    const second = noted(await startMariadb(place));
    assert.deepEqual(await query(second.url, "SELECT number FROM kept"), [{ number: 42 }]);
    await second.stop();
    assert.equal(await markProcess(second.pid), undefined);
  });

  it("MariaDB lays its data out again when it was killed doing so", async () => {
    const unfinished = join(dir, "half", "data.new");
    await mkdir(unfinished, { recursive: true });
    await writeFile(join(unfinished, "ibdata1"), "half a file");
    const server = noted(await startMariadb({ dir: join(dir, "half") }));
    assert.deepEqual(await query(server.url, "SELECT 1 AS one"), [{ one: 1 }]);
    await server.stop();
  });

  it("MariaDB of a killed parent is found and makes room for the next", async () => {
    const place = { dir: join(dir, "orphan") };
    const orphan = noted(await startMariadb(place));
    const next = noted(await startMariadb(place));
    assert.equal(await markProcess(orphan.pid), undefined);
    assert.deepEqual(await query(next.url, "SELECT 1 AS one"), [{ one: 1 }]);
    await next.stop();
  });

  it("MariaDB lets nobody in without the password, and writes no files elsewhere", async () => {
    const place = { dir: join(dir, "closed") };
    // As an older version of us has left it.
    const before = noted(await startMariadb(place));
    await query(before.url, "CREATE USER ''@'%', 'root'@'::1', 'root'@'somewhere', 'app'@'%' IDENTIFIED BY 'a word'");
    await query(before.url, "CREATE ROLE readers");
    await before.stop();
    const server = noted(await startMariadb(place));
    assert.deepEqual(await query(server.url, "SELECT user, host FROM mysql.global_priv ORDER BY user, host"), [
      { user: "app", host: "%" },
      // Locked.
      { user: "mariadb.sys", host: "localhost" },
      { user: "readers", host: "" },
      { user: "root", host: "127.0.0.1" },
      { user: "root", host: "localhost" },
    ]);
    for (const user of ["root", "mysql", ""]) {
      const url = new URL(server.url);
      url.username = user;
      url.password = "";
      await assert.rejects(query(url.href, "SELECT 1"), /Access denied/);
    }
    await assert.rejects(
      query(server.url, `SELECT 'x' INTO OUTFILE '${join(tmpdir(), "getaredis-outfile")}'`),
      /secure-file-priv/,
    );
    await server.stop();
  });

  it("Redis of a killed parent is found and makes room for the next, also at its own address", async () => {
    const place = { dir: join(dir, "redis") };
    const orphan = noted(await startRedis(place));
    const next = noted(await startRedis({ ...place, port: Number(new URL(orphan.url).port) }));
    assert.equal(await markProcess(orphan.pid), undefined);
    assert.equal(next.url, orphan.url);
    await pingRedis(next.url);
    await next.stop();
    await assert.rejects(pingRedis(next.url), /ECONNREFUSED/);
  });

  it("Redis lets nobody in without the password", async () => {
    const server = noted(await startRedis({ dir: join(dir, "redis-closed") }));
    const { hostname, port } = new URL(server.url);
    const redis = new Redis({ host: hostname, port: Number(port), enableReadyCheck: false });
    redis.on("error", () => undefined);
    try {
      await assert.rejects(redis.get("key"), /NOAUTH/);
    } finally {
      redis.disconnect();
    }
    await server.stop();
  });

  it("keep their passwords out of arguments and in files for us alone", async () => {
    const places = [join(dir, "secret-mariadb"), join(dir, "secret-redis")] as const;
    const servers = [noted(await startMariadb({ dir: places[0] })), noted(await startRedis({ dir: places[1] }))];
    for (const [index, server] of servers.entries()) {
      const place = places[index] ?? "";
      const password = (await readFile(join(place, "password"), "utf8")).trim();
      assert.ok(password.length >= 32);
      assert.equal(new URL(server.url).password, password);
      assert.equal((await stat(join(place, "password"))).mode & 0o077, 0);
      assert.doesNotMatch((await commandLineOf(server.pid)).join(" "), new RegExp(password));
      await server.stop();
    }
  });

  it("say why they do not start, and leave nothing running", async () => {
    const blocked = noted(await startRedis({ dir: join(dir, "first") }));
    const port = Number(new URL(blocked.url).port);
    await assert.rejects(startRedis({ dir: join(dir, "second"), port }), /did not start[^]*Address already in use/);
    await blocked.stop();
  });
});

async function query(url: string, sql: string): Promise<RowDataPacket[]> {
  const connection = await createConnection({ uri: url });
  try {
    const [rows] = await connection.query<RowDataPacket[]>(sql);
    return rows;
  } finally {
    await connection.end();
  }
}
