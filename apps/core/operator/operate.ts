import pMap from "p-map";
import type { Hosts } from "../fleet/contract.ts";
import type { Leases } from "../instances/contract.ts";
import type { Blocks, DestroyRequests, Switches } from "./contract.ts";
import type { HostState } from "../fleet/host.ts";
import { shownEnd, type Instance } from "../instances/instance.ts";
import { holds } from "./networks.ts";
import { noteAct, type NotePorts } from "./note-act.ts";
import type { DestroyRequestResult, NewBlock } from "./operator.ts";
import type { JobName, SwitchName } from "../events/names.ts";
import { changeLease, type ChangeLeasePorts, type ChangeLeaseResult } from "../instances/change-lease.ts";
import { endInstance, type EndPorts, type EndResult } from "../instances/end-instance.ts";

/** Requests a run of a job now; resolves with the number of processes that received the request. */
type RunPorts = { readonly requestRun: (job: JobName) => Promise<number> };

/** What actions on hosts need. Each act is kept with the name of the operator, `by`. */
export type OperateHostsPorts = NotePorts &
  RunPorts & {
    readonly store: {
      readonly hosts: Pick<Hosts, "setState">;
      readonly destroyRequests: Pick<DestroyRequests, "add">;
    };
  };

/** What actions on somebody's instance need. */
export type OperateInstancesPorts = NotePorts &
  EndPorts &
  ChangeLeasePorts & { readonly store: { readonly leases: Pick<Leases, "findContainer"> } };

/** What blocking a network needs. */
export type BlockPorts = NotePorts &
  RunPorts & {
    readonly store: {
      readonly blocks: Pick<Blocks, "add" | "remove">;
      readonly leases: Pick<Leases, "listHeld" | "beginEnd">;
    };
  };

/** What setting a switch needs. */
export type SetSwitchPorts = NotePorts & RunPorts & { readonly store: { readonly switches: Pick<Switches, "set"> } };

/** What running a job needs. */
export type RunJobPorts = NotePorts & RunPorts;

/** Fewer than the connections to the database, which others need meanwhile. */
const ENDS_AT_ONCE = 4;

const acts = {
  active: { kind: "uncordon", reason: "takes new instances again" },
  cordoned: { kind: "cordon", reason: "takes no new instances for now" },
  draining: { kind: "drain", reason: "takes no new instances; its droplet, if it is one, goes once it is empty" },
} as const satisfies Record<HostState, unknown>;

/** Opens a host to hand-outs, closes it, or drains it. False when no host has this name, or it is being destroyed. */
export async function setHostState(
  ports: OperateHostsPorts,
  by: string,
  name: string,
  state: HostState,
): Promise<boolean> {
  if (!(await ports.store.hosts.setState(name, state))) return false;
  await noteAct(ports, by, { ...acts[state], host: name });
  if (state === "draining") void ports.requestRun("scale");
  return true;
}

/**
 * Requests that a host is destroyed: it gets no more instances, and the leader of the scaling destroys its
 * droplet.
 * @param leases "none" is refused while it has any; "lost" ends them with it
 */
export async function destroyHost(
  ports: OperateHostsPorts,
  by: string,
  name: string,
  leases: "none" | "lost",
): Promise<DestroyRequestResult> {
  const result = await ports.store.destroyRequests.add(name, leases, ports.clock());
  if (result.kind !== "requested") return result;
  await noteAct(ports, by, {
    kind: "destroy",
    host: name,
    reason: leases === "lost" ? "to be destroyed, and its leases are lost with it" : "to be destroyed: it has no lease",
  });
  void ports.requestRun("scale");
  return result;
}

/** Ends somebody's instance, see {@link endInstance}; "unknown" when no instance has this id. */
export async function endForOperator(
  ports: OperateInstancesPorts,
  by: string,
  id: string,
): Promise<EndResult | { kind: "unknown" }> {
  const place = await ports.store.leases.findContainer(id);
  if (!place) return { kind: "unknown" };
  const result = await endInstance(ports, place, "operator");
  const waiting =
    result.kind === "later" ? `; its container is removed once its host answers (${result.fault.reason})` : "";
  if (place.state !== "ended")
    await noteAct(ports, by, {
      kind: "end",
      host: place.host.name,
      instance: id,
      reason: `ended by an operator${waiting}`,
      data: { cause: "operator" },
    });
  return result;
}

