/**
 * What the tests of a file need: nothing but Node, or this machine: root, its servers, a network of their own.
 */
export type Need = "nothing" | "machine";

/** The longest path that a file's path begins with decides. */
export const NEEDS: Readonly<Record<string, Need>> = {
  "test/": "machine",
  "test/adapters/control-plane/": "nothing",
  "test/adapters/digitalocean/": "nothing",
  "test/adapters/docker/agent.test.ts": "nothing",
  "test/adapters/docker/engine-answers.test.ts": "nothing",
  "test/adapters/smtp/": "nothing",
  "test/adapters/webhook/": "nothing",
  "test/api/": "nothing",
  "test/bench/harness.test.ts": "nothing",
  "test/cli/": "nothing",
  "test/core/": "nothing",
  "test/documents.test.ts": "nothing",
  "test/gateway/gateway.test.ts": "nothing",
  "test/gateway/certificate-watch.test.ts": "nothing",
  "test/gateway/services.test.ts": "nothing",
  "test/infra/host/conntrack.test.ts": "nothing",
  "test/infra/lab/digitalocean-openapi.test.ts": "nothing",
  "test/infra/lab/digitalocean.test.ts": "nothing",
  "test/infra/lab/domains-openapi.test.ts": "nothing",
  "test/infra/lab/domains.test.ts": "nothing",
  "test/infra/monitoring.test.ts": "nothing",
  "test/infra/npm-packages.test.ts": "nothing",
  "test/infra/process/node-flags.test.ts": "nothing",
  "test/infra/redis-commands/syntax.test.ts": "nothing",
  "test/infra/servers/redis-package.test.ts": "nothing",
  "test/infra/start/box-programs.test.ts": "nothing",
  "test/infra/start/env-file.test.ts": "nothing",
  "test/jobs/": "nothing",
  "test/lib/": "nothing",
  "test/public/": "nothing",
  "test/security.test.ts": "nothing",
  "test/simulation/": "nothing",
  "test/twins/": "nothing",
};

/** What a test file needs; its path is relative to the project. */
export function needOf(file: string): Need {
  const longest = Object.keys(NEEDS)
    .filter((beginning) => file.startsWith(beginning))
    .sort((one, other) => other.length - one.length)[0];
  const need = longest === undefined ? undefined : NEEDS[longest];
  if (need === undefined) throw new Error(`${file} is no test file of this project`);
  return need;
}
