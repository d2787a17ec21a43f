import { rm } from "node:fs/promises";
import { createMysqlStore } from "../../apps/adapters/mysql/index.ts";
import type { Store } from "../../apps/core/store.ts";
import { compileCache } from "./compile-cache.ts";
import { startLab, type Lab, type LabSetup } from "../../infra/lab/lab.ts";
import { claimOwnFolder } from "./own-folder.ts";

const KIND = "getaredis-lab";

/** A lab for tests, and ways to inspect it. */
export interface TestLab extends Lab {
  store: Store;
  /** Names of the hosts that there are. */
  hostNames: () => Promise<string[]>;
  /** Number of the machine that is a host. */
  machineOf: (hostName: string) => Promise<number>;
  /** What was decided and done, oldest first, a line each. */
  story: () => Promise<string[]>;
}

/** Starts a lab in a folder of its own. The caller stops it, also when a test fails. */
export async function startTestLab(options: Omit<LabSetup, "dir"> = {}): Promise<TestLab> {
  const dir = await claimOwnFolder(KIND);
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
