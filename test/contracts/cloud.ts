import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { inspect } from "node:util";
import { CloudFault, type CloudFaultReason, type DropletOrder } from "../../apps/core/fleet/cloud.ts";
import type { CloudDns } from "../../apps/core/fleet/dns.ts";
import type { Cloud } from "../../apps/core/fleet/contract.ts";
import type { PreparePorts } from "../../apps/core/fleet/prepare-cloud.ts";

/** Faults that a cloud of these suites can be made to have. */
export type CloudTrouble =
  | "rate-limit"
  | "server-error"
  | "hang"
  | "answer-lost"
  | "half-answer"
  | "droplet-limit"
  | "out-of-stock"
  | "never-active"
  | "delete-refused"
  | "delete-ignored";

/** An account without droplets, to hold an adapter to its contract, real or a twin. */
export type CloudBed = {
  readonly cloud: Cloud & PreparePorts["cloud"] & CloudDns;
  readonly clock: () => Date;
  /** Waits until orders are active, tags listed and deletions done. */
  readonly settle: () => Promise<void>;
  /** Has something go wrong, with every call that it can happen to. */
  readonly trouble: (kind: CloudTrouble) => void;
  readonly calm: () => void;
  /** Puts an active droplet there that was not ordered. */
  readonly add: (droplet: { readonly name: string; readonly tags: readonly string[] }) => { readonly id: number };
  /** Names of all droplets there are, listed or not. */
  readonly existing: () => readonly string[];
  /** Names of all orders that were accepted. */
  readonly everMade: () => readonly string[];
  readonly firewalls: () => Promise<readonly { readonly name: string; readonly ports: readonly string[] }[]>;
  readonly close: () => Promise<void>;
};

/** Opens an account; the suite closes it. `dropletLimit` is 25 when it is not given; it serves these domains. */
export type OpenCloud = (settings?: {
  readonly dropletLimit?: number;
  readonly domains?: readonly string[];
}) => Promise<CloudBed>;

const TAG = "getaredis-test";
const order: DropletOrder = {
  name: "host-1",
  tag: TAG,
  region: "fra1",
  size: "s-1vcpu-2gb",
  image: "debian-12-x64",
  vpc: undefined,
  sshKeys: [],
  userData: "#!/bin/sh\n# for this host alone\n",
};
const inbound = [
  { protocol: "tcp", ports: "20000-20039", sources: ["0.0.0.0/0", "::/0"] },
  { protocol: "tcp", ports: "2376", sources: ["10.135.0.0/16"] },
] as const;

