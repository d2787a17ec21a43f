import { rm, mkdir } from "node:fs/promises";
import { createConnection, createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { haproxyConfig } from "../../apps/adapters/haproxy/config.ts";
import {
  LEASE_TABLE,
  LEASE_TOTALS,
  leaseConfig,
  leaseDefaults,
  type LeaseBounds,
} from "../../apps/adapters/haproxy/lease-config.ts";
import { createLeasePlane } from "../../apps/adapters/haproxy/lease-plane.ts";
import { readWorkers } from "../../apps/adapters/haproxy/processes.ts";
import { createRuntime } from "../../apps/adapters/haproxy/runtime.ts";
import { createHaproxy, type HaproxyContent } from "../../apps/adapters/haproxy/process.ts";
import { checkCertificate } from "../../apps/core/edge/certificate.ts";
import { routeLines, type RouteTable } from "../../apps/core/edge/routes.ts";
import { startConcierge } from "../../apps/gateway/concierge-server.ts";
import { createEdgeAuthority, issueEdgeCertificate } from "../../infra/pki/edge-certificate.ts";
import { freePort } from "../../infra/process/free-port.ts";
import { claimOwnFolder } from "./own-folder.ts";

export const DOMAIN = "edge.test";

/** A HAProxy that carries leases, with a concierge, and a certificate of a CA that is ours. */
export type LeaseHaproxy = Awaited<ReturnType<typeof startLeaseHaproxy>>;

const usual: LeaseBounds = {
  loginMs: 5_000,
  idleMs: 3_600_000,
  connectionsPerAddress: 1_000,
  connectsPerMinute: 100_000,
  connectionsPerLease: 20,
  connectionsOfAll: 10_000,
};

/** Starts one without routes. The caller stops it, also when a test fails. */
export async function startLeaseHaproxy(over: Partial<LeaseBounds> = {}) {
  const folder = await claimOwnFolder("getaredis-haproxy");
  const bounds = { ...usual, ...over };
  const [port, plainPort] = [await freePort(), await freePort()];
  const authority = await createEdgeAuthority();
  const dir = join(folder, "run");
  await mkdir(dir, { mode: 0o700 });
  const haproxy = createHaproxy(dir);
  const plane = createLeasePlane(haproxy.files, 5_000);
  const runtime = createRuntime(haproxy.files.runtimeSocket, 5_000);
  const known = new Set<string>();

  /** What it runs with; the certificate is a new one each time. */
  async function contentFor(routes: RouteTable): Promise<HaproxyContent> {
    const now = new Date();
    const checked = checkCertificate(await issueEdgeCertificate(authority, { domain: DOMAIN, now }), DOMAIN, now);
    if (checked.kind === "bad") throw new Error(checked.reason);
    return (files) =>
      new Map([
        [files.certificate, checked.pem],
        [files.routes, routeLines(routes)],
        [
          files.config,
          haproxyConfig(
            { connections: 2_000, longestMs: 60_000 },
            leaseDefaults(bounds),
            [leaseConfig({ domain: DOMAIN, host: "127.0.0.1", port, plainPort }, bounds, files)],
            files,
          ),
        ],
      ]);
  }

  const concierge = await startConcierge({
    domain: DOMAIN,
    socketPath: haproxy.files.conciergeSocket,
    innerSocketPath: haproxy.files.innerSocket,
    fullSocketPath: haproxy.files.fullSocket,
    hasRoute: (id) => known.has(id),
    loginMs: bounds.loginMs,
    most: 1_000,
  });
  await haproxy.bring(await contentFor(new Map()));
  return {
    haproxy,
    plane,
    contentFor,
    /** Ids that the concierge knows. */
    known,
    port,
    plainPort,
    ca: authority.ca,
    /** Connections by instance and client, as HAProxy counts them. */
    tableOfCallers: () => runtime.ask(`show table ${LEASE_TABLE}`),
    /** The same by instance alone. */
    tableOfTotals: () => runtime.ask(`show table ${LEASE_TOTALS} data.conn_cur gt 0`),
    /** Processes that serve. */
    workers: async () => (await readWorkers(createRuntime(haproxy.files.masterSocket, 5_000))).serving,
    stop: async () => {
      await haproxy.kill();
      await concierge.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * A server that takes any password but one that ends with "wrong", says nothing to one that ends with "not-answered",
 * and tells who it is when it is asked WHO.
 */
export async function startStandIn() {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end("+BYE\r\n"));
    socket.on("data", (sent: Buffer) => {
      const text = sent.toString("latin1");
      if (text.includes("not-answered")) return;
      for (const [word] of text.matchAll(/AUTH|WHO/gi))
        socket.write(word === "WHO" ? `+${target}\r\n` : text.includes("wrong") ? "-WRONGPASS no\r\n" : "+OK\r\n");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const target = `127.0.0.1 ${(server.address() as AddressInfo).port}`;
  return {
    target,
    /** Connections that it has, and that it ever had. */
    connections: () => sockets.size,
    accepted: () => accepted,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A command as clients send it. */
export function command(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
}

/** A connection that is read as text. */
export interface Talk {
  socket: Socket;
  /** All that has come so far. */
  heard: () => string;
  isClosed: () => boolean;
  /** Of the certificate that was shown; undefined without TLS. */
  fingerprint: string | undefined;
  say: (text: string) => void;
}

/**
 * Connects to a plane, with TLS when there is a CA to trust; a name is told only when there is one.
 * @param localAddress address to come from
 */
export function talkTo(
  port: number,
  tls?: { ca: string; name?: string },
  host = "127.0.0.1",
  localAddress?: string,
): Promise<Talk> {
  const from = localAddress === undefined ? {} : { localAddress };
  return new Promise((resolve, reject) => {
    const socket = tls
      ? connectTls({
          port,
          host,
          ...from,
          ca: tls.ca,
          ...(tls.name === undefined ? {} : { servername: tls.name }),
          // Without a name there is none to compare: that it is signed for the domain is looked at below.
          checkServerIdentity: (_host, certificate) =>
            certificate.subjectaltname === `DNS:*.${DOMAIN}` ? undefined : new Error("for another domain"),
        })
      : createConnection({ port, host, ...from });
    let heard = "";
    let isClosed = false;
    socket.on("data", (chunk: Buffer) => (heard += chunk.toString("latin1")));
    socket.on("close", () => (isClosed = true));
    socket.once("error", reject);
    socket.once(tls ? "secureConnect" : "connect", () => {
      socket.off("error", reject);
      socket.on("error", () => undefined);
      resolve({
        socket,
        heard: () => heard,
        isClosed: () => isClosed,
        fingerprint: "getPeerCertificate" in socket ? socket.getPeerCertificate().fingerprint256 : undefined,
        say: (text) => void socket.write(text, "latin1"),
      });
    });
  });
}
