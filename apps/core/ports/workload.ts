import { createHash } from "node:crypto";
import { isImageName } from "./port.ts";

/** What the containers of a workload should do; those of a removed one go, and the workload after them. */
export type WorkloadState = "running" | "paused" | "stopped" | "removed";

/** Containers of an image that are run on a host for its operator. */
export type WorkloadSpec = {
  readonly host: string;
  readonly name: string;
  readonly image: string;
  /** Words of the command; null for what the image says. */
  readonly command: readonly string[] | null;
  readonly memoryMb: number;
  /** Thousandths of a core, of each container. */
  readonly millicpus: number;
  /** How many containers. */
  readonly copies: number;
  readonly state: WorkloadState;
};

/** A workload as it is kept: each change counts up, and what was carried out is noted after it was. */
export type Workload = WorkloadSpec & {
  readonly generation: number;
  /** The newest generation that was tried, when, and what was wrong with it; null while none was. */
  readonly done: { readonly generation: number; readonly at: Date; readonly fault: string | null } | null;
};

/** Whether the last change of a workload was carried out, and why it could not be. */
export function workloadStanding({ generation, done }: Pick<Workload, "generation" | "done">): {
  readonly isDone: boolean;
  readonly fault: string | null;
} {
  const tried = done?.generation === generation ? done : undefined;
  return { isDone: tried?.fault === null, fault: tried?.fault ?? null };
}

/** A container of a workload as its engine shows it. */
export type WorkloadContainer = {
  readonly id: string;
  readonly name: string;
  readonly workload: string;
  /** By which it was made, see {@link recipeOf}. */
  readonly recipe: string;
  readonly state: "running" | "paused" | "stopped";
};

/** One step towards what a workload should be. */
export type WorkloadStep = {
  readonly kind: "remove" | "create" | "start" | "stop" | "pause" | "unpause";
  /** Its name; of one that is removed its id, since by its name it may be another by then. */
  readonly container: string;
};

/** What one workload may take; more than one host has. */
const LONGEST_COMMAND = 64;
const LONGEST_WORD = 4096;
export const workloadBounds = {
  memoryMb: { least: 6, most: 1_048_576 },
  millicpus: { least: 10, most: 256_000 },
  copies: { least: 1, most: 200 },
} as const;

/** Why a workload cannot be, as a sentence; undefined when it can. */
export function whyNoWorkload(spec: WorkloadSpec): string | undefined {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(spec.name))
    return "A workload's name has up to 32 small letters, digits and dashes, and no dash at an end.";
  if (!isImageName(spec.image)) return `"${spec.image}" is no name of an image.`;
  for (const [field, { least, most }] of Object.entries(workloadBounds)) {
    const value = spec[field as keyof typeof workloadBounds];
    if (!Number.isInteger(value) || value < least || value > most)
      return `${field} is ${value}: it must be a whole number, ${least} to ${most}.`;
  }
  const { command } = spec;
  if (command === null) return undefined;
  if (command.length === 0 || command.length > LONGEST_COMMAND || command.some((word) => word.length > LONGEST_WORD))
    return `A command has 1 to ${LONGEST_COMMAND} words of up to ${LONGEST_WORD} characters.`;
  if (command.some((word) => word.includes("\0"))) return "A command cannot hold a NUL character.";
  return undefined;
}

/** Name of a workload's container: the same each time, so that creating one can be repeated. */
export function workloadContainerName(workload: string, copy: number): string {
  return `workload-${workload}-${copy}`;
}

/** What a container has to be made anew for when it changes. */
export function recipeOf({ image, command, memoryMb, millicpus }: WorkloadSpec): string {
  return createHash("sha256")
    .update(JSON.stringify([image, command, memoryMb, millicpus]))
    .digest("hex")
    .slice(0, 16);
}

/**
 * The steps from the containers that there are to those that there should be, in the order in which they are taken. None
 * when all is as it should be: whoever repeats it does no harm.
 */
export function stepsTo(workload: WorkloadSpec, containers: readonly WorkloadContainer[]): WorkloadStep[] {
  const ours = new Map(containers.filter((each) => each.workload === workload.name).map((each) => [each.name, each]));
  const wanted =
    workload.state === "removed"
      ? []
      : Array.from({ length: workload.copies }, (_, index) => workloadContainerName(workload.name, index + 1));
  const recipe = recipeOf(workload);
  const surplus = [...ours.values()].filter(({ name }) => !wanted.includes(name)).map(({ id }) => id);
  return [
    ...surplus.sort().map((container) => ({ kind: "remove", container }) as const),
    ...wanted.flatMap((container) => stepsForOne(workload, container, ours.get(container), recipe)),
  ];
}

function stepsForOne(
  { state }: WorkloadSpec,
  container: string,
  there: WorkloadContainer | undefined,
  recipe: string,
): WorkloadStep[] {
  const steps: Exclude<WorkloadStep["kind"], "remove">[] = [];
  const isKept = there?.recipe === recipe;
  const removals: WorkloadStep[] = there && !isKept ? [{ kind: "remove", container: there.id }] : [];
  if (!isKept) steps.push("create");
  const is = isKept ? there.state : "stopped";
  if (state === "running" && is === "stopped") steps.push("start");
  if (state === "running" && is === "paused") steps.push("unpause");
  if (state === "paused" && is === "running") steps.push("pause");
  if (state === "paused" && is === "stopped") steps.push("start", "pause");
  // A paused one takes no signal.
  if (state === "stopped" && is === "paused") steps.push("unpause", "stop");
  if (state === "stopped" && is === "running") steps.push("stop");
  return [...removals, ...steps.map((kind) => ({ kind, container }))];
}
