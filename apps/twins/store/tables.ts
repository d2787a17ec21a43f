import type { Announcer } from "../../core/balance/contract.ts";
import type { DeclaredService } from "../../core/balance/desired.ts";
import type { KeptEvent } from "../../core/events/event.ts";
import type { MinuteFigures } from "../../core/figures/figures.ts";
import type { DropletLife } from "../../core/fleet/droplets.ts";
import type { GatewayDropletRow } from "../../core/fleet/gateway-droplets.ts";
import type { EngineHost, HostState, NewHost } from "../../core/fleet/host.ts";
import type { EndCause, MisuseRule, SwitchName } from "../../core/events/names.ts";
import { hourOf, type HourOfStarts } from "../../core/instances/budgets.ts";
import type { InstanceState, Restart } from "../../core/instances/instance.ts";
import type { WarmInstance } from "../../core/warm-pool/contract.ts";
import type { ServerVersion } from "../../core/services/server-version.ts";
import type { TransferDay } from "../../core/instances/transfer.ts";
import type { JobRun } from "../../core/operator/contract.ts";
import type { KeptAlarm, KeptMessage } from "../../core/notifications/contract.ts";
import type { Block } from "../../core/operator/operator.ts";
import type { HostPort } from "../../core/ports/port.ts";
import type { Workload } from "../../core/ports/workload.ts";
import type { Operator } from "../../core/operator/operators.ts";

/** Rows are never changed, only replaced: a row that a call has returned stays as it was. */
export type HostRow = NewHost & {
  readonly id: number;
  readonly state: HostState | "gone";
  readonly createdAt: Date;
};

export type MessageRow = KeptMessage & { readonly heldUntil: Date | null };

export type SlotRow = {
  readonly slot: number;
  readonly port: number;
  readonly instanceId: string | null;
  readonly freeSince: Date;
  readonly portTakenUntil: Date | null;
};

export type InstanceRow = {
  readonly id: string;
  readonly state: InstanceState | WarmInstance["state"];
  readonly hostName: string;
  readonly port: number;
  readonly address: string;
  readonly tokenHash: Buffer;
  readonly passwordHash: Buffer;
  readonly createdAt: Date;
  /** By which its hand-out must be finished. */
  readonly deadline: Date;
  readonly handedOutAt: Date | null;
  /** Null until it is handed out. */
  readonly expiresAt: Date | null;
  readonly latestEnd: Date;
  readonly sentBytes: number;
  /** When the operator was told that it has sent too much. */
  readonly transferToldAt: Date | null;
  readonly endedAt: Date | null;
  readonly endCause: EndCause | null;
  readonly server: ServerVersion | null;
  readonly lastRestart: Restart | null;
  /** What its password is derived from, while nobody holds it. */
  readonly nonce: Buffer | null;
  readonly recipe: Buffer | null;
  /** Since when it was ready, of one that was warmed. */
  readonly warmSince: Date | null;
};

/** What differs between rows of instances when they are written first. */
export type NewInstanceRow = Pick<
  InstanceRow,
  | "id"
  | "state"
  | "hostName"
  | "port"
  | "address"
  | "tokenHash"
  | "passwordHash"
  | "createdAt"
  | "deadline"
  | "latestEnd"
  | "nonce"
  | "recipe"
>;

export type ClaimRow = {
  readonly address: string;
  readonly keyHash: string;
  readonly requestHash: Buffer;
  readonly instanceId: string;
  readonly sealedAnswer: Buffer | null;
};

export type DropletOrderRow = DropletLife & {
  readonly number: number;
  readonly endingAt: Date | null;
  readonly outOfStock: boolean;
  readonly idleSince: Date | null;
  readonly unhealthySince: Date | null;
  readonly unreachableSince: Date | null;
  readonly tokenHash: Buffer;
  readonly keyHash: Buffer | null;
};

export type GatewayOrderRow = GatewayDropletRow & {
  readonly number: number;
  readonly size: string;
  readonly hourlyPrice: number | null;
  readonly endingAt: Date | null;
  readonly goneAt: Date | null;
  readonly outOfStock: boolean;
  readonly tokenHash: Buffer;
  readonly secretHash: Buffer | null;
};

/** What several twins of a store share, as several processes share a database. */
export type Tables = ReturnType<typeof createTables>;

