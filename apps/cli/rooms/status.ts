import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { answered, refused } from "../api/answers.ts";
import type { Client, Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import { span } from "../output/words.ts";
import { stop } from "../stopped.ts";

/** `status`: whether the service hands out instances, and within which limits. */
export function addStatus(program: CommandUnknownOpts, { client, service, show }: Context): void {
  program
    .command("status")
    .description("Show whether the service hands out instances, and its limits; exit code 6 if it does not.")
    .action(async () => {
      const { address } = service();
      const api = client(address);
      const { ready, checks } = await readReadiness(api);
      const stats = await answered(api.GET("/stats"));
      const { limits } = stats;
      show.fields({ service: address, ready, checks, ...stats }, [
        ["service", address],
        ["ready", ready ? "yes" : "no"],
        ...Object.entries(checks).map(([name, text]) => [`  ${name}`, text] as const),
        ["running", `${stats.running} instances, ${stats.startedEver} handed out so far`],
        [
          "an instance",
          `${limits.memoryMb} MB, ${limits.maxClients} connections, ${span(limits.ttlSeconds)} ` +
            `(${span(limits.minTtlSeconds)} to ${span(limits.maxTtlSeconds)})`,
        ],
        ["an address", `${limits.perAddress} instances at once`],
      ]);
      if (!ready)
        throw stop("later", "not-ready", "The service is not ready", "What it needs is not all there, see above.");
    });
}

/** What each part says; an answer also where one of them fails. */
export async function readReadiness(api: Client): Promise<Schemas["Readiness"]> {
  const { data, error, response } = await api.GET("/readyz");
  const readiness: unknown = data ?? error;
  if (isReadiness(readiness)) return readiness;
  throw refused(error, response);
}

function isReadiness(answer: unknown): answer is Schemas["Readiness"] {
  return typeof answer === "object" && answer !== null && "ready" in answer && "checks" in answer;
}
