import { Redis } from "ioredis";
import { startTestLab, type TestLab } from "./lab.ts";
import { until } from "./until.ts";

const PATIENCE_MS = 30_000;

/** What a host says of itself. */
interface Beat {
  sentAt: string;
  containers: number | null;
}

export interface Handout {
  id: string;
  port: number;
  url: string;
}

/** A lab whose fleet has its first host, and leaves it as it is when it is silent. */
export interface HostLab extends TestLab {
  /** The first host, and its machine. */
  host: string;
  id: number;
  /** What a script prints on a machine; the first host's when not given. */
  shell: (script: string, machine?: number) => Promise<string>;
  /** What a unit of ours has said, as text. */
  journal: (unit: string, machine?: number) => Promise<string>;
  /** A property of a unit of ours, as systemd shows it. */
  shown: (unit: string, property: string, machine?: number) => Promise<string>;
  beatOf: (name: string) => Promise<Beat | undefined>;
  /** Resolves when the host beats, the first one when not given. */
  beats: (name?: string) => Promise<Beat>;
  /** Resolves when the first host's last beat is over. */
  isSilent: () => Promise<unknown>;
  /** An instance, as soon as there is one to be had. Those of a test are all on the first host: it is the busiest. */
  handOut: () => Promise<Handout>;
  /** Id of the container of an instance on the first host; empty when it does not run. */
  containerOf: (instance: Handout) => Promise<string>;
}

/** Starts it. Whoever calls stops it, also on failure. */
export async function startHostLab(): Promise<HostLab> {
  const lab = await startTestLab({ env: { HOST_CAPACITY: "20", DROPLET_CAP: "2", SILENT_REPLACE_SECONDS: "3600", SILENT_GRACE_SECONDS: "3600", BOOT_TIMEOUT_SECONDS: "3600", SURPLUS_SECONDS: "3600" } });
  const redis = new Redis(lab.redisUrl);
  redis.on("error", () => undefined);
  const stop = async () => {
    redis.disconnect();
    await lab.stop();
  };
  try {
    const host = await until("there is a host", async () => (await lab.hostNames())[0], PATIENCE_MS);
    const id = await lab.machineOf(host);
    const shell: HostLab["shell"] = async (script, machine = id) => (await lab.room.exec(machine, "bash", "-c", script)).trim();
    const beatOf: HostLab["beatOf"] = async (name) => {
      const text = await redis.get(`host:${name}`);
      return text === null ? undefined : (JSON.parse(text) as Beat);
    };
    return {
      ...lab,
      host,
      id,
      shell,
      journal: (unit, machine) => shell(`journalctl --quiet --no-pager --output=cat --unit=getaredis-${unit}.service`, machine),
      shown: (unit, property, machine) => shell(`systemctl show --value --property=${property} getaredis-${unit}.service`, machine),
      beatOf,
      beats: (name = host) => until(`${name} beats`, () => beatOf(name), PATIENCE_MS),
      isSilent: () => until(`${host} is silent`, async () => !(await beatOf(host)), PATIENCE_MS),
      handOut: () =>
        until("an instance is handed out", async () => {
          const answer = await fetch(`${lab.origin}/instances`, { method: "POST" });
          return answer.status === 201 ? ((await answer.json()) as Handout) : undefined;
        }, PATIENCE_MS),
      containerOf: (instance) => shell(`docker ps --quiet --no-trunc --filter label=getaredis.instance=${instance.id}`),
      stop,
    };
  } catch (cause) {
    await stop();
    throw cause;
  }
}
