import { writeFile } from "node:fs/promises";
import type { ServicePlane } from "../../core/balance/contract.ts";
import { readServers } from "../../core/balance/servers.ts";
import { PlaneFault } from "../../core/edge/plane-fault.ts";
import { haproxyConfig } from "./config.ts";
import type { Haproxy, HaproxyContent } from "./process.ts";
import { createRuntime } from "./runtime.ts";

/** Bounds of a HAProxy that carries services. */
export type ServiceBounds = {
  readonly connections: number;
  /** How long connections outlive a reload. */
  readonly longestMs: number;
  /** For an answer of HAProxy's. */
  readonly timeoutMs: number;
};

/** Answers to what succeeds and does not answer nothing. */
const DONE = /^(New server registered\.|Server deleted\.)?$/;

/**
 * Services in a HAProxy of their own, as `renderHaproxy` writes them: what is wrong with one of them never touches
 * leases.
 */
export function createServicePlane(haproxy: Haproxy, { timeoutMs, ...bounds }: ServiceBounds): ServicePlane {
  const { runtimeSocket, masterSocket } = haproxy.files;
  const runtime = createRuntime(runtimeSocket, timeoutMs, masterSocket);
  const contentOf =
    (text: string): HaproxyContent =>
    (files) =>
      new Map([[files.config, haproxyConfig(bounds, "", [text], files)]]);

  let lastGood: string | undefined;

  async function load(text: string): Promise<string | undefined> {
    try {
      await haproxy.bring(contentOf(text), async (replace) => {
        await keepStates();
        await replace();
      });
    } catch (fault) {
      if (!(fault instanceof PlaneFault)) throw fault;
      await restore();
      return fault.message;
    }
    lastGood = text;
    return undefined;
  }

  /** Has the next one that reads its files begin with what is known of members now. */
  async function keepStates(): Promise<void> {
    const states = await runtime.ask("show servers state").catch(() => "");
    await writeFile(haproxy.files.memberStates, `${states}\n`, { mode: 0o600 });
  }

  /** What was in force serves on, or serves again: one that has not taken on something else still has its ports. */
  async function restore(): Promise<void> {
    if (lastGood === undefined) return;
    await haproxy.write(contentOf(lastGood));
    if (!(await haproxy.isRunning())) await haproxy.bring(contentOf(lastGood));
  }

  async function tell(requests: readonly string[]): Promise<readonly string[]> {
    const refusals: string[] = [];
    for (const request of requests) {
      const answers = (await runtime.ask(request)).split("\n").map((line) => line.trim());
      const refused = answers.filter((answer) => !DONE.test(answer));
      if (refused.length > 0) refusals.push(`"${request}": ${refused.join(" ")}`);
    }
    return refusals;
  }

  return {
    name: "HAProxy",
    test: (text) => haproxy.refusal(contentOf(text)),
    load,
    write: async (text) => {
      await haproxy.write(contentOf(text));
      lastGood = text;
    },
    // 2 for backends, 4 for their servers.
    readServers: async () => readServers(await runtime.ask("show stat -1 6 -1")),
    tell,
  };
}
