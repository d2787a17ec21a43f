import { figuresOf, type InstanceFigures } from "./instance-figures.ts";
import { shownState, type Instance } from "../instances/instance.ts";
import type { ConsolePorts, ConsoleRefusal } from "./run-command.ts";

/** All readers of an instance's figures share a connection; no console can have this name. */
const SESSION = "figures";

/** What an instance reports about itself now; it is asked with its owner's password. */
export async function readFigures(
  ports: Omit<ConsolePorts, "replyBudget">,
  instance: Instance,
  password: string,
): Promise<{ readonly kind: "read"; readonly figures: InstanceFigures } | ConsoleRefusal> {
  if (shownState(instance, ports.clock()) !== "running") return { kind: "not-running" };
  const address = await ports.store.leases.findAddress(instance.id);
  if (!address) return { kind: "not-running" };
  const outcome = await ports.consoles.run({
    instanceId: instance.id,
    session: SESSION,
    ...address,
    password,
    words: ["INFO", "clients", "memory", "stats", "keyspace"],
    state: { database: 0, transaction: "none" },
  });
  if (outcome.kind === "wrong-password" || outcome.kind === "busy") return { kind: outcome.kind };
  if (outcome.kind !== "replied") return { kind: "unreachable" };
  const { reply } = outcome;
  if (reply.kind === "error" && reply.text.startsWith("BUSY ")) return { kind: "script-running" };
  const figures = reply.kind === "string" ? figuresOf(reply.bytes.toString("utf8")) : undefined;
  return figures ? { kind: "read", figures } : { kind: "unreachable" };
}
