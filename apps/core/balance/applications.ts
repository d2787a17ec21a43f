import type { Announcement, Application, RefusedPart } from "./announcement.ts";
import { plainMember, type Balanced, type Member } from "./service.ts";

/**
 * What an application has for itself: a domain, or a port that carries no domains. The application that announces it
 * first owns it until no host announces it any more. A port that carries domains is owned by all that share it.
 */
export type Claim = `domain:${string}` | `port:${number}`;

/** The application that owns each claim, or {@link SHARED}. */
export type Owners = ReadonlyMap<Claim, string>;

/** A new owner of a claim; null for none. */
export type OwnerChange = { readonly claim: Claim; readonly from: string | null; readonly to: string | null };

/** Owner of a port that carries domains; no name of an application. */
export const SHARED = "*";

/** An application that announces what another one owns. */
export type ClaimConflict = {
  readonly claim: Claim;
  readonly owner: string;
  readonly application: string;
  readonly hosts: readonly string[];
};

/** What hosts announce, as it was seen together. */
export type Announcements = ReadonlyMap<string, Announcement>;

/**
 * Who owns what from now on: whoever does still, else the first by name of those that announce it. Gateways write this
 * where it is not written yet, and follow what is: of two that look at different moments the first decides for both.
 */
export function nextOwners(announcements: Announcements, owners: Owners): Owners {
  const next = new Map<Claim, string>();
  for (const [claim, announcers] of announcersOf(announcements)) {
    const owner = owners.get(claim);
    const names = [...announcers.keys()].sort();
    const [first] = names;
    if (owner !== undefined && announcers.has(owner)) next.set(claim, owner);
    else if (first !== undefined) next.set(claim, first);
  }
  return next;
}

/** The changes from owners as they are to owners as they should be. */
export function ownerChanges(from: Owners, to: Owners): readonly OwnerChange[] {
  const claims = new Set([...from.keys(), ...to.keys()]);
  return [...claims]
    .map((claim) => ({ claim, from: from.get(claim) ?? null, to: to.get(claim) ?? null }))
    .filter((change) => change.from !== change.to);
}

/** Applications that announce what another one owns, in the order of claims and names. */
export function conflictsOf(announcements: Announcements, owners: Owners): readonly ClaimConflict[] {
  return [...announcersOf(announcements)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([claim, announcers]) => {
      const owner = owners.get(claim);
      if (owner === undefined) return [];
      return [...announcers]
        .filter(([application]) => application !== owner)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([application, hosts]) => ({ claim, owner, application, hosts: [...hosts].sort() }));
    });
}

/** A conflict in words. */
export function conflictReason({ claim, owner, application, hosts }: ClaimConflict): string {
  const [kind, what = ""] = claim.split(":");
  const mine = kind === "port" ? `port ${what}` : what;
  const whose =
    owner === SHARED ? "carries domains" : application === SHARED ? `belongs to ${owner} alone` : `belongs to ${owner}`;
  const who = application === SHARED ? "the domains" : `application ${application}`;
  return `${mine} ${whose}, which announced it first: ${who} of ${hosts.join(", ")} cannot have it`;
}

/**
 * Announced applications as services: one for each domain and port, with the hosts that announce that very domain and
 * port for it. What an application does not own is left out.
 */
export function servicesOf(announcements: Announcements, owners: Owners): readonly Balanced[] {
  const services = new Map<string, Balanced & { readonly members: Member[] }>();
  for (const [, { applications }] of inHostOrder(announcements))
    for (const application of applications)
      for (const domain of application.protocol === "tcp" ? [undefined] : application.domains) {
        if (!isOwned(application, domain, owners)) continue;
        const name = [application.name, application.listenPort, domain].filter(Boolean).join(":");
        const service = services.get(name) ?? serviceFor(name, application, domain);
        services.set(name, service);
        const isThere = service.members.some(({ address }) => address.text === application.target.text);
        if (!isThere) service.members.push(plainMember(application.target));
      }
  return [...services.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether a text is a claim: what stands where owners are kept may be anything. */
export function isClaim(text: string): text is Claim {
  return /^(domain:[a-z0-9.-]{1,253}|port:[1-9]\d{0,4})$/.test(text);
}

/** All that is refused in announcements, by host and in their order. */
export function refusedParts(announcements: Announcements): readonly (RefusedPart & { readonly host: string })[] {
  return inHostOrder(announcements).flatMap(([host, { refused }]) => refused.map((part) => ({ host, ...part })));
}

/** What is announced now, with what was known before. */
export type Settling = {
  readonly known: Announcements;
  /** Undefined while it cannot be read. */
  readonly seen: Announcements | undefined;
  /** Whether what is seen may be incomplete: the server that keeps announcements has lost all a moment ago. */
  readonly isIncomplete: boolean;
};

/**
 * What to go by: all that is seen. While nothing can be seen, what was known; while what is seen may be incomplete, what
 * was known of the hosts that have not announced themselves again.
 */
export function settle({ known, seen, isIncomplete }: Settling): Announcements {
  if (seen === undefined) return known;
  return isIncomplete ? new Map([...known, ...seen]) : seen;
}

/** Every claim that is announced, with those that would own it and their hosts. */
function announcersOf(announcements: Announcements): Map<Claim, Map<string, string[]>> {
  const announcers = new Map<Claim, Map<string, string[]>>();
  for (const [host, { applications }] of announcements)
    for (const application of applications)
      for (const [claim, owner] of claimsOf(application)) {
        const byOwner = announcers.get(claim) ?? new Map<string, string[]>();
        announcers.set(claim, byOwner);
        byOwner.set(owner, [...(byOwner.get(owner) ?? []), host]);
      }
  return announcers;
}

function claimsOf({ name, protocol, domains, listenPort }: Application): readonly (readonly [Claim, string])[] {
  if (protocol === "tcp") return [[`port:${listenPort}`, name]];
  return [[`port:${listenPort}`, SHARED], ...domains.map((domain) => [`domain:${domain}`, name] as const)];
}

function isOwned({ name, listenPort }: Application, domain: string | undefined, owners: Owners): boolean {
  const port = owners.get(`port:${listenPort}`);
  return domain === undefined ? port === name : port === SHARED && owners.get(`domain:${domain}`) === name;
}

function serviceFor(
  name: string,
  { listenPort, protocol }: Application,
  domain: string | undefined,
): Balanced & { readonly members: Member[] } {
  return {
    name,
    port: listenPort,
    protocol,
    names: domain === undefined ? [] : [domain],
    policy: "round-robin",
    probe: { kind: "tcp" },
    members: [],
  };
}

function inHostOrder(announcements: Announcements): readonly [string, Announcement][] {
  return [...announcements].sort(([a], [b]) => (a < b ? -1 : 1));
}
