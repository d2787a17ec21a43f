import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  readAnnouncement,
  type Announcement,
  type AnnouncementRules,
  type Application,
} from "../../../apps/core/balance/announcement.ts";
import {
  conflictsOf,
  nextOwners,
  servicesOf,
  settle,
  SHARED,
  type Announcements,
  type Owners,
} from "../../../apps/core/balance/applications.ts";
import { desiredServices } from "../../../apps/core/balance/desired.ts";
import { conflictOf } from "../../../apps/core/balance/service.ts";

const LIFE_MS = 30_000;
const rules: AnnouncementRules = {
  own: { ips: ["192.0.2.1"], ports: [443, 6379] },
  networks: ["10.0.0.0/8", "fd00::/8"],
  listenPorts: [80, 443, 7000],
  reservedDomains: ["redis.example.org"],
  allowedTo: (host) => (host === "bound" ? ["shop"] : undefined),
};
const shop = {
  name: "shop",
  "listen-port": "443",
  "application-port": "8080",
  protocol: "http",
  domains: ["shop.example.org"],
};
const announced = (value: unknown, host = "web-1", lifeMs: number | null = LIFE_MS) =>
  readAnnouncement(host, typeof value === "string" ? value : JSON.stringify(value), lifeMs, rules);
const one = (over: object, host?: string) =>
  announced({ address: "10.0.0.5", applications: [{ ...shop, ...over }] }, host);
const reasonOf = ({ applications, refused }: Announcement) => {
  assert.deepEqual(applications, []);
  assert.equal(refused.length, 1);
  return refused[0]?.reason ?? "";
};
/** Hosts with what they announce: `[host, ip, application, domains or port]`. */
const seen = (...hosts: readonly [host: string, ip: string, name: string, what: string | number][]): Announcements =>
  new Map(
    hosts.map(([host, ip, name, what]) => {
      const own =
        typeof what === "number"
          ? { protocol: "tcp", domains: [], "listen-port": what }
          : { domains: what.split(" "), "listen-port": 443 };
      return [host, announced({ address: ip, applications: [{ ...shop, name, ...own }] }, host)];
    }),
  );
const carried = (announcements: Announcements, owners: Owners) =>
  servicesOf(announcements, owners).map(({ name, members }) => [name, ...members.map(({ address }) => address.text)]);

