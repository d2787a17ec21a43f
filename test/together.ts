/**
 * Test files on one bed. They run in one process, one after the other, where the bed starts once for all of them: most of
 * the processor time of a short one is the start of servers, programs and a browser. Each can run alone as well.
 */
const TOGETHER: readonly (readonly string[])[] = [
  ["test/e2e/dashboard.test.ts", "test/e2e/dashboard-bad-moments.test.ts", "test/e2e/dashboard-lists.test.ts"],
  [
    "test/e2e/homepage.test.ts",
    "test/e2e/homepage-form.test.ts",
    "test/e2e/homepage-looks.test.ts",
    "test/e2e/console.test.ts",
  ],
  [
    "test/adapters/mysql/store.contract.test.ts",
    "test/adapters/mysql/mysql-store.test.ts",
    "test/adapters/mysql/leadership.test.ts",
    "test/adapters/mysql/search.test.ts",
    "test/adapters/mysql/plain-data-migration.test.ts",
  ],
  [
    "test/adapters/redis/discovery.contract.test.ts",
    "test/adapters/redis/discovery.test.ts",
    "test/adapters/redis/fleet.test.ts",
  ],
  [
    "test/adapters/haproxy/lease-plane.contract.test.ts",
    "test/adapters/haproxy/lease-routing.test.ts",
    "test/adapters/haproxy/process.test.ts",
    "test/adapters/haproxy/service-plane.test.ts",
  ],
  ["test/adapters/nftables/shared-address.test.ts", "test/infra/host/port-map-gateways.test.ts"],
  [
    "test/infra/process/bounded-log.test.ts",
    "test/infra/process/held-lock.test.ts",
    "test/infra/process/kept-process.test.ts",
    "test/infra/process/processes.test.ts",
    "test/infra/start/addresses.test.ts",
  ],
];

/** Puts files into one list each that run in one process; what is on no common bed is a list alone. */
export function groupByBed(files: readonly string[]): string[][] {
  const grouped = TOGETHER.map((group) => group.filter((file) => files.includes(file)));
  const alone = files.filter((file) => !grouped.some((group) => group.includes(file)));
  return [...grouped.filter((group) => group.length > 0), ...alone.map((file) => [file])];
}