/** What every adapter of a cloud keeps to. */
export function describeCloudContract(open: OpenCloud): void {
  describe("the cloud", () => {
    const beds: CloudBed[] = [];
    const openBed: OpenCloud = async (settings) => {
      const bed = await open(settings);
      beds.push(bed);
      return bed;
    };
    afterEach(async () => {
      for (const { close } of beds.splice(0)) await close();
    });
    const namesOf = (droplets: readonly { readonly name: string }[]) => droplets.map(({ name }) => name).sort();

    describe("droplets", () => {
      it("are new without addresses at first, and active with a public and a private one later", async () => {
        const { cloud, settle, clock } = await openBed();
        const made = await cloud.createDroplet(order);
        assert.ok(Math.abs(made.createdAt.getTime() - clock().getTime()) < 60_000);
        assert.deepEqual(
          [
            made.name,
            made.status,
            made.publicIp,
            made.privateIp,
            made.region,
            made.size,
            made.memoryMb,
            made.hourlyPrice,
          ],
          ["host-1", "new", null, null, "fra1", "s-1vcpu-2gb", 2048, 0.01786],
        );
        await settle();
        const later = await cloud.getDroplet(made.id);
        assert.equal(later?.status, "active");
        assert.match(later.publicIp ?? "", /^203\.0\.113\.\d+$/);
        assert.match(later.privateIp ?? "", /^10\.135\.\d+\.\d+$/);
      });

      it("are listed by their tag, all of them, and no others", async () => {
        const { cloud, add } = await openBed();
        for (let number = 0; number < 250; number++) add({ name: `host-${number}`, tags: [TAG, "more"] });
        for (const tags of [[], [`${TAG}-2`]]) add({ name: "other", tags });
        assert.deepEqual(
          namesOf(await cloud.listDroplets(TAG)),
          Array.from({ length: 250 }, (_, number) => `host-${number}`).sort(),
        );
      });

      it("are found by their exact name while their tag lags behind", async () => {
        const { cloud, add, settle } = await openBed();
        const made = await cloud.createDroplet(order);
        add({ name: "HOST-1", tags: [] });
        add({ name: "host-12", tags: [] });
        assert.deepEqual(await cloud.listDroplets(TAG), []);
        assert.deepEqual(
          (await cloud.findDroplets("host-1")).map(({ id }) => id),
          [made.id],
        );
        await settle();
        assert.deepEqual(
          (await cloud.listDroplets(TAG)).map(({ id }) => id),
          [made.id],
        );
      });

      it("are deleted by their id alone, and it does no harm to do it again", async () => {
        const { cloud, add, settle, existing } = await openBed();
        const { id } = add({ name: "host-1", tags: [TAG] });
        add({ name: "host-2", tags: [TAG] });
        assert.equal(await cloud.deleteDroplet(id), "deleting");
        assert.equal((await cloud.getDroplet(id))?.id, id, "it is there a moment longer");
        assert.equal(await cloud.deleteDroplet(id), "deleting");
        await settle();
        assert.equal(await cloud.deleteDroplet(id), "gone");
        assert.equal(await cloud.getDroplet(id), undefined);
        assert.deepEqual(existing(), ["host-2"]);
      });

      it("of one name may be several, each with a number of its own", async () => {
        const { cloud } = await openBed();
        const [one, two] = [await cloud.createDroplet(order), await cloud.createDroplet(order)];
        assert.notEqual(one.id, two.id);
        assert.equal((await cloud.findDroplets(order.name)).length, 2);
      });
    });

    describe("a fault", () => {
      const table: readonly (readonly [CloudTrouble, CloudFaultReason, CloudFault["effect"], made: number])[] = [
        ["rate-limit", "rate-limited", "none", 0],
        ["server-error", "server-error", "unknown", 0],
        ["hang", "timeout", "unknown", 0],
        ["answer-lost", "unreachable", "unknown", 1],
        ["half-answer", "refused", "unknown", 1],
        ["droplet-limit", "droplet-limit", "none", 0],
        ["out-of-stock", "out-of-stock", "none", 0],
      ];
      for (const [kind, reason, effect, made] of table)
        it(`of kind ${kind} ends an order with ${reason}, its effect ${effect}, and ${made} droplets`, async () => {
          const bed = await openBed();
          bed.trouble(kind);
          const fault = await faultOf(bed.cloud.createDroplet(order));
          assert.deepEqual([fault.reason, fault.effect], [reason, effect]);
          bed.calm();
          assert.equal((await bed.cloud.findDroplets(order.name)).length, made);
          assert.equal(bed.everMade().length, made);
        });

      for (const [kind, reason] of [
        ["server-error", "server-error"],
        ["answer-lost", "unreachable"],
        ["hang", "timeout"],
        ["rate-limit", "rate-limited"],
      ] as const)
        it(`of kind ${kind} that does not pass ends a read with ${reason} and no effect`, async () => {
          const bed = await openBed();
          const { id } = bed.add({ name: "host-1", tags: [TAG] });
          bed.trouble(kind);
          const looks = [bed.cloud.listDroplets(TAG), bed.cloud.findDroplets("host-1"), bed.cloud.getDroplet(id)];
          for (const fault of await Promise.all(looks.map(faultOf)))
            assert.deepEqual([fault.reason, fault.effect], [reason, "none"]);
        });

      it("says none of an order that the cloud refuses, and its words", async () => {
        const { cloud, everMade } = await openBed();
        const refused: Record<string, Partial<DropletOrder>> = {
          "valid hostname characters": { name: "host_1" },
          "invalid size": { size: "huge" },
          "invalid image": { image: "plan9" },
          "invalid region": { region: "moon1" },
          "512190": { sshKeys: ["512190"] },
          "64 KiB": { userData: "x".repeat(64 * 1024 + 1) },
          "invalid VPC": { vpc: "nowhere" },
        };
        for (const [words, change] of Object.entries(refused)) {
          const fault = await faultOf(cloud.createDroplet({ ...order, ...change }));
          assert.deepEqual([fault.reason, fault.effect], ["refused", "none"]);
          assert.match(fault.message, new RegExp(words));
        }
        assert.deepEqual(everMade(), []);
      });

      it("of the account's droplet limit comes from the limit itself", async () => {
        const { cloud } = await openBed({ dropletLimit: 1 });
        await cloud.createDroplet(order);
        const fault = await faultOf(cloud.createDroplet({ ...order, name: "host-2" }));
        assert.deepEqual([fault.reason, fault.effect], ["droplet-limit", "none"]);
      });

      it("of another event on the droplet is reported as busy, and the droplet stays", async () => {
        const bed = await openBed();
        const { id } = bed.add({ name: "host-1", tags: [TAG] });
        bed.trouble("delete-refused");
        assert.equal((await faultOf(bed.cloud.deleteDroplet(id))).reason, "busy");
        await bed.settle();
        assert.deepEqual(bed.existing(), ["host-1"]);
      });

      it("may be silent: a deletion without effect, and a droplet that never becomes active", async () => {
        const bed = await openBed();
        const { id } = bed.add({ name: "host-2", tags: [TAG] });
        bed.trouble("delete-ignored");
        bed.trouble("never-active");
        assert.equal(await bed.cloud.deleteDroplet(id), "deleting");
        const made = await bed.cloud.createDroplet(order);
        await bed.settle();
        assert.equal((await bed.cloud.getDroplet(id))?.status, "active");
        assert.equal((await bed.cloud.getDroplet(made.id))?.status, "new");
      });
    });

    describe("what droplets need around them", () => {
      it("is made once, and corrected when it differs: the firewall", async () => {
        const { cloud, firewalls } = await openBed();
        await cloud.ensureTag(TAG);
        await cloud.ensureTag(TAG);
        const plan = { name: "ours", tag: TAG, inbound };
        await cloud.ensureFirewall(plan);
        await cloud.ensureFirewall({ ...plan, inbound: [...inbound].reverse() });
        assert.deepEqual(
          (await firewalls()).map(({ name, ports }) => [name, [...ports].sort()]),
          [["ours", ["20000-20039", "2376"]]],
        );
        await cloud.ensureFirewall({ ...plan, inbound: inbound.slice(0, 1) });
        assert.deepEqual(await firewalls(), [{ name: "ours", ports: ["20000-20039"] }]);
      });

      it("fails without its tag", async () => {
        const { cloud } = await openBed();
        const fault = await faultOf(cloud.ensureFirewall({ name: "ours", tag: TAG, inbound }));
        assert.equal(fault.reason, "refused");
      });
    });

    describe("its DNS", () => {
      const domain = "example.org";
      const record = { type: "A", name: "*.redis.example.org", data: "203.0.113.7", ttlSeconds: 30 } as const;

      it("has the records that were made, by their whole names, in the domain that was named", async () => {
        const { cloud } = await openBed({ domains: [domain, "example.net"] });
        assert.deepEqual([...(await cloud.listDomains())].sort(), ["example.net", domain]);
        await cloud.createRecord(domain, record);
        await cloud.createRecord(domain, { ...record, name: domain });
        await cloud.createRecord(domain, { ...record, type: "TXT", data: "a=b address=203.0.113.7" });
        const records = await cloud.listRecords(domain);
        assert.equal(new Set(records.map(({ id }) => id)).size, 3);
        assert.deepEqual(
          records.map(({ type, name, data, ttlSeconds }) => ({ type, name, data, ttlSeconds })),
          [record, { ...record, name: domain }, { ...record, type: "TXT", data: "a=b address=203.0.113.7" }],
        );
        assert.deepEqual(await cloud.listRecords("example.net"), []);
      });

      it("has every record of a long list, and no other kind of record", async () => {
        const { cloud } = await openBed({ domains: [domain] });
        for (let number = 1; number <= 220; number++)
          await cloud.createRecord(domain, { ...record, data: `203.0.113.${number}` });
        const records = await cloud.listRecords(domain);
        assert.deepEqual([records.length, new Set(records.map(({ data }) => data)).size], [220, 220]);
      });

      it("changes a record's TTL and nothing else of it, and deletes it; again does no harm", async () => {
        const { cloud } = await openBed({ domains: [domain] });
        await cloud.createRecord(domain, record);
        await cloud.createRecord(domain, { ...record, data: "203.0.113.8" });
        const [first, second] = await cloud.listRecords(domain);
        assert.ok(first && second);
        await cloud.setRecordTtl(domain, first, 60);
        assert.deepEqual(await cloud.listRecords(domain), [{ ...first, ttlSeconds: 60 }, second]);
        await cloud.deleteRecord(domain, first.id);
        await cloud.deleteRecord(domain, first.id);
        assert.deepEqual(await cloud.listRecords(domain), [second]);
      });

      it("says none of a record that the cloud refuses, and its words", async () => {
        const { cloud } = await openBed({ domains: [domain] });
        for (const [words, work] of [
          ["IP address", cloud.createRecord(domain, { ...record, data: "gateway" })],
          ["TTL", cloud.createRecord(domain, { ...record, ttlSeconds: 29 })],
          ["could not be found", cloud.createRecord("example.com", record)],
          ["could not be found", cloud.listRecords("example.com")],
        ] as const) {
          const fault = await faultOf(work);
          assert.deepEqual([fault.reason, fault.effect], ["refused", "none"]);
          assert.match(fault.message, new RegExp(words));
        }
        assert.deepEqual(await cloud.listRecords(domain), []);
      });

      for (const [kind, reason, effect, made] of [
        ["rate-limit", "rate-limited", "none", 0],
        ["server-error", "server-error", "unknown", 0],
        ["hang", "timeout", "unknown", 0],
        ["answer-lost", "unreachable", "unknown", 1],
        ["half-answer", "refused", "unknown", 1],
      ] as const)
        it(`makes ${made} records when a fault of kind ${kind} strikes, and says ${effect}`, async () => {
          const bed = await openBed({ domains: [domain] });
          bed.trouble(kind);
          const fault = await faultOf(bed.cloud.createRecord(domain, record));
          assert.deepEqual([fault.reason, fault.effect], [reason, effect]);
          bed.calm();
          assert.equal((await bed.cloud.listRecords(domain)).length, made);
        });
    });

    it("reports the account's limit and state", async () => {
      const { cloud } = await openBed({ dropletLimit: 3 });
      assert.deepEqual(await cloud.readAccount(), { dropletLimit: 3, status: "active", statusMessage: "" });
    });

    it("has no objections to what can be ordered, and one for each thing that cannot", async () => {
      const { cloud } = await openBed();
      const fine = { region: "fra1", sizes: ["s-1vcpu-2gb", "s-2vcpu-4gb"], image: "debian-12-x64", vpc: undefined };
      assert.deepEqual(await cloud.checkOffer(fine), []);
      assert.deepEqual(await cloud.checkOffer({ ...fine, sizes: ["huge"], image: "plan9", vpc: "nowhere" }), [
        "There is no droplet size huge.",
        "There is no image plan9.",
        "There is no private network nowhere.",
      ]);
      const [only, ...others] = await cloud.checkOffer({ ...fine, region: "mars1" });
      assert.match(only ?? "", /^There is no region mars1\b/);
      assert.deepEqual(others, []);
    });
  });
}

async function faultOf(work: Promise<unknown>): Promise<CloudFault> {
  const fault: unknown = await work.then(
    () => assert.fail("it worked"),
    (error: unknown) => error,
  );
  assert.ok(fault instanceof CloudFault, `not a CloudFault: ${inspect(fault)}`);
  return fault;
}
