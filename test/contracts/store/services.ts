import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addressAt } from "../../../apps/core/balance/address.ts";
import type { DeclaredService } from "../../../apps/core/balance/desired.ts";
import { plainMember } from "../../../apps/core/balance/service.ts";
import { at, start, useStore, type OpenStore } from "./bed.ts";

const declared = (
  name: string,
  over: Partial<Omit<DeclaredService, "members">> = {},
): Omit<DeclaredService, "members"> => ({
  name,
  port: 7000,
  protocol: "tcp",
  names: [],
  policy: "round-robin",
  probe: { kind: "tcp" },
  poolKey: null,
  ...over,
});
const named = (name: string, ...names: readonly string[]) => declared(name, { port: 443, protocol: "http", names });
const MOST = 3;

/** The store's contract of services and announcers. */
export function describeServices(open: OpenStore): void {
  describe("services", () => {
    const { bed } = useStore(open);
    const names = async () => (await bed.store.services.list()).map(({ name }) => name);
    const membersOf = async (name: string) =>
      (await bed.store.services.list()).find((service) => service.name === name)?.members;
    const member = (last: number) => plainMember(addressAt(`10.0.0.${last}`, 6000));

    it("are listed as they were declared, by name", async () => {
      const pool = declared("pool", {
        port: 6000,
        policy: "location",
        probe: { kind: "redis" },
        poolKey: "serverPool",
      });
      const web = {
        ...named("a-web", "a.example.org", "b.example.org"),
        probe: { kind: "http", path: "/up" },
      } as const;
      for (const each of [pool, web]) assert.deepEqual(await bed.store.services.add(each, start), { kind: "declared" });
      assert.deepEqual(await bed.store.services.list(), [
        { ...web, members: [] },
        { ...pool, members: [] },
      ]);
    });

    it("stand beside each other on a port, or are refused with the reason", async () => {
      const add = async (service: Omit<DeclaredService, "members">) => {
        const result = await bed.store.services.add(service, start);
        return result.kind === "conflict" ? result.reason : result.kind;
      };
      assert.equal(await add(named("a", "a.example.org")), "declared");
      assert.equal(await add(named("b", "b.example.org")), "declared");
      assert.match(
        await add(named("c", "c.example.org", "a.example.org")),
        /a\.example\.org on port 443 belongs .* a\./,
      );
      assert.match(await add(declared("d", { port: 443 })), /Port 443 belongs to the http service/);
      assert.equal(await add(named("a", "z.example.org")), "name-taken");
      assert.equal(await add(named("any")), "declared");
      assert.match(await add(named("all")), /by any name belongs to the service any/);
      assert.deepEqual(await names(), ["a", "any", "b"]);
      await bed.store.services.remove("a");
      assert.equal(await add(named("c", "a.example.org")), "declared");
    });

    it("that cannot stand beside each other are not declared at once: one of them is", async () => {
      const stores = [bed.store, bed.another(), bed.another(), bed.another()];
      const results = await Promise.all(
        stores.map((store, index) =>
          store.services.add(index % 2 === 0 ? declared(`s${index}`) : named(`s${index}`, "x.example.org"), start),
        ),
      );
      // Two ports, and for each two who want it alone.
      assert.deepEqual(results.map(({ kind }) => kind).sort(), ["conflict", "conflict", "declared", "declared"]);
      assert.equal((await names()).length, 2);
    });

    it("change in what is given, and go with all their members", async () => {
      await bed.store.services.add(declared("pool"), start);
      assert.equal(await bed.store.services.change("pool", { probe: { kind: "http", path: "/up" } }), true);
      assert.equal(await bed.store.services.change("pool", { policy: "consistent-hash" }), true);
      assert.equal(await bed.store.services.change("nobody", { policy: "location" }), false);
      assert.equal(await bed.store.services.change("nöbody", { policy: "location" }), false);
      const [changed] = await bed.store.services.list();
      assert.deepEqual([changed?.policy, changed?.probe], ["consistent-hash", { kind: "http", path: "/up" }]);
      assert.equal(await bed.store.services.change("pool", { probe: { kind: "redis" } }), true);
      assert.deepEqual((await bed.store.services.list())[0]?.probe, { kind: "redis" });
      await bed.store.services.putMember("pool", member(1), MOST);
      assert.equal(await bed.store.services.remove("pool"), true);
      assert.equal(await bed.store.services.remove("pool"), false);
      assert.equal(await bed.store.services.remove("nöbody"), false);
      await bed.store.services.add(declared("pool"), start);
      assert.deepEqual(await membersOf("pool"), []);
    });

    it("have members by their addresses, each once, and no more than they may have", async () => {
      await bed.store.services.add(declared("pool"), start);
      const put = (one: ReturnType<typeof member>) => bed.store.services.putMember("pool", one, MOST);
      assert.equal(await put(member(2)), "added");
      assert.equal(await put(member(1)), "added");
      const changed = { ...member(2), weight: 7, zone: "fra", isDraining: true };
      assert.equal(await put(changed), "changed");
      const six = plainMember(addressAt("2001:db8::5", 6000));
      assert.equal(await put(six), "added");
      assert.equal(await put(member(4)), "full");
      assert.equal(await put(member(1)), "changed");
      assert.deepEqual(await membersOf("pool"), [member(1), changed, six]);
      assert.equal(await bed.store.services.putMember("nobody", member(1), MOST), "unknown");
      assert.equal(await bed.store.services.removeMember("pool", "10.0.0.1:6000"), true);
      assert.equal(await bed.store.services.removeMember("pool", "10.0.0.1:6000"), false);
      assert.equal(await bed.store.services.removeMember("nobody", "10.0.0.2:6000"), false);
      assert.deepEqual(await membersOf("pool"), [changed, six]);
    });

    it("get no member too many when several are added at once", async () => {
      await bed.store.services.add(declared("pool"), start);
      const [one, other] = [bed.store, bed.another()];
      const results = await Promise.all(
        [1, 2, 3, 4, 5, 6].map((last) => (last % 2 ? one : other).services.putMember("pool", member(last), MOST)),
      );
      assert.equal(results.filter((result) => result === "added").length, MOST);
      assert.equal((await membersOf("pool"))?.length, MOST);
    });
  });

  describe("announcers", () => {
    const { bed } = useStore(open);

    it("are listed by name, and each name is one host's", async () => {
      const web = { applications: null, nonce: Buffer.alloc(32, 1), createdAt: at(1), createdBy: "admin" };
      const bound = { ...web, name: "bound-1", applications: ["shop", "blog"], nonce: Buffer.alloc(32, 2) };
      assert.equal(await bed.store.announcers.add({ ...web, name: "web-1" }), true);
      assert.equal(await bed.store.announcers.add(bound), true);
      assert.equal(await bed.store.announcers.add({ ...bound, nonce: Buffer.alloc(32, 3) }), false);
      assert.deepEqual(await bed.store.announcers.list(), [bound, { ...web, name: "web-1" }]);
      assert.equal(await bed.store.announcers.remove("web-1"), true);
      assert.equal(await bed.store.announcers.remove("web-1"), false);
      assert.equal(await bed.store.announcers.remove("wöb-1"), false);
      assert.deepEqual(await bed.store.announcers.list(), [bound]);
    });
  });
}
