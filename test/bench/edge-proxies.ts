import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { connect, type TLSSocket } from "node:tls";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { createUndoList } from "../../apps/lib/lifecycle.ts";
import { createEdgeAuthority, issueEdgeCertificate } from "../../infra/pki/edge-certificate.ts";
import { freePort } from "../../infra/process/free-port.ts";
import { childrenOf } from "../../infra/process/processes.ts";
import { startServerProcess } from "../../infra/process/server-process.ts";
import { ensureSystemPackages } from "../../infra/servers/system-packages.ts";
import { command, DOMAIN, startLeaseHaproxy } from "../bed/lease-plane.ts";
import { claimOwnFolder } from "../bed/own-folder.ts";
import { processorMs } from "./processor-time.ts";

const execute = promisify(execFile);
/** Whatever takes longer has failed. */
const LOG_IN_MS = 10_000;
const REQUESTS_MS = 60_000;
const ID = "5sq9fsfr26iw58ze";
const PASSWORD = `${ID}83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84`;

/** The same Redis by three ways that end TLS: HAProxy as gateways run it, nginx, and a Redis that does it itself. */
export type EdgeProxies = Awaited<ReturnType<typeof startEdgeProxies>>;

/** Starts all of them. The caller stops them, also when a measurement fails. */
export async function startEdgeProxies() {
  await ensureSystemPackages(["redis-server", "redis-cli", "haproxy", "nginx", "stream module of nginx"]);
  const undo = createUndoList();
  try {
    const dir = await claimOwnFolder("getaredis-edge-bench");
    undo.add("folder", () => rm(dir, { recursive: true, force: true }));
    const issued = await issueEdgeCertificate(await createEdgeAuthority(), { domain: DOMAIN, now: new Date() });
    const [chain, key] = [join(dir, "fullchain.pem"), join(dir, "privkey.pem")];
    await writeFile(chain, issued.chain);
    await writeFile(key, issued.key, { mode: 0o600 });
    const [plainPort, tlsPort, nginxPort] = [await freePort(), await freePort(), await freePort()];

    const start = async (name: string, program: string, args: string[], port: number) => {
      const server = await startServerProcess({
        name,
        command: program,
        args,
        logFile: join(dir, `${name}.log`),
        probe: () => probe(port, port !== plainPort),
      });
      undo.add(name, server.stop, { withinMs: 20_000 });
      return server;
    };
    const common = ["--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD, "--dir", dir];
    await start("redis", "redis-server", ["--port", String(plainPort), ...common], plainPort);
    const tls = ["--tls-cert-file", chain, "--tls-key-file", key, "--tls-auth-clients", "no"];
    await start(
      "redis-tls",
      "redis-server",
      ["--port", "0", "--tls-port", String(tlsPort), ...tls, ...common],
      tlsPort,
    );

    const config = join(dir, "nginx.conf");
    await writeFile(config, nginxConfig({ dir, chain, key, port: nginxPort, to: plainPort }));
    const nginx = await start("nginx", "nginx", ["-p", dir, "-c", config], nginxPort);

    const haproxy = await startLeaseHaproxy({ connectionsPerLease: 10_000, connectionsPerAddress: 10_000 });
    undo.add("HAProxy", haproxy.stop, { withinMs: 20_000 });
    await haproxy.plane.changeRoutes([{ kind: "add", id: ID, target: `127.0.0.1 ${plainPort}` }]);
    haproxy.known.add(ID);

    const workers = { haproxy: haproxy.workers, nginx: () => childrenOf(nginx.pid) };
    return {
      ports: { haproxy: haproxy.port, nginx: nginxPort, redis: tlsPort },
      /** Kilobytes that its processes have to themselves, and their shares of what they have in common (PSS). */
      memoryKb: async (name: keyof typeof workers) => pssOf(await workers[name]()),
      /** Processor time that its processes have used so far. */
      processorMs: async (name: keyof typeof workers) =>
        (await Promise.all((await workers[name]()).map(processorMs))).reduce((sum, ms) => sum + ms, 0),
      stop: undo.undoAll,
    };
  } catch (cause) {
    await undo.undoAll().catch(() => undefined);
    throw cause;
  }
}

/**
 * Requests a second of so many clients that each wait for their answer.
 * @param connects whether each request comes on a new connection
 */
export async function requestsPerSecond(
  port: number,
  { clients, requests, connects }: { readonly clients: number; readonly requests: number; readonly connects: boolean },
): Promise<number> {
  const { stdout } = await execute(
    "redis-benchmark",
    [
      ...["-h", "127.0.0.1", "-p", String(port), "--tls", "--insecure", "-a", PASSWORD],
      ...["-t", "get", "-c", String(clients), "-n", String(requests), "-k", connects ? "0" : "1", "--csv"],
    ],
    { timeout: REQUESTS_MS },
  );
  const [, perSecond] = /"GET[^"]*","([\d.]+)"/.exec(stdout) ?? [];
  if (perSecond === undefined) throw new Error(`redis-benchmark says: ${stdout}`);
  return Number(perSecond);
}

/** A connection that is encrypted and logged in. @throws when it is not within some seconds */
export async function logIn(port: number): Promise<TLSSocket> {
  const inTime = { signal: AbortSignal.timeout(LOG_IN_MS) };
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  await once(socket, "secureConnect", inTime);
  socket.write(command("AUTH", PASSWORD));
  const [answer] = (await once(socket, "data", inTime)) as [Buffer];
  if (!answer.toString().startsWith("+OK")) throw new Error(`the log-in was answered with ${answer.toString()}`);
  socket.on("error", () => undefined);
  return socket;
}

async function probe(port: number, isEncrypted: boolean): Promise<void> {
  if (isEncrypted) {
    (await logIn(port)).destroy();
    return;
  }
  await execute("redis-cli", ["-p", String(port), "-a", PASSWORD, "--no-auth-warning", "ping"]);
}

async function pssOf(pids: readonly number[]): Promise<number> {
  let kb = 0;
  for (const pid of pids)
    kb += Number(/^Pss: +(\d+) kB/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0);
  return kb;
}

/** As many workers as processors, as HAProxy has threads. */
function nginxConfig(at: {
  readonly dir: string;
  readonly chain: string;
  readonly key: string;
  readonly port: number;
  readonly to: number;
}): string {
  return `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
user root;
worker_processes auto;
pid ${at.dir}/nginx.pid;
error_log ${at.dir}/nginx-errors.log;
events { worker_connections 8192; }
stream {
  server {
    listen 127.0.0.1:${at.port} ssl;
    ssl_certificate ${at.chain};
    ssl_certificate_key ${at.key};
    # As HAProxy: older releases of nginx do not speak the newer one unless they are told.
    ssl_protocols TLSv1.2 TLSv1.3;
    proxy_timeout 1h;
    proxy_pass 127.0.0.1:${at.to};
  }
}
`;
}
