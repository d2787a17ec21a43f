import type {
  NewOpsBlock,
  NewOpsOperator,
  OpsBlock,
  OpsBlockMade,
  OpsEvent,
  OpsEventQuery,
  OpsFigures,
  OpsHoldings,
  OpsInstance,
  OpsNotifications,
  OpsNotificationTest,
  OpsOperator,
  OpsOperatorChange,
  OpsOperatorCreated,
  OpsSearch,
  OpsSession,
  Problem,
  SwitchName,
} from "./api-types.ts";

/* What the dashboard's scripts are to each other. */

/** What a call gives: a value, or the problem that came instead. `status` is 0 when no answer came. */
export type Answer<T> =
  | { readonly value: T; readonly total: number; readonly isLater: boolean; readonly problem?: undefined }
  | {
      readonly value?: undefined;
      readonly total?: undefined;
      readonly isLater?: undefined;
      readonly problem: CallProblem;
    };
export type CallProblem = Pick<Problem, "status" | "title" | "detail"> & {
  readonly type?: string;
  /** Bounds of a lifetime that was refused. */
  readonly leastSeconds?: number;
  readonly mostSeconds?: number;
};

/** Parameters of a URL; those that are empty, null or undefined are left out. */
export type Query<Fields = Record<string, unknown>> = {
  readonly [Name in keyof Fields]?: string | number | null | undefined;
};

/** The operator's calls. `total` counts the items of all pages; `isLater`: taken on, but not yet done. None throws. */
export type OpsApi = {
  readonly logIn: (token: string) => Promise<Answer<OpsSession | null>>;
  readonly logOut: () => Promise<Answer<null>>;
  /** Who is logged in; a problem of status 401 when nobody is. Older services say only that somebody is. */
  readonly session: () => Promise<Answer<OpsSession | null>>;
  readonly setHostState: (name: string, state: "active" | "cordoned" | "draining") => Promise<Answer<null>>;
  /** `confirm`: the host's name again, when its leases may be lost. */
  readonly destroyHost: (name: string, confirm: string | undefined) => Promise<Answer<null>>;
  readonly events: (filter: Query<OpsEventQuery>) => Promise<Answer<readonly OpsEvent[]>>;
  readonly instances: (search: Query<OpsSearch>) => Promise<Answer<readonly OpsInstance[]>>;
  readonly instance: (id: string) => Promise<Answer<OpsInstance>>;
  readonly extend: (id: string, ttlSeconds: number) => Promise<Answer<OpsInstance>>;
  readonly end: (id: string) => Promise<Answer<null>>;
  readonly figures: (span: Span) => Promise<Answer<OpsFigures>>;
  readonly setSwitch: (name: SwitchName, paused: boolean) => Promise<Answer<null>>;
  readonly runJob: (job: string) => Promise<Answer<null>>;
  readonly blocks: () => Promise<Answer<readonly OpsBlock[]>>;
  /** What the addresses of a network hold now. */
  readonly holdings: (address: string) => Promise<Answer<OpsHoldings>>;
  readonly block: (block: NewOpsBlock) => Promise<Answer<OpsBlockMade>>;
  readonly notifications: () => Promise<Answer<OpsNotifications>>;
  /** Sends a test, and waits until it is known how it came out. */
  readonly testNotification: (channel: "webhook" | "mail") => Promise<Answer<OpsNotificationTest>>;
  readonly unblock: (address: string) => Promise<Answer<null>>;
  readonly operators: () => Promise<Answer<readonly OpsOperator[]>>;
  readonly createOperator: (operator: NewOpsOperator) => Promise<Answer<OpsOperatorCreated>>;
  readonly changeOperator: (name: string, change: OpsOperatorChange) => Promise<Answer<OpsOperator>>;
  readonly revokeOperator: (name: string) => Promise<Answer<null>>;
};

/** Time that the figures show. */
export type Span = "hour" | "day" | "week";

/** Opens a host by its name, or an instance by its id, in the panel. */
export type Open = (kind: "host" | "instance", name: string) => void;
/** Fills a box of the panel, and gives back how to bring it up to date. */
export type View = (name: string, box: HTMLElement) => () => void;

/** How serious something is. */
export type Level = "well" | "watch" | "trouble" | "unknown";
/** One thing that an operator should know. */
export type Note = { readonly level: Level; readonly text: string; readonly host?: string };
