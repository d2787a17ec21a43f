import type { CloudDns, DnsRecord, NewDnsRecord } from "../../core/fleet/dns.ts";
import type { Calls } from "./calls.ts";
import { services } from "./library.ts";
import { listAll } from "./lists.ts";
import { domainShape, recordShape, type RecordAnswer } from "./shapes.ts";

/** What a domain's own name is called among its records. */
const APEX = "@";

/** The account's domains and their records. */
export function createDomains(calls: Calls): CloudDns {
  async function listDomains(): Promise<string[]> {
    const list = { route: "/domains", key: "domains", item: domainShape };
    return (await listAll(calls, list, calls.deadline())).map(({ name }) => name.toLowerCase());
  }

  async function listRecords(domain: string): Promise<DnsRecord[]> {
    const list = {
      route: "/domains/:domain/records",
      path: `/domains/${domain}/records`,
      key: "domain_records",
      item: recordShape,
    };
    const records = await listAll(calls, list, calls.deadline());
    // One that is made between two pages pushes another from the first to the next.
    return [...new Map(records.map((record) => [record.id, toRecord(domain, record)])).values()].filter(
      ({ type }) => type === "A" || type === "TXT",
    );
  }

  /** One request that is never repeated: the next look shows whether the record has come to be. */
  async function createRecord(domain: string, record: NewDnsRecord): Promise<void> {
    const ask = { method: "POST", route: "/domains/:domain/records" } as const;
    const made: unknown = await calls.once({
      ...ask,
      request: () => services.domainRecords.createDomainRecord(domain, bodyOf(domain, record)),
    });
    if (!recordShape.fits(made)) throw calls.misshapen(ask, recordShape.misfit(made));
  }

  async function setRecordTtl(domain: string, { id, ...record }: DnsRecord, ttlSeconds: number): Promise<void> {
    const ask = { method: "PUT", route: "/domains/:domain/records/:id" } as const;
    const body = bodyOf(domain, { ...record, ttlSeconds });
    await calls.untilAnswered(
      { ...ask, request: () => services.domainRecords.updateDomainRecord(domain, id, body) },
      calls.deadline(),
    );
  }

  async function deleteRecord(domain: string, id: number): Promise<void> {
    await calls.unlessMissing(
      {
        method: "DELETE",
        route: "/domains/:domain/records/:id",
        request: () => services.domainRecords.deleteDomainRecord(domain, id),
      },
      calls.deadline(),
    );
  }

  return { listDomains, listRecords, createRecord, setRecordTtl, deleteRecord };
}

type RecordBody = Parameters<typeof services.domainRecords.createDomainRecord>[1];

function bodyOf(domain: string, { type, name, data, ttlSeconds }: Omit<DnsRecord, "id">): RecordBody {
  const relative = name === domain ? APEX : name.slice(0, -domain.length - 1);
  return { type: type as NonNullable<RecordBody["type"]>, name: relative, data, ttl: ttlSeconds };
}

function toRecord(domain: string, { id, type, name, data, ttl }: RecordAnswer): DnsRecord {
  const whole = name === APEX ? domain : `${name.toLowerCase()}.${domain}`;
  // Zone files have quotes around texts.
  const text = type === "TXT" ? data.replace(/^"(.*)"$/, "$1") : data;
  return { id, type, name: whole, data: text, ttlSeconds: ttl };
}
