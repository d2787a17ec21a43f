import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { decode, encode } from "dns-packet";
import { projectPath } from "../../infra/process/project-path.ts";

const run = promisify(execFile);

/** A machine as clients have it: names lead to gateways, and their certificate's authority is trusted. */
export interface ClientMachine {
  /** Runs a program there, with a URL in its environment, and returns what it printed. */
  run: (url: string, ...command: string[]) => Promise<string>;
  /** The same for one that lasts: what it has printed so far. It ends with the machine at the latest. */
  start: (url: string, ...command: string[]) => { said: () => string };
  /** Addresses that names lead to from now on, in this order. */
  lead: (addresses: readonly string[]) => void;
  stop: () => void;
}

/** What one is started with. */
export interface ClientMachineOptions {
  domain: string;
  addresses: readonly string[];
  caFile: string;
  /** Address of its name server, where nobody else is at port 53; 127.0.0.1 if you name none. */
  nameServer?: string;
}

/** Starts one in this network: a server that answers for the domain, and programs that ask it and no other. Needs root. */
export async function startClientMachine(
  folder: string,
  { domain, addresses, caFile, nameServer = "127.0.0.1" }: ClientMachineOptions,
): Promise<ClientMachine> {
  let told = addresses;
  const started = new Set<ChildProcess>();
  const server = createSocket("udp4");
  server.on("message", (message, { address, port }) => {
    const query = decode(message);
    const [question] = query.questions ?? [];
    const isOurs = question?.type === "A" && question.name.toLowerCase().endsWith(`.${domain}`);
    const answers = isOurs ? told.map((data) => ({ type: "A" as const, name: question.name, ttl: 1, data })) : [];
    server.send(
      encode({ type: "response", id: query.id ?? 0, questions: query.questions ?? [], answers }),
      port,
      address,
    );
  });
  server.bind(53, nameServer);
  await once(server, "listening");
  const resolver = join(folder, "resolv.conf");
  await writeFile(resolver, `nameserver ${nameServer}\noptions timeout:1 attempts:5\n`);
  const commandLine = (url: string, words: readonly string[]) => {
    const env = {
      PATH: `${join(process.execPath, "..")}:${process.env["PATH"] ?? ""}`,
      HOME: folder,
      REDIS_URL: url,
      SSL_CERT_FILE: caFile,
      NODE_EXTRA_CA_CERTS: caFile,
      // Debian has modules' sources in a GOPATH.
      GO111MODULE: "off",
      GOPATH: "/usr/share/gocode",
      GOCACHE: projectPath(".getaredis/go-cache"),
    };
    const alone = ["--mount", "sh", "-c", `mount --bind ${resolver} /etc/resolv.conf && exec "$@"`, "client"];
    return { args: [...alone, ...words], options: { env, cwd: projectPath(".") } };
  };
  return {
    lead: (next) => (told = next),
    run: async (url, ...words) => {
      const { args, options } = commandLine(url, words);
      return (await run("unshare", args, options)).stdout.trim();
    },
    start: (url, ...words) => {
      const { args, options } = commandLine(url, words);
      const child = spawn("setpriv", ["--pdeathsig", "KILL", "unshare", ...args], {
        ...options,
        stdio: ["ignore", "pipe", "inherit"],
      });
      started.add(child);
      let said = "";
      child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
      return { said: () => said };
    },
    stop: () => {
      server.close();
      for (const child of started) child.kill("SIGKILL");
    },
  };
}
