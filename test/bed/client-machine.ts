import { execFile } from "node:child_process";
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
  run: (url: string, command: string, ...args: string[]) => Promise<string>;
  /** Addresses that names lead to from now on, in this order. */
  lead: (addresses: readonly string[]) => void;
  stop: () => void;
}

/**
 * Starts one in this network: a server that answers for the domain, and programs that ask it and no other. Needs root,
 * and nobody else at port 53.
 */
export async function startClientMachine(
  folder: string,
  { domain, addresses, caFile }: { domain: string; addresses: readonly string[]; caFile: string },
): Promise<ClientMachine> {
  let told = addresses;
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
  server.bind(53, "127.0.0.1");
  await once(server, "listening");
  const resolver = join(folder, "resolv.conf");
  await writeFile(resolver, "nameserver 127.0.0.1\noptions timeout:1 attempts:5\n");
  return {
    lead: (next) => (told = next),
    run: async (url, command, ...args) => {
      const env = {
        PATH: `${join(process.execPath, "..")}:${process.env["PATH"] ?? ""}`,
        HOME: folder,
        REDIS_URL: url,
        SSL_CERT_FILE: caFile,
        NODE_EXTRA_CA_CERTS: caFile,
        // Debian has modules' sources in a GOPATH.
        GO111MODULE: "off",
        GOPATH: "/usr/share/gocode",
        GOCACHE: join(folder, "go-cache"),
      };
      const alone = ["--mount", "sh", "-c", `mount --bind ${resolver} /etc/resolv.conf && exec "$@"`, "client"];
      const { stdout } = await run("unshare", [...alone, command, ...args], { env, cwd: projectPath(".") });
      return stdout.trim();
    },
    stop: () => void server.close(),
  };
}
