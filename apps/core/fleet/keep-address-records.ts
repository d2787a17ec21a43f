import { whileKnown } from "../../lib/unavailable.ts";
import type { Events } from "../events/contract.ts";
import type { Happening } from "../events/event.ts";
import { CloudFault } from "./cloud.ts";
import {
  decideRecords,
  edgeName,
  markName,
  markText,
  unwatched,
  watchAddresses,
  type AddressRules,
  type PresentGateway,
  type RecordStep,
} from "./address-records.ts";
import { domainOf, type CloudDns, type DnsRecord } from "./dns.ts";

/** What keeping the address records needs. */
export type AddressRecordPorts = {
  readonly dns: CloudDns;
  /** The gateways whose signs of life are there now. @throws Unavailable when Redis does not answer */
  readonly readGateways: () => Promise<readonly PresentGateway[]>;
  readonly store: { readonly events: Pick<Events, "add"> };
  readonly clock: () => Date;
  readonly rules: AddressRules;
};

type Hold = Extract<RecordStep, { kind: "hold" }>;
type Change = Exclude<RecordStep, Hold>;

/** Who lives is read in each run; the records this often, and before each change: the cloud's calls are limited. */
const LOOK_MS = 60_000;
const FIRST_PAUSE_MS = 5_000;
/** Shorter than the time in which an alarm has to be told again. */
const LONGEST_PAUSE_MS = 120_000;

/**
 * Has the A records of the edge follow its gateways. What it gives back is called every few seconds, by one process
 * of all; it may be killed at any line, and the next one goes on from what the records themselves say.
 * @returns what was done, and what must wait
 */
export function keepAddressRecords({ dns, readGateways, store, clock, rules }: AddressRecordPorts) {
  let zone: { readonly domain: string; readonly records: readonly DnsRecord[] } | undefined;
  /** When the records were read; before that, when what they say is not true any more. */
  let readAt = -Infinity;
  let watch = unwatched;
  let quietUntil = -Infinity;
  let pauseMs = FIRST_PAUSE_MS;
  let held: { readonly text: string; readonly at: number } | undefined;

  return async (): Promise<readonly RecordStep[]> => {
    const now = clock().getTime();
    const present = await whileKnown(readGateways(), "redis");
    const decide = () => {
      const records = zone?.records ?? [];
      watch = watchAddresses(watch, present, records, rules, now);
      return decideRecords(present, records, watch, rules, now);
    };
    let steps = decide();
    if (now < quietUntil) return [];
    try {
      if (now - readAt >= LOOK_MS || steps.some(isChange)) {
        if (!(await read(now))) {
          quietUntil = now + LOOK_MS;
          return await wait([noDomain(rules)], now);
        }
        steps = decide();
      }
      const changes = steps.filter(isChange);
      // However they end: the next run reads what has become of them.
      if (changes.length > 0) readAt = -Infinity;
      for (const change of changes) await perform(change);
      pauseMs = FIRST_PAUSE_MS;
      return [...changes, ...(await wait(steps.filter(isHold), now))];
    } catch (fault) {
      if (!(fault instanceof CloudFault)) throw fault;
      readAt = -Infinity;
      quietUntil = now + pauseMs;
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
      const reason = `the address records cannot be kept (${fault.message})`;
      return await wait([{ kind: "hold", alarm: true, reason }], now);
    }
  };

  /** @returns whether there is a domain that the edge's is in */
  async function read(now: number): Promise<boolean> {
    const domain = domainOf(rules.edgeDomain, await dns.listDomains());
    zone = domain === undefined ? undefined : { domain, records: await dns.listRecords(domain) };
    readAt = now;
    return zone !== undefined;
  }

  async function perform(change: Change): Promise<void> {
    if (zone === undefined) return;
    const { domain } = zone;
    const { ttlSeconds } = rules;
    const { reason } = change;
    switch (change.kind) {
      case "add": {
        const { address, isMarked } = change;
        // First: a record without its mark would be nobody's.
        if (!isMarked)
          await dns.createRecord(domain, {
            type: "TXT",
            name: markName(rules),
            data: markText(rules, address),
            ttlSeconds,
          });
        await dns.createRecord(domain, { type: "A", name: edgeName(rules), data: address, ttlSeconds });
        return note({ kind: "add-address", reason, data: { address } });
      }
      case "set-ttl":
        await dns.setRecordTtl(domain, change.record, ttlSeconds);
        return note({ kind: "edge-dns", reason: `${change.record.data}: ${reason}` });
      case "remove":
        for (const { id } of [...change.records, ...change.marks]) await dns.deleteRecord(domain, id);
        return note({ kind: "remove-address", reason, data: { address: change.address } });
    }
  }

  /** What waits is told when it is new, and again from time to time: an alarm goes on while it is reported. */
  async function wait(holds: readonly Hold[], now: number): Promise<readonly Hold[]> {
    const text = JSON.stringify(holds);
    if (held?.text === text && now - held.at < LOOK_MS) return [];
    held = { text, at: now };
    for (const { alarm, reason } of holds) await note({ kind: "edge-dns", alarm, reason });
    return holds;
  }

  function note(event: Happening): Promise<void> {
    return store.events.add({ actor: "edge-dns", ...event }, clock());
  }
}

/** Addresses that names under the edge's domain lead to now, whoever has made the records. */
export function readEdgeAddresses(edgeDomain: string, dns: CloudDns): () => Promise<ReadonlySet<string>> {
  return async () => {
    const domain = domainOf(edgeDomain, await dns.listDomains());
    const records = domain === undefined ? [] : await dns.listRecords(domain);
    const name = edgeName({ edgeDomain });
    return new Set(records.flatMap((record) => (record.type === "A" && record.name === name ? record.data : [])));
  };
}

function noDomain({ edgeDomain }: AddressRules): Hold {
  return {
    kind: "hold",
    alarm: true,
    reason:
      `the account has no domain that ${edgeDomain} is in: add it in DigitalOcean (Networking, Domains), ` +
      "or set EDGE_DNS=none and keep the records yourself",
  };
}

function isHold(step: RecordStep): step is Hold {
  return step.kind === "hold";
}

function isChange(step: RecordStep): step is Change {
  return step.kind !== "hold";
}
