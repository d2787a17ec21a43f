import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";

/** What droplets and the enrolment take as a host's name. */
export const hostNamePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** A Docker Engine and the name of the host it is on. */
export type EngineHost = {
  readonly name: string;
  /** Where the control plane finds the engine: unix:///path, tcp://address:port, or https://address:port (mutual TLS). */
  readonly engineUrl: string;
  /** Id of the deployment that the host serves; it marks our containers on an engine that others use as well. */
  readonly deployment: string;
};

/** A machine with a Docker Engine that runs instances. */
export type Host = EngineHost & {
  /** Name or address handed to users. */
  readonly publicHost: string;
  /** Address at which the control plane reaches the published ports. */
  readonly checkHost: string;
  /** Address on the host that instances are published on. */
  readonly bindAddress: string;
  /** Slots; slot n publishes port `basePort + n`. */
  readonly capacity: number;
  readonly basePort: number;
  readonly state: HostState;
};

/** A host with its use, as it is kept. */
export type HostUse = {
  readonly host: Host;
  /** Instances that count as use: running or starting. */
  readonly inUse: number;
  /** Slots that are not free: those in use, and those whose container has not yet been seen gone. */
  readonly occupied: number;
  /** When the last of its leases ends, as far as they are handed out; null while it has none. */
  readonly lastExpiry: Date | null;
  /** Those of them that warm instances hold: they make room for others, and are no use. */
  readonly warm: number;
  /** Ports that it balances and workloads that it runs for operators; none, when it is not given. */
  readonly forOperators?: number;
  /** Since when its engine has not answered the control plane, whatever its heartbeat says; null while it does. */
  readonly unreachableSince: Date | null;
};

/** Whether nobody needs a host: it has no lease, and does nothing for operators. */
export function isUnused({ inUse, forOperators = 0 }: Pick<HostUse, "inUse" | "forOperators">): boolean {
  return inUse === 0 && forOperators === 0;
}

/** A host as it is registered, without the fields that the store adds by itself. */
export type NewHost = Omit<Host, "deployment" | "state">;

/** `active` takes instances; `cordoned` takes none for now; `draining` takes none and is destroyed once empty. */
export type HostState = "active" | "cordoned" | "draining";

const Heartbeat = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 63 }),
    publicIp: Type.String({ maxLength: 253 }),
    privateIp: Type.String({ maxLength: 253 }),
    dockerPort: Type.Integer({ minimum: 0, maximum: 65_535 }),
    // null: the heartbeat arrives, but the host's own engine does not answer it.
    containers: Type.Union([Type.Integer({ minimum: 0, maximum: 100_000 }), Type.Null()]),
    memAvailableMb: Type.Integer({ minimum: 0 }),
    sentAt: Type.String({ minLength: 20, maxLength: 35, pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d" }),
  },
  { additionalProperties: false },
);
const heartbeatSchema = Compile(Heartbeat);

/** What a host reports about itself every few seconds. */
export type Heartbeat = Static<typeof Heartbeat>;

/** A heartbeat that cannot be believed, and why. It is never treated as an empty host. */
export type RefusedHeartbeat = { readonly kind: "refused"; readonly reason: string };

/** The content of a host's key. `lifeMs`: time that the key had left when it was read, if that was asked for. */
export type HeartbeatReading =
  { readonly kind: "beat"; readonly beat: Heartbeat; readonly lifeMs?: number } | RefusedHeartbeat;

/** The longest that a heartbeat may be set to last: a longer one would count a host as alive that is gone. */
const LONGEST_LIFE_MS = 3_600_000;

/**
 * Reads the key `host:<name>` with the time that it has left.
 * @param lifeMs time until the key expires; null when it never does
 */
export function readHeartbeat(hostName: string, value: string, lifeMs: number | null): HeartbeatReading {
  if (lifeMs === null || lifeMs > LONGEST_LIFE_MS) return { kind: "refused", reason: "its key outlives any heartbeat" };
  const reading = parseHeartbeat(hostName, value);
  return reading.kind === "beat" ? { ...reading, lifeMs } : reading;
}

/**
 * Reads the value of key `host:<name>`. A heartbeat that is no JSON, has another shape or another host's name
 * is refused.
 */
export function parseHeartbeat(hostName: string, value: string): HeartbeatReading {
  let beat: unknown;
  try {
    beat = JSON.parse(value);
  } catch {
    return { kind: "refused", reason: "not JSON" };
  }
  if (!heartbeatSchema.Check(beat)) {
    const [fault] = heartbeatSchema.Errors(beat);
    return { kind: "refused", reason: `${fault?.instancePath || "value"} ${fault?.message ?? "has another shape"}` };
  }
  if (beat.name !== hostName) return { kind: "refused", reason: `names another host, ${JSON.stringify(beat.name)}` };
  return { kind: "beat", beat };
}
