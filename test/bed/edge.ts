import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { createRedisMembership } from "../../apps/adapters/redis/gateways.ts";
import { createUndoList } from "../../apps/lib/lifecycle.ts";
import { createEdgeAuthority, issueEdgeCertificate } from "../../infra/pki/edge-certificate.ts";
import { startService, type Service, type ServiceOptions } from "./service.ts";
import { claimOwnFolder } from "./own-folder.ts";
import { talkTo, type Talk } from "./lease-plane.ts";
import { until } from "./until.ts";

export const EDGE_DOMAIN = "edge.test";
export const EDGE_PORT = 6379;

/** A whole service behind gateways, each at a loopback address of its own. */
export type EdgeBed = Awaited<ReturnType<typeof startEdge>>;

/** One of its gateways. */
export interface BedGateway {
  name: string;
  address: string;
  dir: string;
  pid: () => number;
  end: (signal: NodeJS.Signals) => Promise<void>;
  start: () => void;
}

/** Starts it, and resolves when all gateways carry. The caller stops it, also when a test fails. */
export async function startEdge(names: readonly string[] = ["gw-1", "gw-2"], options: ServiceOptions = {}) {
  const undo = createUndoList();
  try {
    const dir = await claimOwnFolder("getaredis-edge");
    undo.add("folder", () => rm(dir, { recursive: true, force: true }));
    const authority = await createEdgeAuthority();
    const certificateDir = join(dir, "certificate");
    await mkdir(certificateDir);
    const issue = async (domain = EDGE_DOMAIN) => {
      const { chain, key } = await issueEdgeCertificate(authority, { domain, now: new Date() });
      await writeFile(join(certificateDir, "privkey.pem"), key);
      await writeFile(join(certificateDir, "fullchain.pem"), chain);
    };
    await issue();
    const caFile = join(dir, "ca.pem");
    await writeFile(caFile, authority.ca);
    const service = await startService({
      ...options,
      env: {
        EDGE_DOMAIN,
        EDGE_PORT: String(EDGE_PORT),
        EDGE_CERT_DIR: certificateDir,
        EDGE_CONNECTIONS: "2000",
        EDGE_CONNECTIONS_PER_ADDRESS: "2000",
        EDGE_CONNECTS_PER_MINUTE: "1000000",
        ...options.env,
      },
    });
    undo.add("service", service.stop, { withinMs: 120_000 });
    const redis = new Redis(service.services.redisUrl);
    redis.on("error", () => undefined);
    undo.add("redis client", () => redis.disconnect());
    const membership = createRedisMembership(redis);
    const live = async () => (await membership.list()).filter(({ state }) => state === "live").map(({ name }) => name);
    const gateways = names.map((name, index) => startGateway(service, dir, name, `127.0.0.${index + 1}`));
    await until("all gateways carry", async () => (await live()).length === names.length, 30_000);
    return {
      service,
      gateways,
      live,
      membership,
      dir,
      ca: authority.ca,
      caFile,
      /** Puts a new certificate into the gateways' folder. */
      issue,
      /** Hands one out. */
      create: async (): Promise<EdgeLease> => {
        const answer = await fetch(`${service.origin}/instances`, { method: "POST" });
        if (answer.status !== 201) throw new Error(`no instance: ${answer.status} ${await answer.text()}`);
        return (await answer.json()) as EdgeLease;
      },
      endLease: async ({ id, token }: EdgeLease) =>
        (
          await fetch(`${service.origin}/instances/${id}`, {
            method: "DELETE",
            headers: { authorization: `Bearer ${token}` },
          })
        ).status,
      /** Connects to a gateway as most clients do: encrypted, without a name. */
      talk: (gateway: BedGateway): Promise<Talk> => talkTo(EDGE_PORT, { ca: authority.ca }, gateway.address),
      stop: undo.undoAll,
    };
  } catch (cause) {
    await undo.undoAll().catch(() => undefined);
    throw cause;
  }
}

/** What a hand-out answers. */
export interface EdgeLease {
  id: string;
  host: string;
  port: number;
  password: string;
  url: string;
  token: string;
}

function startGateway(service: Service, folder: string, name: string, address: string): BedGateway {
  const dir = join(folder, name);
  const start = () =>
    service.startGateway({ GATEWAY_NAME: name, GATEWAY_ADDRESSES: address, EDGE_HOST: address, GATEWAY_DIR: dir });
  let running = start();
  return {
    name,
    address,
    dir,
    pid: () => running.pid,
    end: (signal) => running.end(signal),
    start: () => void (running = start()),
  };
}
