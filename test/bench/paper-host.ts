import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { createConnection } from "mysql2/promise";
import { customAlphabet } from "nanoid";
import pMap from "p-map";
import type { Heartbeat } from "../../apps/core/fleet/host.ts";
import { registerHost } from "../../apps/core/fleet/register-host.ts";
import { hashSecret } from "../../apps/lib/secrets.ts";
import { sealedPassword } from "../../apps/core/warm-pool/recipe.ts";
import type { Service } from "../bed/service.ts";
import { rulesOf } from "./bare-work.ts";

const NAME = "paper";
const ADDRESS = "127.0.1.1";
/** More than are handed out: at the end of them, two hand-outs at once may compete for the last one. */
const SLOTS = 600;
/** Below those that the kernel gives to connections. */
const FIRST_PORT = 23_000;
const HOUR_MS = 3_600_000;
const PAPER_REDIS = fileURLToPath(new URL("paper-redis.ts", import.meta.url));
const newId = customAlphabet("0123456789abcdefghijklmnopqrstuvwxyz", 16);

/** Instances of a {@link paperHost} that can be handed out after each refill. */
export const PAPER_INSTANCES = 500;

/**
 * A host that is rows and a heartbeat alone: its instances are warm at once, and answer by a program that stands in
 * for all of them. The service's own hosts take none meanwhile.
 */
export async function paperHost({ store, services, hosts, env }: Service) {
  const rules = rulesOf({ env });
  const clock = () => new Date();
  for (const { name } of hosts) await store.hosts.setState(name, "cordoned");
  await registerHost(
    { store, clock },
    {
      name: NAME,
      engineUrl: "unix:///nowhere",
      publicHost: ADDRESS,
      checkHost: ADDRESS,
      bindAddress: ADDRESS,
      capacity: SLOTS,
      basePort: FIRST_PORT,
    },
  );
  const redis = new Redis(services.redisUrl);
  await redis.set(`host:${NAME}`, heartbeat(), "PX", HOUR_MS);
  redis.disconnect();
  const answering = spawn(process.execPath, [PAPER_REDIS, String(FIRST_PORT), String(SLOTS)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const isUp = await Promise.race([once(answering.stdout, "data"), once(answering, "exit").then(() => undefined)]);
  if (!isUp) throw new Error(`ports from ${FIRST_PORT} on are taken`);

  /** Ends all instances there are, and has a warm one in each slot. */
  async function refill(): Promise<void> {
    const database = await createConnection({ uri: env["MYSQL_URL"] ?? "", multipleStatements: true });
    await database.query(
      "SET FOREIGN_KEY_CHECKS = 0; UPDATE slots SET instance_id = NULL; DELETE FROM quota_places; " +
        "DELETE FROM network_places; DELETE FROM instances",
    );
    await database.end();
    const now = clock();
    const draft = {
      deadline: new Date(now.getTime() + HOUR_MS),
      latestEnd: new Date(now.getTime() + 24 * HOUR_MS),
      createdAt: now,
      recipe: rules.warm?.recipe ?? Buffer.alloc(32),
    };
    await pMap(
      Array.from({ length: SLOTS }),
      async () => {
        const [id, nonce] = [newId(), randomBytes(32)];
        const passwordHash = hashSecret(sealedPassword(rules.serverSecret, nonce, id));
        const begun = await store.warmPool.begin({ ...draft, id, nonce, passwordHash }, NAME);
        if (begun.kind !== "taken") throw new Error(`the host takes no warm instance: ${begun.kind}`);
        await store.warmPool.ready(id, { engine: "redis", version: "7.0.15" }, clock());
      },
      { concurrency: 8 },
    );
  }

  return {
    name: NAME,
    refill,
    stop: async () => {
      answering.stdin.end();
      await once(answering, "exit");
    },
  };
}

function heartbeat(): string {
  const beat: Heartbeat = {
    name: NAME,
    publicIp: ADDRESS,
    privateIp: ADDRESS,
    dockerPort: 0,
    containers: 0,
    memAvailableMb: 10_000,
    sentAt: new Date().toISOString(),
  };
  return JSON.stringify(beat);
}
