import { Resolver } from "node:dns/promises";
import { mkdir, readFile } from "node:fs/promises";
import type { LookupFunction } from "node:net";
import { join } from "node:path";
import { freePort } from "../process/free-port.ts";
import { ensureEdgeCertificate } from "../pki/edge-certificate.ts";
import type { LabCloud } from "./digitalocean/index.ts";
import type { MachineRoom } from "./machines/room.ts";

/** The domain that the stand-in for the cloud serves, and the edge's below it. */
export const LAB_DOMAIN = "lab.example.org";
const EDGE_DOMAIN = `edge.${LAB_DOMAIN}`;
/** Sockets have to have short paths. */
const RESOLVE_MS = 2_000;

/** A gateway of a lab: a droplet that the fleet has ordered. */
export interface LabGateway {
  name: string;
  /** Where clients reach it. */
  address: string;
  /** Ends its machine as a power cut does. */
  cutPower: () => Promise<void>;
}

/** The edge of a lab: what gateways are started with, and how clients find them. */
export interface LabEdge {
  domain: string;
  port: number;
  /** Certificate that clients trust, in PEM. */
  ca: string;
  /** Settings of all programs. */
  env: NodeJS.ProcessEnv;
  /** Addresses that the edge's names lead to now, by DNS. */
  resolve: (name?: string) => Promise<string[]>;
  /** The same, for sockets. */
  lookup: LookupFunction;
}

/** Prepares an edge of so many gateways: certificate, port, and the way to the stand-in's DNS. */
export async function prepareEdge(dir: string, count: number, { dns }: Pick<LabCloud, "dns">): Promise<LabEdge> {
  const certificateDir = join(dir, "edge");
  await mkdir(certificateDir, { recursive: true, mode: 0o700 });
  const caFile = await ensureEdgeCertificate(certificateDir, EDGE_DOMAIN, new Date());
  const port = await freePort();
  const resolver = new Resolver({ timeout: RESOLVE_MS, tries: 2 });
  resolver.setServers([`${dns.host}:${dns.port}`]);
  const resolve = (name = `any.${EDGE_DOMAIN}`) => resolver.resolve4(name);
  return {
    domain: EDGE_DOMAIN,
    port,
    ca: await readFile(caFile, "utf8"),
    env: {
      EDGE_DOMAIN,
      EDGE_PORT: String(port),
      EDGE_CERT_DIR: certificateDir,
      EDGE_DNS_SETTLE_SECONDS: "1",
      GATEWAYS: String(count),
      GATEWAY_SILENT_SECONDS: "5",
      GATEWAY_DRAIN_SECONDS: "1",
    },
    resolve,
    lookup: (name, options, done) => {
      void resolve(name).then(
        (addresses) => {
          const found = addresses.map((address) => ({ address, family: 4 }));
          if (options.all === true) done(null, found);
          else done(null, found[0]?.address ?? "", 4);
        },
        (fault: unknown) => done(fault as NodeJS.ErrnoException, []),
      );
    },
  };
}

/** The gateways that the stand-in for the cloud has machines of now. */
export function labGateways(cloud: Pick<LabCloud, "droplets">, room: Pick<MachineRoom, "powerOff">): LabGateway[] {
  return cloud
    .droplets()
    .filter(({ tags }) => tags.some((tag) => tag.endsWith("-gateways")))
    .flatMap(({ id, name, publicIp }) =>
      publicIp === null ? [] : { name, address: publicIp, cutPower: () => room.powerOff(id) },
    );
}
