import { isIPv4 } from "node:net";
import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";
import { apiErrors } from "./api-error.ts";

/** A record of a domain, as the API reports it; its name leaves out the domain's, and is @ for the domain itself. */
export type LabRecord = {
  readonly id: number;
  readonly type: string;
  readonly name: string;
  readonly data: string;
  readonly priority: number | null;
  readonly port: number | null;
  readonly ttl: number;
  readonly weight: number | null;
  readonly flags: number | null;
  readonly tag: string | null;
};

const Whole = Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]));
const Body = Type.Object({
  type: Type.String(),
  name: Type.Optional(Type.String()),
  data: Type.Optional(Type.String()),
  ttl: Type.Optional(Type.Union([Type.Integer(), Type.Null()])),
  priority: Whole,
  port: Whole,
  weight: Whole,
  flags: Whole,
  tag: Type.Optional(Type.Union([Type.String(), Type.Null()])),
});
const bodySchema = Compile(Body);
const domainSchema = Compile(Type.Object({ name: Type.String(), ip_address: Type.Optional(Type.String()) }));

const USUAL_TTL = 1800;
const LEAST_TTL = 30;
const TYPES = ["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT"];
const LABEL = /^(\*|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)$/;

/** The account's domains and their records. */
export function createDomains() {
  const domains = new Map<string, LabRecord[]>();
  let lastId = Math.floor(Date.now() / 1000);

  /** @throws ApiError that says what is wrong with it */
  function create(body: unknown): object {
    if (!domainSchema.Check(body)) throw apiErrors.badRequest();
    const name = body.name.toLowerCase();
    if (!name.includes(".") || !name.split(".").every((label) => LABEL.test(label) && label !== "*"))
      throw apiErrors.unprocessable("Name is invalid");
    if (domains.has(name)) throw apiErrors.unprocessable("Name already exists");
    domains.set(name, [
      { ...nothing, id: ++lastId, type: "SOA", name: "@", data: String(USUAL_TTL), ttl: USUAL_TTL },
      ...[1, 2, 3].map((number) => ({
        ...nothing,
        ...{ id: ++lastId, type: "NS", name: "@", data: `ns${number}.digitalocean.com`, ttl: USUAL_TTL },
      })),
    ]);
    if (body.ip_address !== undefined) createRecord(name, { type: "A", name: "@", data: body.ip_address });
    return domainJson(name);
  }

  /** @throws ApiError when there is none */
  function recordsOf(domain: string): LabRecord[] {
    const records = domains.get(domain.toLowerCase());
    if (!records) throw apiErrors.notFound();
    return records;
  }

  function remove(domain: string): void {
    recordsOf(domain);
    domains.delete(domain.toLowerCase());
  }

  function createRecord(domain: string, body: unknown): LabRecord {
    const records = recordsOf(domain);
    const record = { ...check(body, records), id: ++lastId };
    records.push(record);
    return record;
  }

  function findRecord(domain: string, id: number): LabRecord {
    const record = recordsOf(domain).find((each) => each.id === id);
    if (!record) throw apiErrors.notFound();
    return record;
  }

  /** Changes those fields of a record that the body has. */
  function updateRecord(domain: string, id: number, body: unknown): LabRecord {
    const records = recordsOf(domain);
    const former = findRecord(domain, id);
    if (typeof body !== "object" || body === null) throw apiErrors.badRequest();
    const others = records.filter((record) => record !== former);
    const record = { ...check({ ...former, ...body }, others), id };
    records.splice(records.indexOf(former), 1, record);
    return record;
  }

  function removeRecord(domain: string, id: number): void {
    const records = recordsOf(domain);
    records.splice(records.indexOf(findRecord(domain, id)), 1);
  }

  return {
    create,
    list: () => [...domains.keys()].map(domainJson),
    get: (domain: string) => {
      recordsOf(domain);
      return domainJson(domain.toLowerCase());
    },
    remove,
    recordsOf,
    findRecord,
    createRecord,
    updateRecord,
    removeRecord,
    names: () => [...domains.keys()],
  };
}

export type Domains = ReturnType<typeof createDomains>;

/** The whole name of a record, without a dot at its end. */
export function wholeName({ name }: Pick<LabRecord, "name">, domain: string): string {
  return name === "@" ? domain : `${name}.${domain}`;
}

const nothing = { priority: null, port: null, weight: null, flags: null, tag: null };

function domainJson(name: string): object {
  return { name, ttl: USUAL_TTL, zone_file: null };
}

function check(body: unknown, others: readonly LabRecord[]): Omit<LabRecord, "id"> {
  if (!bodySchema.Check(body)) throw apiErrors.badRequest();
  const { type, data } = body;
  if (!TYPES.includes(type)) throw apiErrors.unprocessable("Type is not valid");
  const name = (body.name ?? "").toLowerCase();
  const labels = name.split(".");
  if (name !== "@" && !labels.every((label, index) => LABEL.test(label) && (label !== "*" || index === 0)))
    throw apiErrors.unprocessable("Name Only valid hostname characters are allowed.");
  if (data === undefined || data === "") throw apiErrors.unprocessable("Data can't be blank");
  if (type === "A" && !isIPv4(data)) throw apiErrors.unprocessable("Data needs to be in the format of an IP address.");
  const ttl = body.ttl ?? USUAL_TTL;
  if (ttl < LEAST_TTL) throw apiErrors.unprocessable(`TTL must be greater than or equal to ${LEAST_TTL}`);
  const sharing = others.filter((other) => other.name === name);
  if (sharing.some((other) => (other.type === "CNAME") !== (type === "CNAME") || type === "CNAME"))
    throw apiErrors.unprocessable("CNAME records cannot share a name with other records");
  return { ...fieldsOf(body), type, name, data, ttl };
}

function fieldsOf({ priority, port, weight, flags, tag }: Static<typeof Body>) {
  return {
    priority: priority ?? null,
    port: port ?? null,
    weight: weight ?? null,
    flags: flags ?? null,
    tag: tag ?? null,
  };
}
