import type { Redis } from "ioredis";
import type { PortMapFacts, PortMaps } from "../../core/ports/contract.ts";
import { readPortMapReport } from "../../core/ports/port-map-report.ts";
import { Unavailable } from "../../lib/unavailable.ts";

/** A program that was away meanwhile looks by itself when it comes back. */
const NUDGE_SECONDS = 10;

/** Port maps of hosts, which infra/host/port-map.sh fetches. */
export function createPortMaps(redis: Redis): PortMaps {
  async function put(host: string, { revision, text }: { revision: string; text: string }): Promise<void> {
    await answersOf([
      ["hset", `port-map:${host}`, "revision", revision, "document", text],
      ["rpush", `port-map-nudge:${host}`, revision],
      // One is enough, however many came.
      ["ltrim", `port-map-nudge:${host}`, "-1", "-1"],
      ["expire", `port-map-nudge:${host}`, String(NUDGE_SECONDS)],
    ]);
  }

  async function readText(host: string): Promise<string | undefined> {
    const [text] = await answersOf([["hget", `port-map:${host}`, "document"]]);
    return typeof text === "string" ? text : undefined;
  }

  async function read(hosts: readonly string[]): Promise<ReadonlyMap<string, PortMapFacts>> {
    if (hosts.length === 0) return new Map();
    const answers = await answersOf(
      hosts.flatMap((host) => [
        ["hget", `port-map:${host}`, "revision"],
        ["get", `port-map-state:${host}`],
      ]),
    );
    return new Map(
      hosts.map((host, index) => {
        const [wanted, report] = [answers[2 * index], answers[2 * index + 1]];
        return [
          host,
          {
            wanted: typeof wanted === "string" ? wanted : undefined,
            report: typeof report === "string" ? readPortMapReport(report) : undefined,
          },
        ];
      }),
    );
  }

  /** Answers of commands that take effect together. @throws Unavailable when one fails */
  async function answersOf(commands: string[][]): Promise<unknown[]> {
    try {
      const answers = (await redis.multi(commands).exec()) ?? [];
      for (const [fault] of answers) if (fault) throw fault;
      return answers.map(([, answer]) => answer);
    } catch (fault) {
      throw new Unavailable("redis", fault);
    }
  }

  return { put, readText, read };
}