/** Sets the end of somebody's lease to `ttlSeconds` from now, within the bounds that hold for all. */
export async function extendForOperator(
  ports: OperateInstancesPorts,
  by: string,
  instance: Instance,
  ttlSeconds: number,
): Promise<ChangeLeaseResult> {
  const result = await changeLease(ports, instance, ttlSeconds);
  if (result.kind === "changed") {
    const [from, to] = [shownEnd(instance).toISOString(), result.instance.expiresAt.toISOString()];
    await noteAct(ports, by, {
      kind: "extend",
      host: instance.hostName,
      instance: instance.id,
      reason: `now ends ${to} instead of ${from}`,
      data: { from, to },
    });
  }
  return result;
}

/** What the addresses of a network hold now, starting instances included. */
export type NetworkHoldings = { readonly instances: number; readonly holders: number };

/** Counts what would be ended with a network's block. */
export async function countHoldings(
  { store }: { readonly store: { readonly leases: Pick<Leases, "listHeld"> } },
  network: string,
): Promise<NetworkHoldings> {
  const held = await listHoldings(store.leases, network);
  return { instances: held.length, holders: new Set(held.map(({ address }) => address)).size };
}

/**
 * Blocks a network: its addresses get no more instances. They keep those they hold, unless these are to end with it:
 * then their leases end at once, and the reaper is asked to remove the containers. No hand-out passes by: one that is
 * under way has either taken its slot, and is ended here, or finds the block before it is completed.
 * @returns how many instances this call ended
 */
export async function blockNetwork(
  ports: BlockPorts,
  by: string,
  block: NewBlock,
  endsInstances: boolean,
): Promise<number> {
  const { address, reason, until } = block;
  await ports.store.blocks.add(block, ports.clock());
  const ended = endsInstances ? await endHoldings(ports, by, block) : 0;
  const end = until === null ? "" : `, until ${until.toISOString()}`;
  const count = endsInstances ? `; ended with it: ${ended} ${ended === 1 ? "instance" : "instances"}` : "";
  await noteAct(ports, by, {
    kind: "block",
    reason: `${reason === "" ? address : `${address}: ${reason}`}${end}${count}`,
    data: { address, ...(until && { until: until.toISOString() }), ...(endsInstances && { ended }) },
  });
  return ended;
}

/** Unblocks a network: its addresses may have instances again. False when it was not blocked. */
export async function unblockNetwork(ports: BlockPorts, by: string, address: string): Promise<boolean> {
  const wasBlocked = await ports.store.blocks.remove(address, ports.clock());
  if (wasBlocked) await noteAct(ports, by, { kind: "unblock", reason: address, data: { address } });
  return wasBlocked;
}

async function endHoldings(ports: BlockPorts, by: string, { address: network }: NewBlock): Promise<number> {
  const held = await listHoldings(ports.store.leases, network);
  const begun = await pMap(
    held,
    async ({ instanceId, host }) => {
      if (!(await ports.store.leases.beginEnd(instanceId, "operator", ports.clock()))) return false;
      await noteAct(ports, by, {
        kind: "end",
        host: host.name,
        instance: instanceId,
        reason: `ended with the block of ${network}`,
        data: { cause: "operator" },
      });
      return true;
    },
    { concurrency: ENDS_AT_ONCE },
  );
  if (held.length > 0) void ports.requestRun("reap");
  return begun.filter(Boolean).length;
}

async function listHoldings(leases: Pick<Leases, "listHeld">, network: string) {
  return (await leases.listHeld()).filter(({ address }) => holds(network, address));
}

/** Pauses hand-outs or scaling, or resumes them. */
export async function setSwitch(ports: SetSwitchPorts, by: string, name: SwitchName, paused: boolean): Promise<void> {
  if (!(await ports.store.switches.set(name, paused, ports.clock()))) return;
  await noteAct(ports, by, {
    kind: paused ? "pause" : "resume",
    reason: switchReasons[name][paused ? "paused" : "resumed"],
    data: { switch: name },
  });
  if (name === "scaling" && !paused) void ports.requestRun("scale");
}

const switchReasons = {
  handouts: { paused: "nobody gets a new instance", resumed: "new instances are handed out again" },
  scaling: { paused: "no droplet is ordered, drained or destroyed", resumed: "the fleet is scaled again" },
} as const satisfies Record<SwitchName, unknown>;

/** Requests a run of a job now. False when no process that runs jobs received the request. */
export async function runJob(ports: RunJobPorts, by: string, job: JobName): Promise<boolean> {
  if ((await ports.requestRun(job)) === 0) return false;
  await noteAct(ports, by, { kind: "run", reason: `job ${job}`, data: { job } });
  return true;
}
