import { setTimeout as delay } from "node:timers/promises";
import { edge } from "../../apps/core/settings/edge.ts";
import { freePort } from "../../infra/process/free-port.ts";
import { ensureSystemPackages } from "../../infra/servers/system-packages.ts";
import { startClientMachine, type ClientMachine } from "../bed/client-machine.ts";
import { EDGE_DOMAIN, startEdge, type EdgeBed } from "../bed/edge.ts";
import { endHaproxies } from "../bed/end-haproxies.ts";
import { until } from "../bed/until.ts";
import { CLIENT_PACKAGES, CLIENTS, commandOf, readSteady, type SeenByClient } from "../e2e/edge-clients/clients.ts";
import type { Bench, Outcome } from "./bench.ts";
import { answer } from "./edge-answer.ts";

const ROUNDS = 5;
/** Clients as they are, and one that takes only the first address of a name unless it is told otherwise. */
const MEASURED = [
  ...CLIENTS.map((client) => ({ name: client.name, words: commandOf(client, "steady") })),
  ...CLIENTS.filter(({ name }) => name === "iovalkey").map((client) => ({
    name: "iovalkey with family=0",
    words: commandOf(client, "steady", "family=0"),
  })),
];
const ANSWERS = 20;
const SETTLE_MS = Number(edge.dnsSettleMs.default) * 1000;
/** Where no other name server is. */
const NAME_SERVER = "127.0.53.53";

/** What each client of the matrix sees when its gateway dies. */
export const edgeClients: Bench = {
  name: "edge-clients",
  measures:
    "time without an answer of each client whose gateway is killed with all its connections, all at once; " +
    "its address refuses, and names lead there until the records follow",
  yardstick: "a new connection, its log-in and an answer, through the other gateway",
  goal: "< 1 s for each client",
  run,
};

async function run(): Promise<Outcome> {
  await ensureSystemPackages(CLIENT_PACKAGES);
  const port = await freePort();
  const bed = await startEdge(["gw-1", "gw-2"], { env: { EDGE_PORT: String(port), QUOTA_PER_ADDRESS: "1000" } });
  let machine: ClientMachine | undefined;
  try {
    machine = await startClientMachine(bed.dir, {
      domain: EDGE_DOMAIN,
      addresses: bed.gateways.map(({ address }) => address),
      caFile: bed.caFile,
      nameServer: NAME_SERVER,
    });
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await killUnder(bed, machine, port));
    return {
      figures: MEASURED.map(({ name }, index) => ({
        what: name,
        unit: "ms",
        share: 0.5,
        rounds: rounds.map(({ seen }) => [seen[index]?.backAfterMs ?? Number.NaN]),
        yardstick: rounds.map(({ answers }) => answers),
        goal: { of: "value", atMost: 1_000 },
      })),
      notes: [
        "What the program was told meanwhile:",
        ...MEASURED.map(({ name }, index) => {
          const errors = new Set(rounds.flatMap(({ seen }) => seen[index]?.errors ?? []));
          return `${name}: ${[...errors].join("; ") || "nothing"}`;
        }),
      ],
    };
  } finally {
    machine?.stop();
    await bed.stop();
  }
}

/** What one round has shown: how long new connections take, and what each client saw. */
interface Round {
  answers: number[];
  seen: SeenByClient[];
}

/** Kills a gateway as a power cut does it, under all clients, which ask through it again and again. */
async function killUnder(bed: EdgeBed, machine: ClientMachine, port: number): Promise<Round> {
  const [killed, other] = bed.gateways;
  if (!killed || !other) throw new Error("there are not two gateways");
  const lease = await until("an instance is handed out", () => bed.create(), 60_000);
  const answers: number[] = [];
  for (let count = 0; count < ANSWERS; count++) {
    const begun = performance.now();
    await answer(bed, other, port, lease);
    answers.push(performance.now() - begun);
  }
  // All are at the one that will be killed.
  machine.lead([killed.address]);
  const clients = MEASURED.map(({ words }) => machine.start(lease.url, ...words));
  try {
    await until("all are there", () => clients.every(({ said }) => said().startsWith("steady")), 120_000);
    machine.lead([killed.address, other.address]);
    await killed.end("SIGKILL");
    await endHaproxies(`${killed.dir}/`);
    // Until the records follow, as EDGE_DNS_SETTLE_SECONDS has it.
    await until("it counts as dead", async () => (await bed.live()).length === 1, 60_000);
    await delay(SETTLE_MS);
    machine.lead([other.address]);
    await until("all are back", () => clients.every(({ said }) => readSteady(said()) !== undefined), 120_000);
    return { answers, seen: clients.flatMap(({ said }) => readSteady(said()) ?? []) };
  } finally {
    await bed.endLease(lease);
    killed.start();
    await until("both carry again", async () => (await bed.live()).length === 2, 180_000);
  }
}
