import { isIPv4 } from "node:net";
import type { CloudDns, DnsRecord, NewDnsRecord } from "../core/fleet/dns.ts";
import { CloudFault } from "../core/fleet/cloud.ts";
import type { Effects } from "./turns.ts";

const LEAST_TTL_SECONDS = 30;

/** The cloud's DNS in memory, with these domains, which have no records at first. */
export function dnsEffects(domains: readonly string[]) {
  const zones = new Map<string, DnsRecord[]>(domains.map((name) => [name, []]));
  let lastId = 0;

  function zoneOf(domain: string): DnsRecord[] {
    const zone = zones.get(domain);
    if (!zone) throw refusal("The resource you requested could not be found.");
    return zone;
  }

  function create(domain: string, record: NewDnsRecord): void {
    const zone = zoneOf(domain);
    if (record.type === "A" && !isIPv4(record.data)) throw refusal("Data needs to be in the format of an IP address.");
    if (record.ttlSeconds < LEAST_TTL_SECONDS)
      throw refusal(`TTL must be greater than or equal to ${LEAST_TTL_SECONDS}`);
    zone.push({ id: ++lastId, ...record });
  }

  const effects: Effects<CloudDns> = {
    listDomains: () => [...zones.keys()],
    listRecords: (domain) => [...zoneOf(domain)],
    createRecord: create,
    setRecordTtl: (domain, { id }, ttlSeconds) => {
      const zone = zoneOf(domain);
      const index = zone.findIndex((record) => record.id === id);
      const known = zone[index];
      if (!known) throw refusal("The resource you requested could not be found.");
      zone[index] = { ...known, ttlSeconds };
    },
    deleteRecord: (domain, id) => {
      const zone = zoneOf(domain);
      const index = zone.findIndex((record) => record.id === id);
      if (index >= 0) zone.splice(index, 1);
    },
  };

  return { effects, records: (domain: string): readonly DnsRecord[] => [...zoneOf(domain)] };
}

function refusal(why: string): CloudFault {
  return new CloudFault("refused", "none", new Error(why));
}
