/** A record of a domain. */
export type DnsRecord = {
  readonly id: number;
  readonly type: string;
  /** Whole, without a dot at its end: *.redis.example.org. */
  readonly name: string;
  /** Of an A record, an IPv4 address; of a TXT record, its text. */
  readonly data: string;
  readonly ttlSeconds: number;
};

/** A record as it is asked for. */
export type NewDnsRecord = Omit<DnsRecord, "id" | "type"> & { readonly type: "A" | "TXT" };

/** The cloud's DNS. Calls throw `CloudFault` when they fail. */
export type CloudDns = {
  /** Names of the domains that the account serves. */
  readonly listDomains: () => Promise<readonly string[]>;
  /** All A and TXT records of a domain. */
  readonly listRecords: (domain: string) => Promise<readonly DnsRecord[]>;
  /** One request, never repeated. */
  readonly createRecord: (domain: string, record: NewDnsRecord) => Promise<void>;
  readonly setRecordTtl: (domain: string, record: DnsRecord, ttlSeconds: number) => Promise<void>;
  /** Success when there is no such record any more. */
  readonly deleteRecord: (domain: string, id: number) => Promise<void>;
};

/** The domain that a name is in, the nearest one when several hold it; undefined when none does. */
export function domainOf(name: string, domains: readonly string[]): string | undefined {
  return domains
    .filter((domain) => name === domain || name.endsWith(`.${domain}`))
    .sort((one, other) => other.length - one.length)[0];
}
