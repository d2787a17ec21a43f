import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import { readWhole } from "../input/numbers.ts";
import type { Column, Tone } from "../output/table.ts";
import { fromNow } from "../output/words.ts";
import { usage } from "../stopped.ts";

type Workload = Schemas["Workload"];

const HOST = "name of the host";
const NAME = "name of the workload";

/** `workload`: containers of an image that hosts run for operators. */
export function addWorkloadRoom(program: CommandUnknownOpts, { operator, show, world }: Context): void {
  const room = program
    .command("workload")
    .alias("container")
    .description("See the containers that hosts run for operators; run, pause, start, stop and remove them.");

  room
    .command("list")
    .description("List all workloads, and whether what is wanted of them is done.")
    .action(async () => {
      const workloads = await answered((await operator()).GET("/ops/api/workloads"));
      show.rows(workloads, columns(world.clock()), "There is no workload.");
    });

  room
    .command("run")
    .description("Run containers of an image on a host. What differs from the same workload before is made anew.")
    .argument("<host>", HOST)
    .argument("<name>", NAME)
    .argument("<image>", "image of the containers")
    .argument("[command...]", "words of the command, after --; what the image says if you name none")
    .requiredOption("--memory <mb>", "memory of each container, in MB", (text) =>
      readWhole(text, "--memory", 1, 1_000_000),
    )
    .requiredOption("--cpus <cores>", "cores of each container, such as 0.5", readCores)
    .option("--count <copies>", "how many containers", (text) => readWhole(text, "--count", 0, 1000), 1)
    .action(async (host, name, image, command, { memory, cpus, count }) => {
      const api = await operator();
      const body = {
        image,
        memoryMb: memory,
        cpus,
        copies: count,
        ...(command.length > 0 && { command }),
      };
      const path = { name: host, workload: name };
      const run = await answered(api.PUT("/ops/api/hosts/{name}/workloads/{workload}", { params: { path }, body }));
      show.done(
        run,
        `${host} is to run ${count} of ${image} as ${name}; getaredis workload list tells whether it does.`,
      );
    });

  const change = async (host: string, name: string, body: Schemas["WorkloadChange"], sentence: string) => {
    const api = await operator();
    const path = { name: host, workload: name };
    const changed = await answered(api.PATCH("/ops/api/hosts/{name}/workloads/{workload}", { params: { path }, body }));
    show.done(changed, sentence);
  };
  room
    .command("scale")
    .description("Change how many containers of a workload there are.")
    .argument("<host>", HOST)
    .argument("<name>", NAME)
    .argument("<copies>", "how many containers")
    .action((host, name, text) => {
      const copies = readWhole(text, "The number of copies", 0, 1000);
      return change(host, name, { copies }, `${host} is to run ${copies} of ${name}.`);
    });
  for (const [act, state, description] of [
    ["pause", "paused", "Pause containers: they get no new connections, and keep those they have."],
    ["start", "running", "Start containers that are paused or stopped."],
    ["stop", "stopped", "Stop containers, and keep their workload."],
  ] as const)
    room
      .command(act)
      .description(description)
      .argument("<host>", HOST)
      .argument("<name>", NAME)
      .action((host, name) => change(host, name, { state }, `${name} on ${host} is to be ${state}.`));

  room
    .command("remove")
    .description("End and remove containers, and forget their workload.")
    .argument("<host>", HOST)
    .argument("<name>", NAME)
    .action(async (host, name) => {
      const api = await operator();
      const path = { name: host, workload: name };
      await answered(api.DELETE("/ops/api/hosts/{name}/workloads/{workload}", { params: { path } }));
      show.done({ host, name, removing: true }, `${name} on ${host} is removed.`);
    });
}

function readCores(text: string): number {
  if (/^\d{1,4}(\.\d{1,3})?$/.test(text) && Number(text) > 0) return Number(text);
  throw usage("--cpus must be a number above 0, such as 0.5.");
}

function columns(now: Date): readonly Column<Workload>[] {
  return [
    { title: "HOST", of: ({ host }) => host },
    { title: "NAME", of: ({ name }) => name },
    { title: "IMAGE", of: ({ image }) => image, isCut: true },
    { title: "COPIES", of: ({ copies }) => String(copies) },
    { title: "EACH", of: ({ memoryMb, cpus }) => `${memoryMb} MB, ${cpus} cores` },
    { title: "STATE", of: ({ state }) => state, tone: ({ state }) => tones[state] },
    {
      title: "DONE",
      of: ({ isDone, doneAt, fault }) => fault ?? (isDone ? fromNow(doneAt, now) : "not yet"),
      tone: ({ isDone, fault }) => (fault !== null ? "bad" : isDone ? "none" : "watch"),
      isCut: true,
    },
  ];
}

const tones: Readonly<Record<Workload["state"], Tone>> = {
  running: "good",
  paused: "watch",
  stopped: "watch",
  removed: "faint",
};