/** Empty tables of a deployment. */
export function createTables(deployment = "twintwintwin") {
  return {
    deployment,
    /** By name. */
    hosts: new Map<string, HostRow>(),
    /** By host's name, in the order of their slots. */
    slots: new Map<string, readonly SlotRow[]>(),
    /** By id. */
    instances: new Map<string, InstanceRow>(),
    /** By day of UTC, as in 2026-01-01. */
    transferDays: new Map<string, TransferDay>(),
    /** Ids of the instances that hold an address's quota places. */
    quotaPlaces: new Map<string, ReadonlySet<string>>(),
    /** Keys of the networks in which an instance holds a place, by instance's id. */
    networkPlaces: new Map<string, readonly string[]>(),
    /** Hand-outs begun by an address or a network, by hour. */
    starts: new Map<string, readonly HourOfStarts[]>(),
    /** When each address was seen last. */
    addresses: new Map<string, Date>(),
    /** By instance's id. */
    claims: new Map<string, ClaimRow>(),
    /** By name. */
    droplets: new Map<string, DropletOrderRow>(),
    /** By name. */
    gatewayDroplets: new Map<string, GatewayOrderRow>(),
    /** The leader of each job now: any value that stands for a process. */
    leaders: new Map<string, object>(),
    /** Newest term of each job's leadership. */
    terms: new Map<string, number>(),
    /** By host and port, as in a:80. */
    ports: new Map<string, HostPort>(),
    /** By host and name, as in a/web. */
    workloads: new Map<string, Workload>(),
    /** In the order of their ids. */
    events: [] as KeptEvent[],
    switches: new Map<SwitchName, { readonly paused: boolean; readonly changedAt: Date }>(),
    /** By network. */
    blocks: new Map<string, Block>(),
    listedNetworks: new Set<string>(),
    /** By key. */
    alarms: new Map<string, KeptAlarm>(),
    /** By id and channel. */
    messages: new Map<string, MessageRow>(),
    /** By instance's id and rule. */
    misuseFindings: new Map<
      string,
      { readonly instanceId: string; readonly rule: MisuseRule; readonly firstAt: Date; readonly lastAt: Date }
    >(),
    /** By name. */
    services: new Map<string, DeclaredService>(),
    /** By name. */
    announcers: new Map<string, Announcer>(),
    destroyRequests: new Map<string, { readonly leases: "none" | "lost"; readonly askedAt: Date }>(),
    /** By name. */
    operators: new Map<string, Operator & { readonly tokenHash: Buffer }>(),
    /** By the secret's hash in hex. */
    logins: new Map<string, { readonly tokenHash: Buffer; readonly endsAt: Date }>(),
    runs: new Map<string, JobRun>(),
    /** By minute and source. */
    minutes: new Map<string, { readonly minute: Date; readonly source: string; readonly figures: MinuteFigures }>(),
    prunedHandouts: 0,
    lastHostId: 0,
    lastDropletNumber: 0,
    lastGatewayNumber: 0,
    lastEventId: 0,
  };
}

/** Where a host's engine is. */
export function engineHostOf(tables: Tables, hostName: string): EngineHost {
  const { name, engineUrl } = hostOf(tables, hostName);
  return { name, engineUrl, deployment: tables.deployment };
}

/** The host of an instance: it is kept as long as an instance refers to it. */
export function hostOf(tables: Tables, hostName: string): HostRow {
  const host = tables.hosts.get(hostName);
  if (!host) throw new Error(`an instance names host ${hostName}, which does not exist`);
  return host;
}

/** Instances of a host that count as use. */
export function leasesOf(tables: Tables, hostName: string): InstanceRow[] {
  return [...tables.instances.values()].filter(
    (row) => row.hostName === hostName && (row.state === "starting" || row.state === "running"),
  );
}

/** What a host does for operators: ports that it balances, workloads that it runs. */
export function forOperators({ ports, workloads }: Tables, hostName: string): number {
  return [...ports.values(), ...workloads.values()].filter(({ host }) => host === hostName).length;
}

/** When an instance ends by itself: the end of its lease, or before that the deadline of its hand-out. */
export function endOf({ expiresAt, deadline }: InstanceRow): Date {
  return expiresAt ?? deadline;
}

/** Writes an instance's row, and its id into the slot of its port. */
export function addRow(tables: Tables, row: NewInstanceRow): void {
  const { id, state, hostName, port, address, tokenHash, passwordHash, createdAt, deadline, latestEnd } = row;
  tables.instances.set(id, {
    ...{ id, state, hostName, port, address, tokenHash, passwordHash, createdAt, deadline, latestEnd },
    ...{ nonce: row.nonce, recipe: row.recipe, warmSince: null },
    handedOutAt: null,
    expiresAt: null,
    sentBytes: 0,
    transferToldAt: null,
    endedAt: null,
    endCause: null,
    server: null,
    lastRestart: null,
  });
  const slots = tables.slots.get(hostName) ?? [];
  const taken = slots.find((slot) => slot.port === port && slot.instanceId === null);
  tables.slots.set(
    hostName,
    slots.map((slot) => (slot === taken ? { ...slot, instanceId: id } : slot)),
  );
}

/** Counts starts of an address or a network in the hour of `at`; takes them back when `more` is negative. */
export function addStarts({ starts }: Tables, budget: string, at: Date, more: number): void {
  const hour = hourOf(at);
  const hours = starts.get(budget) ?? [];
  const isSame = (each: HourOfStarts) => each.hour.getTime() === hour.getTime();
  const counted = hours.find(isSame)?.starts ?? 0;
  starts.set(budget, [...hours.filter((each) => !isSame(each)), { hour, starts: Math.max(0, counted + more) }]);
}

/** Replaces parts of a row, when there is one. */
export function change<Key, Row>(rows: Map<Key, Row>, key: Key, parts: Partial<Row>): void {
  const row = rows.get(key);
  if (row) rows.set(key, { ...row, ...parts });
}
