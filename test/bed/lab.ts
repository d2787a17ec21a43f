import { readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import type { Store } from "../../apps/core/store.ts";
import { compileCache } from "./compile-cache.ts";
import { startLab, type Lab, type LabOptions } from "../../infra/lab/lab.ts";
import { hasLiveOwner, ownedName } from "../../infra/lab/machines/owners.ts";
import { endLeftovers } from "../../infra/process/kept-running.ts";
import { endProcess, findProcesses } from "../../infra/process/processes.ts";

const KIND = "getaredis-lab";

/** A lab for tests, and how to look at it. */
export interface TestLab extends Lab {
  store: Store;
  /** Names of the hosts that there are. */
  hostNames: () => Promise<string[]>;
  /** Number of the machine that is a host. */
  machineOf: (hostName: string) => Promise<number>;
  /** What was decided and done, oldest first, a line each. */
  story: () => Promise<string[]>;
}

/** Starts a lab in a folder of its own. Whoever calls stops it, also on failure. */
export async function startTestLab(options: Omit<LabOptions, "dir"> = {}): Promise<TestLab> {
  await clearAbandoned();
  const dir = join(tmpdir(), await ownedName(KIND));
  const lab = await startLab({ dir, ...options, env: { ...compileCache(), ...options.env } });
  const store = createMysqlStore(lab.mysqlUrl);
  return {
    ...lab,
    store,
    hostNames: async () => (await store.hosts.list()).map(({ host }) => host.name).sort(),
    machineOf: async (hostName) => {
      const row = (await store.droplets.list()).find(({ name }) => name === hostName);
      if (row?.dropletId == null) throw new Error(`${hostName} is no droplet`);
      return row.dropletId;
    },
    story: async () =>
      (await store.events.list({}, 200))
        .reverse()
        .map(({ actor, kind, host, reason, times }) => `${actor} ${kind} ${host ?? "-"} ×${times}: ${reason}`),
    stop: async () => {
      await store.disconnect();
      await lab.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Servers outlive a test process that was killed: the next one ends them and removes their data. */
async function clearAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(`${KIND}-`) || (await hasLiveOwner(name))) continue;
    const dir = join(tmpdir(), name);
    await endLeftovers({ pidsDir: join(dir, "pids") }, 1_000);
    const isServerThere = ([command = "", ...args]: string[]) =>
      /(mariadbd|redis-server)$/.test(command) && args.some((argument) => argument.includes(`${dir}/`));
    for (const pid of await findProcesses(isServerThere)) await endProcess(pid, 5_000, "SIGKILL");
    await rm(dir, { recursive: true, force: true });
  }
}
