import { setTimeout as sleep } from "node:timers/promises";
import type { CloudDroplet, DropletOrder } from "../../core/fleet/cloud.ts";
import { createCalls, type Ask, type CallSettings } from "./calls.ts";
import { createDomains } from "./domains.ts";
import { ensureFirewall, type FirewallPlan } from "./firewalls.ts";
import { services } from "./library.ts";
import { listAll } from "./lists.ts";
import { checkOffer, type Wanted } from "./offer.ts";
import { accountShape, dropletShape, toDroplet } from "./shapes.ts";

export type { CloudCall } from "./calls.ts";

/** Settings of the adapter; those with a usual value may be left out. */
export type DigitalOceanSettings = Pick<CallSettings, "token" | "url" | "timeoutMs"> & Partial<CallSettings>;

/**
 * DigitalOcean by its API v2. Every function throws `CloudFault` and nothing else. All but
 * `createDroplet` ask again after faults that pass, within `budgetMs` (thrice `timeoutMs`, when it is not
 * given), and keep to the API's rate limits.
 */
export function createDigitalOceanCloud(settings: DigitalOceanSettings) {
  const calls = createCalls({
    budgetMs: settings.timeoutMs * 3,
    clock: Date.now,
    delay: (ms) => sleep(ms),
    random: Math.random,
    onCall: () => undefined,
    ...settings,
  });

  /** All droplets that carry the tag. A droplet made a moment ago may be missing: tags lag behind. */
  async function listDroplets(tag: string): Promise<CloudDroplet[]> {
    const droplets = await listAll(
      calls,
      { route: "/droplets", key: "droplets", item: dropletShape, params: { tag_name: tag } },
      calls.deadline(),
    );
    // Listed droplets may be destroyed as ours: a filter that the API did not apply must not put others at risk.
    const ours = droplets.filter(({ tags }) => tags.some((name) => name.toLowerCase() === tag.toLowerCase()));
    // A droplet that is made between two pages pushes another one from the first page to the next.
    return [...new Map(ours.map((droplet) => [droplet.id, toDroplet(droplet)])).values()];
  }

  /** All droplets of exactly this name, with or without a tag, and so those whose tag lags behind. */
  async function findDroplets(name: string): Promise<CloudDroplet[]> {
    const droplets = await listAll(
      calls,
      { route: "/droplets", key: "droplets", item: dropletShape, params: { name } },
      calls.deadline(),
    );
    return droplets.filter((droplet) => droplet.name === name).map(toDroplet);
  }

  /** The droplet, or undefined when the cloud reports that there is none. */
  async function getDroplet(id: number): Promise<CloudDroplet | undefined> {
    const ask = { method: "GET", route: "/droplets/:id" } as const;
    const answer = await calls.unlessMissing<unknown>(
      { ...ask, request: () => services.droplets.getExistingDroplet(id) },
      calls.deadline(),
    );
    return answer === "missing" ? undefined : droplet(ask, answer.value);
  }

  /**
   * Orders a droplet with one request that is never repeated. The fault's `effect` is `none` only when the
   * cloud refused; otherwise the droplet may come to be, and `findDroplets` sees it.
   */
  async function createDroplet(order: DropletOrder): Promise<CloudDroplet> {
    const ask = { method: "POST", route: "/droplets" } as const;
    const body = {
      name: order.name,
      region: order.region,
      size: order.size,
      image: numberOr(order.image),
      ssh_keys: order.sshKeys.map(numberOr),
      user_data: order.userData,
      tags: [order.tag],
      ...(order.vpc === undefined ? {} : { vpc_uuid: order.vpc }),
    };
    return droplet(ask, await calls.once<unknown>({ ...ask, request: () => services.droplets.createNewDroplet(body) }));
  }

  /** Has this one droplet deleted; `gone` when there is no such droplet. It may exist for a while yet. */
  async function deleteDroplet(id: number): Promise<"deleting" | "gone"> {
    const answer = await calls.unlessMissing<unknown>(
      { method: "DELETE", route: "/droplets/:id", request: () => services.droplets.deleteDroplet(id) },
      calls.deadline(),
    );
    return answer === "missing" ? "gone" : "deleting";
  }

  /** Makes the tag unless it exists. */
  async function ensureTag(tag: string): Promise<void> {
    const end = calls.deadline();
    const answer = await calls.unlessMissing<unknown>(
      { method: "GET", route: "/tags/:name", request: () => services.tags.getTagByName(tag) },
      end,
    );
    if (answer === "missing")
      await calls.untilAnswered({ method: "POST", route: "/tags", request: () => services.tags.createTag(tag) }, end);
  }

  /** The account's status and limits; a `locked` account makes no droplets. `statusMessage` says why. */
  async function readAccount(): Promise<{
    dropletLimit: number;
    status: "active" | "warning" | "locked";
    statusMessage: string;
  }> {
    const ask = { method: "GET", route: "/account" } as const;
    const account: unknown = await calls.untilAnswered(
      { ...ask, request: () => services.account.getUserInformation() },
      calls.deadline(),
    );
    if (!accountShape.fits(account)) throw calls.misshapen(ask, accountShape.misfit(account));
    return {
      dropletLimit: account.droplet_limit,
      status: account.status,
      statusMessage: account.status_message.trim(),
    };
  }

  function droplet(ask: Pick<Ask<unknown>, "method" | "route">, answer: unknown): CloudDroplet {
    if (!dropletShape.fits(answer)) throw calls.misshapen(ask, `the droplet: ${dropletShape.misfit(answer)}`);
    return toDroplet(answer);
  }

  return {
    listDroplets,
    findDroplets,
    getDroplet,
    createDroplet,
    deleteDroplet,
    ensureTag,
    /** Makes the firewall, or makes the one of this name as planned. The tag must exist. */
    ensureFirewall: (plan: FirewallPlan) => ensureFirewall(calls, plan),
    /** What the cloud would refuse in these orders, one sentence each. */
    checkOffer: (wanted: Wanted) => checkOffer(calls, wanted),
    readAccount,
    ...createDomains(calls),
  };
}

/** Ids are numbers to the API, slugs and fingerprints are texts. */
function numberOr(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}
