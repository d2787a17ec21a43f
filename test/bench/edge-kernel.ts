import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mapPorts, renderPortMap } from "../../apps/core/ports/port-map.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { openSpaces, type Spaces } from "../bed/spaces.ts";
import type { Bench, Outcome } from "./bench.ts";

const PORT_MAP = projectPath("infra/host/port-map.sh");
/** An address that both gateways have, and packets get to by a route to either. */
const ADDRESS = "10.88.0.100";
const PORT = 8080;
const GATEWAYS = { one: 1, two: 2 } as const;
const MEMBERS = ["alpha", "beta", "gamma"] as const;
const SIZE = 65_537;
const OTHER_SIZE = 13;
const ROUNDS = 5;
const SEND_MS = 2_000;
const CONNECTIONS = 200;
const SINK_PORT = 5_000;
/** Whoever sends or takes bytes for longer has failed. */
const LONGEST_SECONDS = 20;

/** Takes one connection, and tells how many bytes a second it has brought. */
const SINK = `
  const server = require("node:net").createServer((socket) => {
    let [bytes, begun] = [0, 0];
    socket.on("data", (data) => {
      if (bytes === 0) begun = performance.now();
      bytes += data.length;
    });
    socket.on("close", () => { console.log(bytes / (performance.now() - begun) * 1000); process.exit(0); });
  });
  server.listen(Number(process.argv[1]), "0.0.0.0");
`;
/** Sends as much as it can for some time, once somebody listens. */
const SOURCE = `
  const [address, port, ms] = process.argv.slice(1);
  const piece = Buffer.alloc(1 << 18);
  const begin = () => {
    const socket = require("node:net").connect(Number(port), address);
    socket.on("error", () => setTimeout(begin, 20));
    socket.on("connect", () => {
      const end = performance.now() + Number(ms);
      const more = () => {
        while (performance.now() < end) if (!socket.write(piece)) return;
        socket.end();
      };
      socket.on("drain", more);
      more();
    });
  };
  begin();
`;

/** What balancing a port in the kernel costs, and what is left of its connections when the machine that does it dies. */
export const edgeKernel: Bench = {
  name: "edge-kernel",
  measures:
    `bytes a second through a port that the kernel balances, and how many of ${CONNECTIONS} connections go on when ` +
    `their gateway dies and packets pass another one`,
  yardstick: "the same bytes routed by a machine without such ports; another gateway whose table has another size",
  goal: "ratio >= 0.95, and all go on",
  run,
};

