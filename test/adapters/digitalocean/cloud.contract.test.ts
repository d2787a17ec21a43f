import { describe } from "node:test";
import { createDigitalOceanCloud } from "../../../apps/adapters/digitalocean/index.ts";
import { startDigitalOcean } from "../../../infra/lab/digitalocean/index.ts";
import { until } from "../../bed/until.ts";
import { describeCloudContract } from "../../contracts/cloud.ts";

const TOKEN = "dop_v1_0123456789abcdef0123456789";
const TAG_LAG_MS = 1_000;

describe("the DigitalOcean adapter", () => {
  describeCloudContract(async ({ dropletLimit = 25, domains = [] } = {}) => {
    const lab = await startDigitalOcean({
      token: TOKEN,
      domains,
      limits: { perMinute: 5000 },
      times: { tagLagMs: TAG_LAG_MS, deleteMs: 500, activeMs: 500 },
      account: { dropletLimit },
    });
    // Pauses between tries take no time, and move the adapter's clock.
    let aheadMs = 0;
    const cloud = createDigitalOceanCloud({
      token: TOKEN,
      url: lab.url,
      timeoutMs: 1_500,
      budgetMs: 20_000,
      random: () => 1,
      clock: () => Date.now() + aheadMs,
      delay: (ms) => {
        aheadMs += ms;
        return Promise.resolve();
      },
    });
    return {
      cloud,
      clock: () => new Date(),
      settle: async () => {
        await lab.settle();
        await until("tags are listed", () => lab.droplets().every(({ taggedFrom }) => taggedFrom <= Date.now()));
      },
      trouble: (kind) => void lab.faults.add({ kind }),
      calm: lab.faults.clear,
      add: lab.add,
      existing: () => lab.droplets().map(({ name }) => name),
      everMade: () => lab.everMade().map(({ name }) => name),
      firewalls: async () => {
        const answer = await fetch(`${lab.url}/firewalls`, { headers: { authorization: `Bearer ${TOKEN}` } });
        const { firewalls } = (await answer.json()) as {
          firewalls: { name: string; inbound_rules: { ports: string }[] }[];
        };
        return firewalls.map(({ name, inbound_rules: rules }) => ({ name, ports: rules.map(({ ports }) => ports) }));
      },
      close: lab.stop,
    };
  });
});
