import type { Events } from "../events/contract.ts";
import type { Blocks } from "./contract.ts";
import { readNetwork } from "./networks.ts";

/** What following a list needs. */
export type BlockListPorts = {
  readonly store: {
    readonly blocks: Pick<Blocks, "replaceListed" | "countListed">;
    readonly events: Pick<Events, "add">;
  };
  /** The file's text; undefined when none is set. @throws when it cannot be read */
  readonly readBlockList: () => Promise<string | undefined>;
  readonly clock: () => Date;
};

/** Networks of a list without those that come twice, or its first line that is wrong. */
export type BlockListReading =
  { readonly kind: "list"; readonly networks: readonly string[] } | { readonly kind: "wrong"; readonly reason: string };

const MOST_NETWORKS = 100_000;

/** Reads a list: an address or a CIDR a line; `#` and `;` begin a comment. */
export function readBlockList(text: string): BlockListReading {
  const networks = new Set<string>();
  for (const [index, line] of text.split("\n").entries()) {
    const entry = line.replace(/[#;].*/, "").trim();
    if (entry === "") continue;
    const reading = readNetwork(entry);
    if (reading.kind === "refused") return { kind: "wrong", reason: `line ${index + 1}: ${reading.reason}` };
    networks.add(reading.network);
    if (networks.size > MOST_NETWORKS)
      return { kind: "wrong", reason: `line ${index + 1}: a list has ${MOST_NETWORKS} networks at most` };
  }
  return { kind: "list", networks: [...networks] };
}

/**
 * Follows a list of networks that get no instances. What it gives back is called again and again: it takes on the
 * list when it is new or has changed. While the file is missing or wrong, the last good list stays in force, over
 * restarts too, and an alarm says so. Several processes may follow the same list.
 */
export function followBlockList({ store, readBlockList: read, clock }: BlockListPorts): () => Promise<void> {
  let inForce: string | undefined;

  return async () => {
    let text: string;
    try {
      text = (await read()) ?? "";
    } catch (fault) {
      return alarm(`it cannot be read: ${fault instanceof Error ? fault.message : String(fault)}`);
    }
    if (text === inForce) return;
    const reading = readBlockList(text);
    if (reading.kind === "wrong") return alarm(reading.reason);
    const { added, removed } = await store.blocks.replaceListed(reading.networks);
    inForce = text;
    if (added === 0 && removed === 0) return;
    const reason = `${reading.networks.length} networks: ${added} new, ${removed} gone`;
    await store.events.add({ actor: "block-list", kind: "block-list", reason }, clock());
  };

  async function alarm(fault: string): Promise<void> {
    const kept = await store.blocks.countListed();
    const reason = `BLOCK_LIST_FILE: ${fault}. The last good list stays in force, with ${kept} networks`;
    await store.events.add({ actor: "block-list", kind: "block-list", alarm: true, reason }, clock());
  }
}