async function run(): Promise<Outcome> {
  const dir = await mkdtemp(join(tmpdir(), "getaredis-edge-kernel-"));
  const spaces = await openSpaces("switch", "client", ...Object.keys(GATEWAYS), ...MEMBERS);
  try {
    await connectAll(spaces);
    const load = async (gateway: string, size: number, members: readonly string[] = MEMBERS) => {
      await writeFile(join(dir, "document"), documentOf(size, members));
      await portMap(spaces, dir, gateway, "load", join(dir, "document"));
    };
    // The other one routes alone, so far.
    await load("one", SIZE, MEMBERS.slice(0, 1));
    await spaces.run("two", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward");
    const balanced: number[][] = [];
    const routed: number[][] = [];
    const pass = {
      balanced: async () => {
        await routeBy(spaces, "one");
        return bytesPerSecond(spaces, ADDRESS, PORT, 80);
      },
      routed: async () => {
        await routeBy(spaces, "two");
        return bytesPerSecond(spaces, addressOf(0), SINK_PORT, SINK_PORT);
      },
    };
    // The first round warms up. The other one begins in each: what the machine does besides meets both.
    for (let round = -1; round < ROUNDS; round++) {
      const names = round % 2 === 0 ? (["routed", "balanced"] as const) : (["balanced", "routed"] as const);
      for (const name of names) {
        const found = await pass[name]();
        if (round >= 0) (name === "routed" ? routed : balanced).push([found]);
      }
    }
    for (const member of MEMBERS) await spaces.serve(member, 80);
    await load("one", SIZE);
    const goOn = async (size: number) => {
      await load("two", size);
      await routeBy(spaces, "one");
      const client = spaces.client("client", ADDRESS, PORT);
      await client.keep(CONNECTIONS);
      await spaces.run("one", "ip", "link", "set", "eth0", "down");
      await routeBy(spaces, "two");
      const answers = await client.ask();
      await spaces.run("one", "ip", "link", "set", "eth0", "up");
      const began = answers.filter(([before]) => (MEMBERS as readonly string[]).includes(before));
      if (began.length < CONNECTIONS) throw new Error(`${began.length} of ${CONNECTIONS} connections have begun`);
      return (100 * began.filter(([before, now]) => before === now).length) / began.length;
    };
    const others = await goOn(OTHER_SIZE);
    const same = await goOn(SIZE);
    return {
      figures: [
        {
          what: "through a balanced port / routed",
          unit: "MB a second",
          share: 0.5,
          rounds: balanced,
          yardstick: routed,
          goal: { of: "ratio", atLeast: 0.95 },
        },
        {
          what: "connections that go on / with another table",
          unit: "%",
          share: 0.5,
          rounds: [[same]],
          yardstick: [[others]],
          goal: { of: "value", atLeast: 100 },
        },
      ],
    };
  } finally {
    await spaces.close();
    await rm(dir, { recursive: true, force: true });
  }
}

async function connectAll(spaces: Spaces): Promise<void> {
  await spaces.join("outside", "eth0", { client: "10.88.1.9/24", one: "10.88.1.1/24", two: "10.88.1.2/24" });
  await spaces.join("inside", "eth1", {
    ...{ one: "10.88.2.1/24", two: "10.88.2.2/24" },
    ...Object.fromEntries(MEMBERS.map((name, index) => [name, `${addressOf(index)}/24`])),
  });
  for (const name of Object.keys(GATEWAYS)) await spaces.run(name, "ip", "address", "add", ADDRESS, "dev", "lo");
}

/** Packets pass one of them from now on, in both directions. */
async function routeBy(spaces: Spaces, name: keyof typeof GATEWAYS): Promise<void> {
  for (const to of [ADDRESS, "10.88.2.0/24"])
    await spaces.run("client", "ip", "route", "replace", to, "via", `10.88.1.${GATEWAYS[name]}`);
  for (const member of MEMBERS)
    await spaces.run(member, "ip", "route", "replace", "10.88.1.0/24", "via", `10.88.2.${GATEWAYS[name]}`);
}

function addressOf(index: number): string {
  return `10.88.2.${index + 11}`;
}

function documentOf(size: number, members: readonly string[]): string {
  const containers = members.map((name, index) => {
    return { id: name, name, image: "web", address: addressOf(index), isPaused: false, isInstance: false };
  });
  const port = { host: "here", port: PORT, image: "web", imagePort: 80, state: "on" as const, children: [] };
  return renderPortMap(mapPorts("here", [port], new Map([["here", { address: null, containers }]]), size) ?? []).text;
}

function portMap(spaces: Spaces, dir: string, name: string, ...args: string[]): Promise<string> {
  return spaces.run(name, "env", `PORT_MAP_DIR=${dir}/${name}`, "bash", PORT_MAP, ...args);
}

/** Millions of bytes a second that get from the client to the first member. */
async function bytesPerSecond(spaces: Spaces, address: string, port: number, memberPort: number): Promise<number> {
  const run = (space: string, ...script: string[]) =>
    spaces.run(space, "timeout", String(LONGEST_SECONDS), process.execPath, "-e", ...script);
  const [perSecond] = await Promise.all([
    run(MEMBERS[0], SINK, String(memberPort)),
    run("client", SOURCE, address, String(port), String(SEND_MS)),
  ]);
  return Number(perSecond) / 1_000_000;
}
