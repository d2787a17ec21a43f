import { Redis } from "ioredis";
import { startTestLab, type TestLab } from "./lab.ts";
import { until } from "./until.ts";

const PATIENCE_MS = 30_000;

/** What a host reports about itself. */
interface Heartbeat {
  sentAt: string;
  containers: number | null;
}

export interface Handout {
  id: string;
  host: string;
  port: number;
  token: string;
  url: string;
}

/** A lab whose fleet has its first host, and leaves it as it is when it is silent. */
export interface HostLab extends TestLab {
  /** The first host, and its machine. */
  host: string;
  id: number;
  publicIp: string;
  privateIp: string;
  /** What a script prints on a machine; the first host's when not given. */
  shell: (script: string, machine?: number) => Promise<string>;
  /** What a unit of ours has written to the journal, as text. */
  journal: (unit: string, machine?: number) => Promise<string>;
  /** A property of a unit of ours, as systemd shows it. */
  shown: (unit: string, property: string, machine?: number) => Promise<string>;
  beatOf: (name: string) => Promise<Heartbeat | undefined>;
  /** Resolves when there is a heartbeat of the host, the first one when not given. */
  beats: (name?: string) => Promise<Heartbeat>;
  /** Resolves when the first host's last heartbeat has expired. */
  isSilent: () => Promise<unknown>;
  /**
   * An instance on the first host, as soon as that gives one. The first host is the busiest, but as long as its
   * engine does not answer, instances are on the standby; those are given back.
   */
  handOut: () => Promise<Handout>;
  /** Id of the container of an instance on the first host; empty when it does not run. */
  containerOf: (instance: Handout) => Promise<string>;
}

/** Starts it. The caller stops it, also when a test fails. */
export async function startHostLab(): Promise<HostLab> {
  const lab = await startTestLab({
    env: {
      HOST_CAPACITY: "20",
      // On a host runs what a test has asked for, and nothing besides.
      WARM_POOL_MAX: "0",
      INSTANCE_LOGIN_SECONDS: "2",
      DROPLET_CAP: "2",
      SILENT_REPLACE_SECONDS: "3600",
      SILENT_GRACE_SECONDS: "3600",
      BOOT_TIMEOUT_SECONDS: "3600",
      SURPLUS_SECONDS: "3600",
    },
  });
  const redis = new Redis(lab.redisUrl);
  redis.on("error", () => undefined);
  const stop = async () => {
    redis.disconnect();
    await lab.stop();
  };
  try {
    const host = await until("there is a host", async () => (await lab.hostNames())[0], PATIENCE_MS);
    const id = await lab.machineOf(host);
    const { publicIp, privateIp } = lab.cloud.droplets().find((droplet) => droplet.id === id) ?? {};
    if (!publicIp || !privateIp) throw new Error(`${host} has no addresses`);
    const shell: HostLab["shell"] = async (script, machine = id) =>
      (await lab.room.exec(machine, "bash", "-c", script)).trim();
    const beatOf: HostLab["beatOf"] = async (name) => {
      const text = await redis.get(`host:${name}`);
      return text === null ? undefined : (JSON.parse(text) as Heartbeat);
    };
    return {
      ...lab,
      host,
      id,
      publicIp,
      privateIp,
      shell,
      journal: (unit, machine) =>
        shell(`journalctl --quiet --no-pager --output=cat --unit=getaredis-${unit}.service`, machine),
      shown: (unit, property, machine) =>
        shell(`systemctl show --value --property=${property} getaredis-${unit}.service`, machine),
      beatOf,
      beats: (name = host) => until(`there is a heartbeat of ${name}`, () => beatOf(name), PATIENCE_MS),
      isSilent: () => until(`${host} is silent`, async () => !(await beatOf(host)), PATIENCE_MS),
      handOut: () =>
        until(
          `an instance on ${host} is handed out`,
          async () => {
            const answer = await fetch(`${lab.origin}/instances`, { method: "POST" });
            if (answer.status !== 201) return undefined;
            const instance = (await answer.json()) as Handout;
            if (instance.host === publicIp) return instance;
            await fetch(`${lab.origin}/instances/${instance.id}`, {
              method: "DELETE",
              headers: { authorization: `Bearer ${instance.token}` },
            });
            return undefined;
          },
          PATIENCE_MS,
        ),
      containerOf: (instance) => shell(`docker ps --quiet --no-trunc --filter label=getaredis.instance=${instance.id}`),
      stop,
    };
  } catch (cause) {
    await stop();
    throw cause;
  }
}
