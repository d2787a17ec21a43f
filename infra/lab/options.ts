import { parseArgs } from "node:util";
import { faultKinds, type FaultKind } from "./digitalocean/faults.ts";

/** Options of `npm run lab`. */
export interface LabOptions {
  /** Slots of each host. */
  slots: number;
  cap: number;
  standbys: number;
  arrivals: number;
  /** Seconds between two arrivals. */
  every: number;
  /** Lifetime of each instance in seconds. */
  lease: number;
  /** Seconds between two runs of the scaling. */
  tick: number;
  port: number;
  /** Gateways that the fleet keeps before it; of two or more, one loses its power. */
  gateways: number;
  /** Faults of the cloud. */
  faults: { kind: FaultKind; times?: number }[];
  /** Whether to end when the life is over. */
  once: boolean;
}

/** Options, or the text to print instead of doing anything. */
export type LabOrder =
  | { readonly kind: "run"; readonly options: LabOptions }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "fault"; readonly text: string };

const numbers = {
  slots: { usual: 4, least: 1, most: 100, meaning: "slots of each host" },
  cap: { usual: 4, least: 1, most: 50, meaning: "most droplets at any time" },
  standbys: { usual: 1, least: 0, most: 10, meaning: "empty hosts kept ready" },
  arrivals: { usual: 10, least: 0, most: 10_000, meaning: "instances that are asked for, one after the other" },
  every: { usual: 2, least: 0, most: 3600, meaning: "seconds between two arrivals" },
  lease: { usual: 30, least: 1, most: 86_400, meaning: "lifetime of each instance, in seconds" },
  tick: { usual: 1, least: 1, most: 59, meaning: "seconds between two looks at the fleet" },
  gateways: {
    usual: 0,
    least: 0,
    most: 10,
    meaning: "gateways that the fleet keeps before it; of two or more, one loses its power in the middle",
  },
  port: { usual: 8090, least: 0, most: 65_535, meaning: "port of page and API; 0 picks a free one" },
} as const;

type NumberName = keyof typeof numbers;

/** Reads the arguments of `npm run lab -- …`. */
export function readLabOrder(args: readonly string[]): LabOrder {
  let values: Record<string, unknown>;
  try {
    const options = Object.fromEntries(Object.keys(numbers).map((name) => [name, { type: "string" as const }]));
    ({ values } = parseArgs({
      args: [...args],
      options: {
        ...options,
        fault: { type: "string", multiple: true },
        once: { type: "boolean" },
        help: { type: "boolean" },
      },
    }));
  } catch (error) {
    return { kind: "fault", text: `${(error as Error).message}\n\n${help}` };
  }
  if (values["help"] === true) return { kind: "help", text: help };
  const faults: string[] = [];
  const options = { once: values["once"] === true, faults: [] } as unknown as LabOptions;
  for (const [name, { usual, least, most }] of Object.entries(numbers) as [
    NumberName,
    (typeof numbers)[NumberName],
  ][]) {
    const given = values[name] as string | undefined;
    const value = given === undefined ? usual : Number(given);
    if (
      given !== undefined &&
      (!/^\d+(\.\d+)?$/.test(given) || value < least || value > most || (name !== "every" && !Number.isInteger(value)))
    )
      faults.push(`--${name} must be a number from ${least} to ${most}, not "${given}"`);
    options[name] = value;
  }
  for (const given of (values["fault"] ?? []) as string[]) {
    const [kind = "", times] = given.split(":");
    if (!faultKinds.includes(kind as FaultKind)) faults.push(`--fault "${given}" is none of ${faultKinds.join(", ")}`);
    else if (times !== undefined && !/^[1-9]\d{0,3}$/.test(times))
      faults.push(`--fault ${kind}:N takes a whole number, not "${times}"`);
    else options.faults.push({ kind: kind as FaultKind, ...(times !== undefined && { times: Number(times) }) });
  }
  return faults.length === 0 ? { kind: "run", options } : { kind: "fault", text: faults.join("\n") };
}

const help = `npm run lab -- [options]

Lives the life of a fleet on this machine: a stand-in for DigitalOcean's API, droplets made of
namespaces with real systemd and Docker Engines, and the real control plane. Needs root.

${Object.entries(numbers)
  .map(([name, { usual, meaning }]) => `  --${name.padEnd(10)} ${meaning} (${usual})`)
  .join("\n")}
  --fault KIND[:N]  something that goes wrong in the cloud, N times or always; may be repeated:
              ${faultKinds.join(", ").replace(/(.{60,80}?), /g, "$1,\n              ")}
  --once      end when all leases are over; without it the lab stays until Ctrl-C
`;
