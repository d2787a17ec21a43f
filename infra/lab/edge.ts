import { Resolver } from "node:dns/promises";
import { mkdir, readFile } from "node:fs/promises";
import type { LookupFunction } from "node:net";
import { join } from "node:path";
import { freePort } from "../process/free-port.ts";
import type { KeptProgram } from "../process/kept-program.ts";
import { commandLineOf, findProcesses, sendSignal } from "../process/processes.ts";
import { ensureEdgeCertificate } from "../pki/edge-certificate.ts";
import type { LabCloud } from "./digitalocean/index.ts";

/** The domain that the stand-in for the cloud serves, and the edge's below it. */
export const LAB_DOMAIN = "lab.example.org";
const EDGE_DOMAIN = `edge.${LAB_DOMAIN}`;
/** Sockets have to have short paths. */
const RESOLVE_MS = 2_000;

/** A gateway of a lab, at an address of its own. */
export interface LabGateway {
  name: string;
  address: string;
  program: KeptProgram;
  /** Ends it as a power cut ends a machine: its program, its HAProxy and all connections through it. */
  cutPower: () => Promise<void>;
}

/** The edge of a lab: what gateways are started with, and how clients find them. */
export interface LabEdge {
  domain: string;
  port: number;
  /** Certificate that clients trust, in PEM. */
  ca: string;
  /** Settings of all programs, and of the gateway of a number, from 1. */
  env: NodeJS.ProcessEnv;
  envOf: (number: number) => NodeJS.ProcessEnv;
  addressOf: (number: number) => string;
  dirOf: (number: number) => string;
  /** Addresses that the edge's names lead to now, by DNS. */
  resolve: (name?: string) => Promise<string[]>;
  /** The same, for sockets. */
  lookup: LookupFunction;
}

/** Prepares an edge: certificate, port, and the way to the stand-in's DNS. */
export async function prepareEdge(dir: string, { dns }: Pick<LabCloud, "dns">): Promise<LabEdge> {
  const certificateDir = join(dir, "edge");
  await mkdir(certificateDir, { recursive: true, mode: 0o700 });
  const caFile = await ensureEdgeCertificate(certificateDir, EDGE_DOMAIN, new Date());
  const port = await freePort();
  const resolver = new Resolver({ timeout: RESOLVE_MS, tries: 2 });
  resolver.setServers([`${dns.host}:${dns.port}`]);
  const resolve = (name = `any.${EDGE_DOMAIN}`) => resolver.resolve4(name);
  const addressOf = (number: number) => `127.0.1.${number}`;
  const dirOf = (number: number) => join(dir, `gateway-${number}`);
  return {
    domain: EDGE_DOMAIN,
    port,
    ca: await readFile(caFile, "utf8"),
    env: { EDGE_DOMAIN, EDGE_PORT: String(port), EDGE_DNS_SETTLE_SECONDS: "1" },
    envOf: (number) => ({
      GATEWAY_NAME: `gateway-${number}`,
      GATEWAY_ADDRESSES: addressOf(number),
      GATEWAY_DIR: dirOf(number),
      EDGE_HOST: addressOf(number),
      EDGE_CERT_DIR: certificateDir,
    }),
    addressOf,
    dirOf,
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

/**
 * Ends HAProxies whose files are in folders that begin so: they serve on when the gateways that have started them are
 * killed.
 */
export async function endHaproxies(dirs: string): Promise<void> {
  const isOurs = (line: readonly string[]) => line.some((argument) => argument.startsWith(dirs));
  for (const pid of await findProcesses(isOurs)) if (isOurs(await commandLineOf(pid))) await sendSignal(pid, "SIGKILL");
}

/** A gateway that has been started. */
export function labGateway(edge: LabEdge, number: number, program: KeptProgram): LabGateway {
  return {
    name: `gateway-${number}`,
    address: edge.addressOf(number),
    program,
    cutPower: async () => {
      await program.kill();
      await endHaproxies(`${edge.dirOf(number)}/`);
    },
  };
}
