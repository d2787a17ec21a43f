import { randomBytes } from "node:crypto";
import { customAlphabet } from "nanoid";
import { checkLogin } from "../../apps/adapters/redis/probe.ts";
import { budgetsOf } from "../../apps/core/instances/budgets.ts";
import { handoutRules } from "../../apps/core/settings/instances.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { sealedPassword } from "../../apps/core/warm-pool/recipe.ts";
import type { Store } from "../../apps/core/store.ts";
import type { Service } from "../bed/service.ts";

const LOGIN_MS = 10_000;
const newId = customAlphabet("0123456789abcdefghijklmnopqrstuvwxyz", 16);

/** Rules of a service's hand-outs, as its API has them out of its environment. */
export function rulesOf({ env }: Pick<Service, "env">) {
  return handoutRules(loadSettings(env, ["INSTANCE_IMAGE", "SERVER_SECRET"]));
}

/** A warm instance that the bare work has taken: whose it is now, and where. */
export type Taken = { readonly id: string; readonly port: number; readonly password: string };

/**
 * What a hand-out of a warm instance cannot do without, and nothing else: the transaction that claims it, a log-in with
 * its password where `checkHost` is given, and the transaction that makes the lease.
 * @throws when the host has none
 */
export async function bareWork(
  store: Pick<Store, "handouts">,
  rules: ReturnType<typeof rulesOf>,
  hostName: string,
  address: string,
  checkHost?: string,
): Promise<Taken> {
  const now = new Date();
  const end = new Date(now.getTime() + rules.lease.usual * 1000);
  const taken = await store.handouts.takeSlot(
    {
      id: newId(),
      address,
      tokenHash: randomBytes(32),
      passwordHash: randomBytes(32),
      createdAt: now,
      deadline: new Date(now.getTime() + rules.timeoutMs),
      latestEnd: new Date(now.getTime() + rules.lease.most * 1000),
    },
    hostName,
    budgetsOf(address, rules, false),
    undefined,
    rules.warm && { recipe: rules.warm.recipe, readySince: new Date(now.getTime() - rules.warm.maxAgeMs) },
  );
  if (taken.kind !== "taken-warm") throw new Error(`there is no warm instance on ${hostName}: ${taken.kind}`);
  const { id, port } = taken;
  const password = sealedPassword(rules.serverSecret, taken.nonce, id);
  if (checkHost !== undefined) await checkLogin(checkHost, port, password, AbortSignal.timeout(LOGIN_MS));
  if (!(await store.handouts.complete(id, end, new Date(), undefined, taken.server)))
    throw new Error("the lease was not written");
  return { id, port, password };
}
