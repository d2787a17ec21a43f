import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Serves in a namespace: tells its name to whoever connects, and again whenever it is asked. */
const SERVER = `
  const [port, name] = process.argv.slice(1);
  require("node:net").createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write(name);
    socket.on("data", () => socket.write(name));
  }).listen(Number(port), "0.0.0.0", () => console.log("listens"));
`;

/** Connects at the word of its standard input, and tells in a line what came of it. */
const CLIENT = `
  const [port, address] = process.argv.slice(1);
  const kept = [];
  const within = (work) => {
    let timer;
    return Promise.race([work, new Promise((resolve) => (timer = setTimeout(resolve, 3000, "silence")))])
      .finally(() => clearTimeout(timer));
  };
  const answerOf = (socket) => new Promise((resolve) => {
    socket.once("error", (fault) => resolve(fault.code));
    socket.once("close", () => resolve("closed"));
    socket.once("data", (data) => resolve(String(data)));
  });
  const one = async () => {
    const socket = require("node:net").connect(Number(port), address);
    socket.on("error", () => undefined);
    const name = await within(answerOf(socket));
    return { name, socket };
  };
  const ask = async (socket) => {
    if (socket.destroyed) return "closed";
    const answer = answerOf(socket);
    socket.write("?");
    return within(answer);
  };
  require("node:readline").createInterface({ input: process.stdin }).on("line", async (line) => {
    const [word, number] = line.split(" ");
    const answers = [];
    if (word === "ask") answers.push(...await Promise.all(kept.map(async ({ name, socket }) => [name, await ask(socket)])));
    for (let each = 0; each < Number(number ?? 0); each++) {
      const { name, socket } = await one();
      answers.push(name);
      if (word === "keep") kept.push({ name, socket });
      else socket.destroy();
    }
    console.log(JSON.stringify(answers));
  });
`;

/** Somebody who connects to one address from a namespace. */
export type SpaceClient = {
  /** Connects so many times, and closes: who answered, or what went wrong. */
  readonly connect: (times: number) => Promise<string[]>;
  /** The same, and keeps the connections. */
  readonly keep: (times: number) => Promise<string[]>;
  /** Asks on each kept connection: who answered when it began, and who does now. */
  readonly ask: () => Promise<[string, string][]>;
};

/** Network namespaces for a test. */
export type Spaces = Awaited<ReturnType<typeof openSpaces>>;

/**
 * Network namespaces by name, each with `lo` up; they end with the processes that hold them, and these with the test's. The
 * caller closes them.
 */
export async function openSpaces(...names: string[]) {
  const processes: ChildProcess[] = [];
  const holders = new Map<string, number>();
  const inside = (space: string) => ["--target", String(holders.get(space)), "--net", "--"];

  for (const name of names) {
    const holder = spawn("unshare", ["--net", "sh", "-c", "echo here; cat"], { stdio: ["pipe", "pipe", "inherit"] });
    processes.push(holder);
    await once(holder.stdout, "data");
    assert.ok(holder.pid);
    holders.set(name, holder.pid);
    await run(name, "ip", "link", "set", "lo", "up");
  }

  /** Runs a command in a namespace and returns what it printed; rejects when it fails, with what it complained of. */
  function run(space: string, command: string, ...args: string[]): Promise<string> {
    return runWith(space, command, args, "");
  }

  async function runWith(space: string, command: string, args: readonly string[], input: string): Promise<string> {
    const child = spawn("nsenter", [...inside(space), command, ...args], { stdio: ["pipe", "pipe", "pipe"] });
    let [said, complaint] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
    // One that has failed reads no more.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${complaint.trim()}`);
    return said;
  }

  /** A bridge in the first namespace, and on it `eth<number>` of others with an address each. */
  async function join(bridge: string, device: string, addresses: Readonly<Record<string, string>>): Promise<void> {
    const [first = ""] = names;
    await run(first, "ip", "link", "add", bridge, "type", "bridge");
    await run(first, "ip", "link", "set", bridge, "up");
    for (const [space, address] of Object.entries(addresses)) {
      const port = `${bridge}-${space}`;
      await run(
        first,
        "ip",
        "link",
        "add",
        port,
        "type",
        "veth",
        "peer",
        "name",
        device,
        "netns",
        String(holders.get(space)),
      );
      await run(first, "ip", "link", "set", port, "master", bridge, "up");
      await run(space, "ip", "address", "add", address, "dev", device);
      await run(space, "ip", "link", "set", device, "up");
    }
  }

  function started(space: string, script: string, ...args: string[]): ChildProcess {
    const command = [...inside(space), process.execPath, "-e", script, ...args];
    const child = spawn("nsenter", command, { stdio: ["pipe", "pipe", "inherit"] });
    processes.push(child);
    return child;
  }

  /** Has somebody serve in a namespace, who tells the namespace's name. */
  async function serve(space: string, port: number): Promise<void> {
    const { stdout } = started(space, SERVER, String(port), space);
    assert.ok(stdout);
    await once(stdout, "data");
  }

  function client(space: string, address: string, port: number): SpaceClient {
    const { stdin, stdout } = started(space, CLIENT, String(port), address);
    assert.ok(stdin && stdout);
    const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    const told = async (word: string): Promise<unknown> => {
      stdin.write(`${word}\n`);
      const { value } = (await lines.next()) as { value: string };
      return JSON.parse(value);
    };
    return {
      connect: async (times) => (await told(`new ${times}`)) as string[],
      keep: async (times) => (await told(`keep ${times}`)) as string[],
      ask: async () => (await told("ask")) as [string, string][],
    };
  }

  async function close(): Promise<void> {
    for (const child of processes.toReversed()) {
      child.stdin?.destroy();
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
  }

  return { run, runWith, join, serve, client, close };
}
