import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { startService } from "../bed/service.ts";
import type { Bench, Outcome } from "./bench.ts";
import { timeFigures } from "./figure.ts";
import { handOut } from "./hand-out.ts";

const runProgram = promisify(execFile);
const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const PINGS = 400;
const LOGINS = 30;
const LOGIN_MS = 1_000;

/** What strangers who take all connections to an instance cost its owner. */
export const attackLockout: Bench = {
  name: "attack-lockout",
  measures: "an owner's PING, and new connections, while strangers at ten addresses take all connections they get",
  yardstick: "the same before",
  goal: "",
  run,
};

/**
 * Strangers at ten addresses, in ten networks, hold all connections to an instance that they get, and send commands
 * without a password as fast as they are taken. The owner's `PING` on a connection that was there before is timed,
 * quiet and while they send, and it is counted how often the owner gets in anew within a second.
 */
async function run(): Promise<Outcome> {
  const service = await startService({ capacity: 2 });
  const [host] = service.hosts;
  if (!host) throw new Error("there is no host");
  const [, , third = 0, last = 0] = host.testAddress.split(".").map(Number);
  const addresses = Array.from({ length: 10 }, (_, index) => `198.19.${index * 16 + (third % 16)}.${last}`);
  try {
    // With the bounds that hosts have.
    await host.exec("sh", file("infra/host/firewall.sh"), "up");
    const janitor = file("infra/host/janitor.sh");
    if (existsSync(janitor))
      void host.exec("env", `DOCKER_HOST=${host.url}`, "bash", janitor).catch(() => "It ends with the host.");
    for (const address of addresses) {
      await runProgram("ip", ["address", "add", `${address}/32`, "dev", "lo"]);
      await host.exec("ip", "route", "replace", address, "via", host.testAddress);
    }
    const instance = await handOut(service.origin);
    const kept = ownerOf(instance);
    await timePings(kept);
    const quiet = { pings: await timePings(kept), logins: await countLogins(instance) };

    // Those that shout are there first, for the others leave no place.
    const shouting = startStrangers("shout", instance, addresses);
    await once(shouting.stdout, "data");
    await delay(1_000);
    const commandsBefore = await commandsOf(kept);
    const begun = performance.now();
    const pings = await timePings(kept);
    const commands = ((await commandsOf(kept)) - commandsBefore) / ((performance.now() - begun) / 1000);
    const holding = startStrangers("hold", instance, addresses);
    await once(holding.stdout, "data");
    await delay(2_000);
    const logins = await countLogins(instance);
    for (const strangers of [shouting, holding]) {
      strangers.stdin.end();
      await once(strangers, "exit");
    }
    kept.disconnect();
    return {
      figures: [
        ...timeFigures("PING of the owner", [pings], [quiet.pings]),
        {
          what: `new connections that got in, of ${LOGINS}`,
          unit: "",
          share: 0.5,
          rounds: [[logins]],
          yardstick: [[quiet.logins]],
        },
      ],
      notes: [`the instance took ${commands.toFixed(0)} commands a second of strangers`],
    };
  } finally {
    for (const address of addresses)
      await runProgram("ip", ["address", "del", `${address}/32`, "dev", "lo"]).catch(() => "It was not there yet.");
    await service.stop();
  }
}

function startStrangers(
  way: "shout" | "hold",
  { host, port }: { host: string; port: number },
  addresses: readonly string[],
) {
  return spawn(process.execPath, [file("test/bed/strangers.ts"), way, host, String(port), ...addresses], {
    stdio: ["pipe", "pipe", "inherit"],
  });
}

function ownerOf({ host, port, password }: { host: string; port: number; password: string }): Redis {
  const redis = new Redis({ host, port, password, lazyConnect: true, retryStrategy: () => null });
  redis.on("error", () => undefined);
  return redis;
}

async function timePings(redis: Redis): Promise<number[]> {
  const times: number[] = [];
  for (let time = 0; time < PINGS; time++) {
    const begun = performance.now();
    await redis.ping();
    times.push(performance.now() - begun);
    await delay(2);
  }
  return times;
}

async function countLogins(instance: Parameters<typeof ownerOf>[0]): Promise<number> {
  let count = 0;
  for (let time = 0; time < LOGINS; time++) {
    const redis = ownerOf(instance);
    const isIn = redis.ping().then(
      () => true,
      () => false,
    );
    if (await Promise.race([isIn, delay(LOGIN_MS, false)])) count++;
    redis.disconnect();
  }
  return count;
}

async function commandsOf(redis: Redis): Promise<number> {
  const stats = await redis.info("stats");
  return ["total_commands_processed", "total_error_replies"]
    .map((name) => Number(new RegExp(`${name}:(\\d+)`).exec(stats)?.[1]))
    .reduce((sum, count) => sum + count, 0);
}
