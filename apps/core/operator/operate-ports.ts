import type { ChangeResult, HostPorts, Workloads } from "../ports/contract.ts";
import { nameOf, whyNotBalanced, type ChildPort, type HostPort } from "../ports/port.ts";
import { whyNoWorkload, type Workload, type WorkloadSpec } from "../ports/workload.ts";
import type { JobName } from "../events/names.ts";
import { noteAct, type NotePorts } from "./note-act.ts";

/** What acts on balanced ports need. */
export type OperatePortsPorts = NotePorts & { readonly store: { readonly ports: Pick<HostPorts, "change"> } };

/** What acts on workloads need. */
export type OperateWorkloadsPorts = NotePorts & {
  readonly store: { readonly workloads: Pick<Workloads, "change"> };
  readonly requestRun: (job: JobName) => Promise<number>;
};

/** Declares a port of a host, or declares it anew. */
export function mapPort(ports: OperatePortsPorts, by: string, port: HostPort): Promise<ChangeResult<HostPort>> {
  return changePort(ports, by, port, () => port);
}

/** Changes a port that is there; "changed" without a port when there is none. */
export function changeMappedPort(
  ports: OperatePortsPorts,
  by: string,
  place: ChildPort,
  change: {
    readonly state?: HostPort["state"] | undefined;
    readonly addChild?: ChildPort | undefined;
    readonly removeChild?: ChildPort | undefined;
  },
): Promise<ChangeResult<HostPort>> {
  const { state, addChild, removeChild } = change;
  return changePort(
    ports,
    by,
    place,
    (before) =>
      before && {
        ...before,
        ...(state && { state }),
        children: [
          ...before.children.filter((child) => !isSame(child, addChild) && !isSame(child, removeChild)),
          ...(addChild ? [addChild] : []),
        ],
      },
  );
}

/** Takes a port away: its open connections end. False when there was none. */
export async function unmapPort(ports: OperatePortsPorts, by: string, place: ChildPort): Promise<boolean> {
  const found: { port?: HostPort | undefined } = {};
  await ports.store.ports.change(
    place,
    (before) => {
      found.port = before;
      return undefined;
    },
    whyNotBalanced,
    ports.clock(),
  );
  const wasThere = found.port !== undefined;
  if (wasThere)
    await noteAct(ports, by, {
      kind: "map-port",
      host: place.host,
      reason: `port ${place.port} is not balanced any more`,
    });
  return wasThere;
}

/** Declares a workload, or declares it anew. */
export async function declareWorkload(
  ports: OperateWorkloadsPorts,
  by: string,
  spec: WorkloadSpec,
): Promise<ChangeResult<Workload>> {
  return changeWorkload(ports, by, spec, () => spec);
}

/** Changes a workload that is there; "changed" without a workload when there is none, or it is being removed. */
export function changeDeclaredWorkload(
  ports: OperateWorkloadsPorts,
  by: string,
  place: { readonly host: string; readonly name: string },
  change: { readonly state?: WorkloadSpec["state"] | undefined; readonly copies?: number | undefined },
): Promise<ChangeResult<Workload>> {
  return changeWorkload(ports, by, place, (before) =>
    before && before.state !== "removed"
      ? { ...before, state: change.state ?? before.state, copies: change.copies ?? before.copies }
      : undefined,
  );
}

async function changePort(
  ports: OperatePortsPorts,
  by: string,
  place: ChildPort,
  work: (before: HostPort | undefined) => HostPort | undefined,
): Promise<ChangeResult<HostPort>> {
  // Without a port there is nothing to change; `change` would take undefined for a removal, which is one of nothing.
  const result = await ports.store.ports.change(place, work, whyNotBalanced, ports.clock());
  if (result.kind !== "changed" || !result.now) return result;
  const { port, image, imagePort, state, children } = result.now;
  const members = [
    ...(image === null ? [] : [`containers of ${image} at their port ${imagePort}`]),
    ...children.map((child) => nameOf(child)),
  ];
  const reason =
    state === "stopped" ? `port ${port} is stopped` : `port ${port} is balanced over ${members.join(" and ")}`;
  await noteAct(ports, by, { kind: "map-port", host: place.host, reason });
  return result;
}

async function changeWorkload(
  ports: OperateWorkloadsPorts,
  by: string,
  place: { readonly host: string; readonly name: string },
  work: (before: Workload | undefined) => WorkloadSpec | undefined,
): Promise<ChangeResult<Workload>> {
  const written: { spec?: WorkloadSpec | undefined; refusal?: string | undefined } = {};
  const result = await ports.store.workloads.change(
    place,
    (before) => {
      const after = work(before);
      // A transaction may be tried again: what counts is its last turn.
      written.refusal = after && whyNoWorkload(after);
      written.spec = written.refusal === undefined ? after : undefined;
      return written.spec;
    },
    ports.clock(),
  );
  if (result.kind !== "changed") return result;
  if (written.refusal !== undefined) return { kind: "refused", reason: written.refusal };
  if (!written.spec || !result.now) return { kind: "changed", now: undefined };
  const { name, copies, image, state } = result.now;
  await noteAct(ports, by, {
    kind: "change-workload",
    host: place.host,
    reason: `${name}, ${copies} of ${image}, is to be ${state}`,
  });
  void ports.requestRun("workloads");
  return result;
}

function isSame(child: ChildPort, other: ChildPort | undefined): boolean {
  return other !== undefined && nameOf(child) === nameOf(other);
}