describe("an announcement", () => {
  it("has the fields that scrimplb's applications have, ports in digits or as numbers", () => {
    const expected: Application = {
      name: "shop",
      listenPort: 443,
      protocol: "http",
      domains: ["shop.example.org"],
      target: { text: "10.0.0.5:8080", ip: "10.0.0.5", port: 8080 },
    };
    assert.deepEqual(one({}), { host: "web-1", applications: [expected], refused: [] });
    assert.deepEqual(one({ "listen-port": 443, "application-port": 8080 }).applications, [expected]);
    assert.deepEqual(one({ domains: ["Shop.Example.ORG", "shop.example.org"] }).applications, [expected]);
    assert.equal(
      announced({ address: "fd00::5", applications: [shop] }).applications[0]?.target.text,
      "[fd00::5]:8080",
    );
  });

  it("is followed but for the applications that have a fault", () => {
    const { applications, refused } = announced({
      address: "10.0.0.5",
      applications: [shop, { ...shop, name: "blog", domains: ["*.example.org"] }, 5, { ...shop, name: "wiki" }, shop],
    });
    assert.deepEqual(
      applications.map(({ name }) => name),
      ["shop", "wiki"],
    );
    assert.deepEqual(
      refused.map(({ application }) => application),
      ["blog", null, "shop"],
    );
  });

  it("is refused for each field that is not as it must be, and says which", () => {
    const cases: readonly (readonly [object, RegExp])[] = [
      [{ name: "shop\n}" }, /^name "shop\\n}" must be small letters/],
      [{ name: "" }, /^name/],
      [{ name: "a".repeat(33) }, /^name/],
      [{ name: "Shop" }, /^name/],
      [{ name: 5 }, /^name/],
      [{ protocol: "https" }, /^protocol "https" must be http or tcp/],
      [{ protocol: "http;" }, /^protocol/],
      [{ "listen-port": "443;" }, /^listen-port/],
      [{ "listen-port": "0443" }, /^listen-port/],
      [{ "listen-port": 22 }, /^listen-port 22 must be one of 80, 443, 7000/],
      [{ "application-port": 0 }, /^application-port/],
      [{ "application-port": 65_536 }, /^application-port/],
      [{ "application-port": 8080.5 }, /^application-port/],
      [{ "application-port": undefined }, /^application-port/],
      [{ domains: [] }, /^domains must name one or more/],
      [{ domains: "shop.example.org" }, /^domains must be a list/],
      [{ domains: Array.from({ length: 101 }, (_, index) => `d${index}.example.org`) }, /^domains must be 100 at most/],
      [{ protocol: "tcp" }, /^domains must be empty with tcp/],
      [{ more: 1 }, /has a field "more"/],
    ];
    for (const [over, reason] of cases) assert.match(reasonOf(one(over)), reason, JSON.stringify(over));
  });

  it("with a newline, a brace, a wildcard or anything else that is no domain is refused", () => {
    for (const domain of [
      "shop.example.org\n}",
      "shop.example.org\nserver { listen 22; }",
      "shop.example.org;",
      "shop.example.org}",
      "{shop.example.org",
      "*.example.org",
      "*",
      "_",
      "~^.*$",
      "shop.example.org.",
      ".example.org",
      "shop..example.org",
      "-shop.example.org",
      "shop-.example.org",
      "localhost",
      "10.0.0.1",
      "[::1]",
      "shop.example.org:443",
      "shop example.org",
      "$host",
      "täst.example.org",
      `${"a".repeat(64)}.example.org`,
      `${"a.".repeat(130)}org`,
      "",
      5,
      null,
    ])
      assert.match(reasonOf(one({ domains: [domain] })), /must be a domain in full/, String(domain));
    assert.deepEqual(one({ domains: ["xn--tst-qla.example.org"] }).refused, []);
  });

  it("with a domain of the service itself, or one below it, is refused", () => {
    for (const domain of ["redis.example.org", "5sq9fsfr26iw58ze.redis.example.org", "REDIS.example.org"])
      assert.match(reasonOf(one({ domains: [domain] })), /belongs to this service itself/);
    assert.deepEqual(one({ domains: ["notredis.example.org"] }).refused, []);
  });

  it("is refused as a whole when it is no such thing", () => {
    const cases: readonly (readonly [unknown, RegExp])[] = [
      ["", /no JSON/],
      ["{", /no JSON/],
      ["[]", /no JSON object/],
      ["null", /no JSON object/],
      [{ applications: [] }, /address/],
      [{ address: "web-1.example.org", applications: [] }, /address/],
      [{ address: "10.0.0.5\n", applications: [] }, /address/],
      [{ address: "fe80::1%eth0", applications: [] }, /address/],
      [{ address: "10.0.0.5" }, /must be a list/],
      [{ address: "10.0.0.5", applications: {} }, /must be a list/],
      [{ address: "10.0.0.5", applications: [], extra: 1 }, /field "extra"/],
      [{ address: "10.0.0.5", applications: Array(201).fill(shop) }, /more than 200/],
      [{ address: "10.0.0.5", applications: [{ ...shop, name: "a".repeat(64_000) }] }, /longer than/],
    ];
    for (const [value, reason] of cases) assert.match(reasonOf(announced(value)), reason);
  });

  it("is refused when its key would stay after its host is gone", () => {
    const value = { address: "10.0.0.5", applications: [shop] };
    assert.match(reasonOf(announced(value, "web-1", null)), /must expire/);
    assert.match(reasonOf(announced(value, "web-1", 3_600_001)), /must expire/);
  });

  it("names no address outside the members' networks, so that a host cannot reach through the gateway", () => {
    for (const address of [
      "127.0.0.1",
      "::1",
      "169.254.169.254",
      "192.0.2.1",
      "0.0.0.0",
      "8.8.8.8",
      "::ffff:127.0.0.1",
    ])
      assert.match(
        reasonOf(announced({ address, applications: [shop] })),
        /none of the networks|no address of a machine|link-local/,
        address,
      );
  });

  it("has the applications alone that its host may announce", () => {
    assert.equal(one({}, "bound").applications.length, 1);
    assert.match(reasonOf(one({ name: "blog" }, "bound")), /host bound may not announce it/);
  });

  it("is read without a throw whatever is in it, and what is taken from it has no character that means something", () => {
    const anyField = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom("shop", "443", 8080, "http", "tcp", ["shop.example.org"], [], "a\n}"),
      fc.string({ unit: "binary" }),
    );
    const anyApplication = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          name: anyField,
          "listen-port": anyField,
          "application-port": anyField,
          protocol: anyField,
          domains: fc.oneof(anyField, fc.array(fc.oneof(fc.domain(), fc.string()))),
        },
        { requiredKeys: [] },
      ),
    );
    const anyValue = fc.oneof(
      fc.string().map((text) => text as unknown),
      fc.jsonValue() as fc.Arbitrary<unknown>,
      fc.record({ address: fc.constantFrom("10.0.0.5", "fd00::1"), applications: fc.array(anyApplication) }),
    );
    fc.assert(
      fc.property(anyValue, (value) => {
        for (const { name, domains, target } of announced(value).applications)
          for (const text of [name, ...domains, target.text]) assert.match(text, /^[a-z0-9.:[\]-]+$/);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a domain", () => {
  it("belongs to the application that announced it first, until no host announces that any more", () => {
    const first = seen(["web-2", "10.0.0.2", "shop", "shop.example.org"]);
    let owners = nextOwners(first, new Map());
    const both = seen(
      ["web-1", "10.0.0.1", "blog", "shop.example.org"],
      ["web-2", "10.0.0.2", "shop", "shop.example.org"],
    );
    owners = nextOwners(both, owners);
    assert.deepEqual(carried(both, owners), [["shop:443:shop.example.org", "10.0.0.2:8080"]]);
    assert.deepEqual(conflictsOf(both, owners), [
      { claim: "domain:shop.example.org", owner: "shop", application: "blog", hosts: ["web-1"] },
    ]);
    const left = seen(["web-1", "10.0.0.1", "blog", "shop.example.org"]);
    owners = nextOwners(left, owners);
    assert.deepEqual(carried(left, owners), [["blog:443:shop.example.org", "10.0.0.1:8080"]]);
    assert.deepEqual(conflictsOf(left, owners), []);
  });

  it("leads to all hosts that announce it for its owner, and to no other of them", () => {
    const announcements = seen(
      ["web-1", "10.0.0.1", "shop", "shop.example.org"],
      ["web-2", "10.0.0.2", "shop", "shop.example.org www.example.org"],
      ["web-3", "10.0.0.3", "blog", "blog.example.org"],
    );
    assert.deepEqual(carried(announcements, nextOwners(announcements, new Map())), [
      ["blog:443:blog.example.org", "10.0.0.3:8080"],
      ["shop:443:shop.example.org", "10.0.0.1:8080", "10.0.0.2:8080"],
      ["shop:443:www.example.org", "10.0.0.2:8080"],
    ]);
  });

  it("that somebody else owns costs an application that domain alone", () => {
    const announcements = seen(
      ["web-1", "10.0.0.1", "shop", "shop.example.org"],
      ["web-2", "10.0.0.2", "blog", "shop.example.org blog.example.org"],
    );
    const owners = new Map([...nextOwners(announcements, new Map()), ["domain:shop.example.org", "shop"] as const]);
    assert.deepEqual(
      carried(announcements, owners).map(([name]) => name),
      ["blog:443:blog.example.org", "shop:443:shop.example.org"],
    );
  });
});

describe("a port", () => {
  it("carries either the domains of all, or the bytes of one application", () => {
    const port = (name: string, what: string | number) => seen([name, "10.0.0.1", name, what]);
    const both = new Map([...port("mail", 443), ...port("shop", "shop.example.org")]);
    const owners = nextOwners(both, new Map());
    assert.equal(owners.get("port:443"), SHARED);
    assert.deepEqual(
      carried(both, owners).map(([name]) => name),
      ["shop:443:shop.example.org"],
    );
    const mailFirst = nextOwners(both, new Map([["port:443", "mail"]]));
    assert.deepEqual(carried(both, mailFirst), [["mail:443", "10.0.0.1:8080"]]);
    assert.deepEqual(
      conflictsOf(both, mailFirst).map(({ claim, owner, hosts }) => [claim, owner, ...hosts]),
      [["port:443", "mail", "shop"]],
    );
  });
});

const anyAnnouncements: fc.Arbitrary<Announcements> = fc
  .uniqueArray(
    fc.record({
      host: fc.constantFrom("a", "b", "c", "d"),
      applications: fc.uniqueArray(
        fc.oneof(
          fc.record({
            name: fc.constantFrom("shop", "blog", "wiki"),
            "listen-port": fc.constantFrom(443, 7000),
            "application-port": fc.constantFrom(8080, 8081),
            protocol: fc.constant("http"),
            domains: fc.uniqueArray(fc.constantFrom("a.example.org", "b.example.org", "c.example.org"), {
              minLength: 1,
            }),
          }),
          fc.record({
            name: fc.constantFrom("shop", "blog", "mail"),
            "listen-port": fc.constantFrom(443, 7000),
            "application-port": fc.constantFrom(8080, 8081),
            protocol: fc.constant("tcp"),
          }),
        ),
        { selector: ({ name }) => name },
      ),
    }),
    { selector: ({ host }) => host },
  )
  .map(
    (hosts) =>
      new Map(
        hosts.map(({ host, applications }, index) => [
          host,
          announced({ address: `10.0.0.${index + 1}`, applications }, host),
        ]),
      ),
  );

describe("announcements, whatever comes and goes,", () => {
  it("never take from a living owner what it owns, and leave nothing announced without an owner", () => {
    fc.assert(
      fc.property(fc.array(anyAnnouncements, { minLength: 1, maxLength: 6 }), (looks) => {
        let owners: Owners = new Map();
        for (const look of looks) {
          const next = nextOwners(look, owners);
          const claimed = new Set<string>();
          for (const { applications } of look.values())
            for (const { name, protocol, listenPort, domains } of applications)
              if (protocol === "tcp") claimed.add(`port:${listenPort} ${name}`);
              else for (const domain of domains) claimed.add(`domain:${domain} ${name}`);
          for (const [claim, owner] of owners)
            if (claimed.has(`${claim} ${owner}`)) assert.equal(next.get(claim), owner, claim);
          const owned = new Set<string>(next.keys());
          for (const key of claimed) assert.ok(owned.has(key.split(" ")[0] ?? ""), key);
          owners = next;
        }
      }),
    );
  });

  it("come to services that stand beside each other, the same for every order of hosts", () => {
    fc.assert(
      fc.property(anyAnnouncements, (announcements) => {
        const owners = nextOwners(announcements, new Map());
        const services = servicesOf(announcements, owners);
        for (const service of services) {
          assert.equal(conflictOf(service, services), undefined);
          assert.ok(service.members.length > 0);
        }
        const reversed = new Map([...announcements].reverse());
        assert.deepEqual(nextOwners(reversed, new Map()), new Map([...owners]));
        assert.deepEqual(servicesOf(reversed, owners), services);
      }),
    );
  });

  it("stay as they were while nobody can read them, and while those that a server has lost come back", () => {
    fc.assert(
      fc.property(anyAnnouncements, anyAnnouncements, (known, now) => {
        assert.equal(settle({ known, seen: undefined, isIncomplete: false }), known);
        assert.equal(settle({ known, seen: now, isIncomplete: false }), now);
        const after = settle({ known, seen: now, isIncomplete: true });
        for (const [host, announcement] of after) assert.equal(announcement, now.get(host) ?? known.get(host));
        assert.equal(after.size, new Set([...known.keys(), ...now.keys()]).size);
      }),
    );
  });

  it("give way to what an operator has declared, and it is told", () => {
    const announcements = seen(["web-1", "10.0.0.1", "shop", "shop.example.org"], ["web-2", "10.0.0.2", "mail", 7000]);
    const owners = nextOwners(announcements, new Map());
    const declared = {
      name: "front",
      port: 443,
      protocol: "tcp",
      names: [],
      policy: "least-connections",
      probe: { kind: "tcp" },
      poolKey: "serverPool",
      members: [],
    } as const;
    const pools = new Map([["serverPool", [{ text: "10.0.0.9:1", ip: "10.0.0.9", port: 1 }]]]);
    const { services, displaced } = desiredServices({ declared: [declared], pools, announcements, owners });
    assert.deepEqual(
      services.map(({ name, members }) => [name, ...members.map(({ address }) => address.text)]),
      [
        ["front", "10.0.0.9:1"],
        ["mail:7000", "10.0.0.2:8080"],
      ],
    );
    assert.deepEqual(displaced, [
      { service: "shop:443:shop.example.org", reason: "Port 443 belongs to the tcp service front." },
    ]);
  });
});
