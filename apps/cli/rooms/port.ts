import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import { readPort } from "../input/numbers.ts";
import type { Column } from "../output/table.ts";
import { stop } from "../stopped.ts";

type BalancedPort = Schemas["BalancedPort"];

const HOST = "name of the host";
const PORT = "port of the host";

/** `port`: ports of hosts that their kernels balance over containers of an image. */
export function addPortRoom(program: CommandUnknownOpts, { operator, show }: Context): void {
  const room = program
    .command("port")
    .alias("ports")
    .description("See ports that hosts balance over containers; map, stop and unmap them.");

  room
    .command("list")
    .description("List all balanced ports, and whether their hosts do what they should.")
    .action(async () => {
      const ports = await answered((await operator()).GET("/ops/api/ports"));
      show.rows(ports, columns, "No port is balanced.");
    });

  room
    .command("show")
    .description("Show who gets connections of a balanced port, and how many of a hundred.")
    .argument("<host>", HOST)
    .argument("<port>", PORT)
    .action(async (name, text) => {
      const port = readPort(text);
      const ports = await answered((await operator()).GET("/ops/api/ports"));
      const found = ports.find((each) => each.host === name && each.port === port);
      if (!found)
        throw stop(
          "notFound",
          "not-found",
          "Not found",
          `${name}:${port} is not balanced. getaredis port list shows all.`,
        );
      const total = found.members.reduce((sum, { buckets }) => sum + buckets, 0);
      show.rows(found.members, memberColumns(total), `Nobody is behind ${name}:${port}.`, found);
    });

  room
    .command("map")
    .description("Balance a port of a host over the containers there that are made from an image.")
    .argument("<host>", HOST)
    .argument("<port>", PORT)
    .argument("<image>", "image of the containers")
    .argument("[image-port]", "port that the containers listen on; the host's own if you name none")
    .action(async (name, port, image, imagePort) => {
      const api = await operator();
      const mapped = await answered(
        api.PUT("/ops/api/hosts/{name}/ports/{port}", {
          params: { path: placeOf(name, port) },
          body: { image, ...(imagePort !== undefined && { imagePort: readPort(imagePort) }) },
        }),
      );
      show.done(mapped, `${name}:${port} is balanced over ${image}:${mapped.imagePort}.`);
    });

  const change = async (name: string, port: string, body: Schemas["PortChange"], sentence: string) => {
    const api = await operator();
    const path = placeOf(name, port);
    const changed = await answered(api.PATCH("/ops/api/hosts/{name}/ports/{port}", { params: { path }, body }));
    show.done(changed, sentence);
  };
  room
    .command("add-child")
    .description("Have a balanced port of another host take a share, by the containers behind it.")
    .argument("<host>", HOST)
    .argument("<port>", PORT)
    .argument("<child-host>", "name of the other host")
    .argument("<child-port>", "its balanced port")
    .action((name, port, host, childPort) =>
      change(name, port, { addChild: { host, port: readPort(childPort) } }, `${host}:${childPort} takes its share.`),
    );
  room
    .command("remove-child")
    .description("Have a balanced port of another host take no share any more.")
    .argument("<host>", HOST)
    .argument("<port>", PORT)
    .argument("<child-host>", "name of the other host")
    .argument("<child-port>", "its balanced port")
    .action((name, port, host, childPort) =>
      change(name, port, { removeChild: { host, port: readPort(childPort) } }, `${host}:${childPort} takes no share.`),
    );
  room
    .command("stop")
    .description("Refuse new connections to a balanced port; open ones go on.")
    .argument("<host>", HOST)
    .argument("<port>", PORT)
    .action((name, port) => change(name, port, { state: "stopped" }, `${name}:${port} takes no new connections.`));
  room
    .command("start")
    .description("Balance a stopped port again.")
    .argument("<host>", HOST)
    .argument("<port>", PORT)
    .action((name, port) => change(name, port, { state: "on" }, `${name}:${port} is balanced.`));

  room
    .command("unmap")
    .description("Balance a port no more: new connections are refused, and open ones are reset.")
    .argument("<host>", HOST)
    .argument("<port>", PORT)
    .action(async (name, port) => {
      const api = await operator();
      await answered(api.DELETE("/ops/api/hosts/{name}/ports/{port}", { params: { path: placeOf(name, port) } }));
      show.done({ host: name, port: readPort(port), mapped: false }, `${name}:${port} is not balanced any more.`);
    });
}

function placeOf(name: string, port: string) {
  return { name, port: String(readPort(port)) };
}

const columns: readonly Column<BalancedPort>[] = [
  { title: "HOST", of: ({ host }) => host },
  { title: "PORT", of: ({ port }) => String(port) },
  { title: "IMAGE", of: ({ image, imagePort }) => (image === null ? "-" : `${image} port ${imagePort}`), isCut: true },
  {
    title: "CHILDREN",
    of: ({ children }) => children.map(({ host, port }) => `${host}:${port}`).join(" ") || "-",
    isCut: true,
  },
  { title: "MEMBERS", of: ({ members }) => String(members.length) },
  { title: "STATE", of: ({ state }) => state, tone: ({ state }) => (state === "on" ? "good" : "watch") },
  {
    title: "IN FORCE",
    of: ({ inForce, fault }) =>
      fault === null ? { true: "yes", false: "not yet", null: "unknown" }[`${inForce}`] : `refused: ${fault}`,
    tone: ({ inForce, fault }) => (fault !== null ? "bad" : inForce === true ? "good" : "watch"),
    isCut: true,
  },
];

function memberColumns(total: number): readonly Column<BalancedPort["members"][number]>[] {
  return [
    { title: "MEMBER", of: ({ address, port }) => `${address}:${port}` },
    { title: "KIND", of: ({ kind }) => (kind === "direct" ? "container" : "child") },
    {
      title: "SHARE",
      of: ({ buckets }) => (buckets === 0 ? "none" : `${((100 * buckets) / total).toFixed(1)} %`),
      tone: ({ buckets }) => (buckets === 0 ? "watch" : "good"),
    },
  ];
}
