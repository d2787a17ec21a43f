import type { ContainerFacts } from "../fleet/contract.ts";
import type { EndCause } from "../events/names.ts";

/** A row as reconcile sees it. `deadline` is the time by which its hand-out must be finished. */
export type RowFacts = { readonly id: string } & (
  | { readonly state: "starting" | "warming"; readonly deadline: Date }
  | { readonly state: "running" | "warm" | "ending" }
);

/** One repair, with the reason that the operator reads. */
export type Repair =
  | { readonly kind: "end"; readonly instanceId: string; readonly cause: EndCause; readonly reason: string }
  /** Of an instance that nobody holds yet. */
  | { readonly kind: "end-warm"; readonly instanceId: string; readonly reason: string }
  | { readonly kind: "remove-container"; readonly instanceId: string; readonly reason: string };

/**
 * Compares the rows of one host with its containers and names what must be repaired.
 * @param before the host's open rows, read before the containers were listed: a row that was running then and
 *   has no running container in a later list has lost it
 * @param after ids of the host's open rows, read after the containers: a container is made only after its row,
 *   so one that has no open row then belongs to no instance
 */
export function findRepairs(
  before: readonly RowFacts[],
  containers: readonly ContainerFacts[],
  after: ReadonlySet<string>,
  now: Date,
): Repair[] {
  const listed = new Map(containers.map((container) => [container.instanceId, container]));
  const repairs: Repair[] = [];
  for (const row of before) {
    if (row.state === "starting" && row.deadline <= now) {
      repairs.push({ kind: "end", instanceId: row.id, cause: "failed", reason: "still starting after its deadline" });
    }
    if (row.state === "warming" && row.deadline <= now)
      repairs.push({ kind: "end-warm", instanceId: row.id, reason: "still warming after its deadline" });
    if ((row.state === "running" || row.state === "warm") && listed.get(row.id)?.running !== true) {
      const reason = listed.has(row.id) ? "its container has stopped" : "its container is gone";
      repairs.push(
        row.state === "warm"
          ? { kind: "end-warm", instanceId: row.id, reason }
          : { kind: "end", instanceId: row.id, cause: "lost", reason },
      );
    }
  }
  for (const { instanceId } of containers) {
    if (!after.has(instanceId))
      repairs.push({ kind: "remove-container", instanceId, reason: "it has no open row on this host" });
  }
  return repairs;
}
