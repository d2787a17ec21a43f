import { parseArgs } from "node:util";

/** What `npm run bench` is told to do, or the text to print in place of it. */
export type BenchOrder =
  | {
      readonly kind: "run";
      /** Names in the order in which they run. */
      readonly names: readonly string[];
      /** File for the figures; "-" is standard output, where the tables are left out then. */
      readonly json: string | undefined;
    }
  | { readonly kind: "list" }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "fault"; readonly text: string };

/** Reads the arguments of `npm run bench -- …`, given the names of all measurements. */
export function readBenchOrder(args: readonly string[], known: readonly string[]): BenchOrder {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        only: { type: "string", multiple: true },
        json: { type: "string" },
        list: { type: "boolean" },
        help: { type: "boolean" },
      },
    }));
  } catch (error) {
    return { kind: "fault", text: `${(error as Error).message}\n\n${help}` };
  }
  if (values.help) return { kind: "help", text: help };
  if (values.list) return { kind: "list" };
  const only = values.only ?? [];
  const unknown = only.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    const which = unknown.map((name) => `"${name}"`).join(", ");
    return { kind: "fault", text: `There is no measurement ${which}. These are there: ${known.join(", ")}` };
  }
  return {
    kind: "run",
    names: only.length === 0 ? known : known.filter((name) => only.includes(name)),
    json: values.json,
  };
}

const help = `npm run bench -- [options]

Measures the service beside yardsticks in the same run, and says how far its figures are from their goals.
Needs root, and a machine that does nothing else meanwhile.

  --only NAME   this measurement alone; may be repeated
  --list        which there are, and what they measure
  --json FILE   the figures for machines to read; "-" writes them to standard output, and no tables
`;
