import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { startMariadb } from "../../infra/servers/mariadb.ts";
import { endProcess, sendSignal } from "../../infra/process/processes.ts";
import { startRedis } from "../../infra/servers/redis.ts";
import { claimOwnFolder } from "./own-folder.ts";
import { copyMariadbData } from "./mariadb-data.ts";

const KIND = "getaredis-services";

/** A MariaDB and a Redis for tests, in a folder of their own. */
export interface Services {
  /** Of a database that `migrate` finds up to date, and whose only gap is the deployment's id. */
  mysqlUrl: string;
  redisUrl: string;
  /** Stops MariaDB as if its machine went down (SIGKILL); `startMysql` brings it back at the same address. */
  killMysql: () => Promise<void>;
  startMysql: () => Promise<void>;
  /** Has MariaDB accept connections and answer nothing (SIGSTOP), until it goes on (SIGCONT). */
  signalMysql: (signal: "SIGSTOP" | "SIGCONT") => Promise<void>;
  /** The same for Redis, which comes back empty, its heartbeat users gone as well. */
  killRedis: () => Promise<void>;
  startRedis: () => Promise<void>;
  stop: () => Promise<void>;
}

/** Starts both, in about a second. The caller stops them, also when a test fails. */
export async function startServices(): Promise<Services> {
  const dir = await claimOwnFolder(KIND);
  const mysqlDir = join(dir, "mysql");
  const redisDir = join(dir, "redis");
  const [mysqlStart, redisStart] = await Promise.allSettled([
    copyMariadbData(mysqlDir).then(() => startMariadb({ dir: mysqlDir })),
    startRedis({ dir: redisDir }),
  ]);
  const removeDir = () => rm(dir, { recursive: true, force: true });
  if (mysqlStart.status === "rejected" || redisStart.status === "rejected") {
    for (const start of [mysqlStart, redisStart]) if (start.status === "fulfilled") await start.value.stop();
    await removeDir();
    throw new Error("the services did not start", { cause: [mysqlStart, redisStart] });
  }

  let mysql = mysqlStart.value;
  let redis = redisStart.value;
  return {
    mysqlUrl: mysql.url,
    redisUrl: redis.url,
    killMysql: () => endProcess(mysql.pid, 5_000, "SIGKILL"),
    startMysql: async () => {
      mysql = await startMariadb({ dir: mysqlDir, port: Number(new URL(mysql.url).port) });
    },
    signalMysql: (signal) => sendSignal(mysql.pid, signal),
    killRedis: () => endProcess(redis.pid, 5_000, "SIGKILL"),
    startRedis: async () => {
      redis = await startRedis({ dir: redisDir, port: Number(new URL(redis.url).port) });
    },
    stop: async () => {
      await Promise.all([mysql.stop(), redis.stop()]);
      await removeDir();
    },
  };
}

/**
 * Creates an empty database on the server of an admin address and returns its address, so that
 * test files on one server do not meet. It goes with the server.
 */
export async function createDatabase(adminUrl: string): Promise<string> {
  const name = `test_${randomBytes(6).toString("hex")}`;
  const connection = await createConnection({ uri: adminUrl });
  try {
    await connection.query(`CREATE DATABASE ${name}`);
  } finally {
    await connection.end();
  }
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Takes everything out of a migrated database but its deployment's id, in a tenth of the time that a new one takes. */
export async function emptyDatabase(url: string): Promise<void> {
  const connection = await createConnection({ uri: url, multipleStatements: true });
  try {
    const [rows] = await connection.query<RowDataPacket[]>(
      `SELECT table_name AS name FROM information_schema.tables
        WHERE table_schema = DATABASE() AND table_name NOT IN ('migrations', 'deployment')`,
    );
    await connection.query(
      [
        "SET FOREIGN_KEY_CHECKS = 0",
        ...rows.map((row) => `DELETE FROM ${String(row["name"])}`),
        "UPDATE deployment SET pruned_handouts = 0",
        // Names are made of these numbers.
        "ALTER TABLE droplets AUTO_INCREMENT = 1",
      ].join("; "),
    );
  } finally {
    await connection.end();
  }
}
