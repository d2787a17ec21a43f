import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { mapPorts, renderPortMap } from "../../../apps/core/ports/port-map.ts";
import { projectPath } from "../../../infra/process/project-path.ts";
import { openSpaces, type SpaceClient, type Spaces } from "../../bed/spaces.ts";

const PORT_MAP = projectPath("infra/host/port-map.sh");
/** An address that both gateways have, and packets get to by a route to either. */
const ADDRESS = "10.88.0.100";
const GATEWAYS = { one: 1, two: 2 } as const;
const MEMBERS = ["alpha", "beta", "gamma"] as const;
const SIZE = 251;

/** Two machines with the same ports, each in a namespace of its own: clients before them, members behind them. */
describe("two machines that balance the same port", () => {
  let spaces: Spaces;
  let client: SpaceClient;
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "port-map-gateways-"));
    spaces = await openSpaces("switch", "client", ...Object.keys(GATEWAYS), ...MEMBERS);
    await spaces.join("outside", "eth0", { client: "10.88.1.9/24", one: "10.88.1.1/24", two: "10.88.1.2/24" });
    await spaces.join("inside", "eth1", {
      ...{ one: "10.88.2.1/24", two: "10.88.2.2/24" },
      ...Object.fromEntries(MEMBERS.map((name, index) => [name, `${addressOf(index)}/24`])),
    });
    for (const name of Object.keys(GATEWAYS)) await spaces.run(name, "ip", "address", "add", ADDRESS, "dev", "lo");
    await routeBy("one");
    for (const name of MEMBERS) await spaces.serve(name, 80);
    client = spaces.client("client", ADDRESS, 8080);
    const containers = MEMBERS.map((name, index) => {
      return { id: name, name, image: "web", address: addressOf(index), isPaused: false, isInstance: false };
    });
    const map = mapPorts(
      "here",
      [{ host: "here", port: 8080, image: "web", imagePort: 80, state: "on", children: [] }],
      new Map([["here", { address: null, containers }]]),
      SIZE,
    );
    await writeFile(join(dir, "document"), renderPortMap(map ?? []).text);
    for (const name of Object.keys(GATEWAYS)) await portMap(name, "load", join(dir, "document"));
  });
  after(async () => {
    await spaces.close();
    await rm(dir, { recursive: true, force: true });
  });

  const addressOf = (index: number) => `10.88.2.${index + 11}`;
  const portMap = (name: string, ...args: string[]) =>
    spaces.run(name, "env", `PORT_MAP_DIR=${dir}/${name}`, "bash", PORT_MAP, ...args);
  /** Packets pass one of them from now on, in both directions. */
  const routeBy = async (name: keyof typeof GATEWAYS) => {
    await spaces.run("client", "ip", "route", "replace", ADDRESS, "via", `10.88.1.${GATEWAYS[name]}`);
    for (const member of MEMBERS)
      await spaces.run(member, "ip", "route", "replace", "10.88.1.0/24", "via", `10.88.2.${GATEWAYS[name]}`);
  };

  it("send connections to all members, and each member sees the client", async () => {
    assert.deepEqual([...new Set(await client.keep(60))].sort(), [...MEMBERS]);
    const seen = await spaces.run("alpha", "ss", "--no-header", "--numeric", "--tcp", "state", "established");
    assert.match(seen, /10\.88\.1\.9:/);
  });

  it("go on with each other's open connections, though neither has told the other of any", async () => {
    await spaces.run("one", "ip", "link", "set", "eth0", "down");
    await routeBy("two");
    const answers = await client.ask();
    assert.equal(answers.length, 60);
    for (const [before, now] of answers) assert.equal(now, before);
  });
});
