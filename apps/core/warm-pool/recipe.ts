import { createHmac, hkdfSync } from "node:crypto";
import type { Service } from "../services/service.ts";

const ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PASSWORD_LENGTH = 32;
/** Bytes that the password is picked from: those from 248 on are passed over, one in 32, so that all letters are alike. */
const STREAM_BYTES = 96;
const FIRST_PASSED_OVER = 248;

/** Times that decide for how long a container has to run. */
export type WarmTimes = {
  /** Longest time that one waits for a hand-out. */
  readonly maxAgeMs: number;
  /** Time that an instance gets to start and answer. */
  readonly startMs: number;
  /** Longest time from a hand-out's beginning to the latest end of its lease. */
  readonly longestLeaseMs: number;
};

/** Time by which a warm instance must be ready, from its start on. */
export function warmingMs({ startMs }: Pick<WarmTimes, "startMs">): number {
  return 2 * startMs;
}

/** How long the container of a warm instance runs at most: its host ends it then, whoever holds it. */
export function longestLifeMs(times: WarmTimes): number {
  return warmingMs(times) + times.maxAgeMs + times.longestLeaseMs;
}

/** Stands for all that differs between two instances of one recipe. */
const anyInstance = {
  id: "",
  deployment: "",
  bindAddress: "",
  port: 0,
  passwordHash: Buffer.alloc(32),
  watchHash: Buffer.alloc(32),
};

/**
 * What instances are made by: image, arguments and limits of the service, the server's secret, and how long they may
 * run. Warm instances of another recipe are not handed out: they would have other limits, a password that nobody can
 * derive any more or that an edge cannot go by, or a host that ends them before a longer lease is over.
 */
export function recipeOf(
  service: Pick<Service, "containerOf" | "passwordOf">,
  serverSecret: string,
  times: WarmTimes,
): Buffer {
  return (
    createHmac("sha256", serverSecret)
      .update(JSON.stringify(service.containerOf({ ...anyInstance, notAfter: new Date(longestLifeMs(times)) })))
      // What a password has besides its secret.
      .update(service.passwordOf("id", ""))
      .digest()
  );
}

/**
 * Secret of a warm instance's password, of 190 bits. It is derived, so that its hash can stand in the container's arguments
 * before anybody holds it, and holds after a restart of the server. Nobody can derive it again once the hand-out has
 * erased the nonce.
 * @param nonce 32 random bytes
 */
export function sealedPassword(serverSecret: string, nonce: Buffer, instanceId: string): string {
  const stream = Buffer.from(hkdfSync("sha256", serverSecret, nonce, `holder ${instanceId}`, STREAM_BYTES));
  return [...stream]
    .filter((byte) => byte < FIRST_PASSED_OVER)
    .slice(0, PASSWORD_LENGTH)
    .map((byte) => ALPHANUMERIC[byte % ALPHANUMERIC.length])
    .join("");
}
