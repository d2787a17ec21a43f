import type { LeasePlane, PlaneFacts } from "../../core/edge/contract.ts";
import { PlaneFault } from "../../core/edge/plane-fault.ts";
import type { RouteTable } from "../../core/edge/routes.ts";
import type { HaproxyFiles } from "./files.ts";
import { LEASE_BACKEND, LEASE_FRONTENDS, LEASE_TABLE } from "./lease-config.ts";
import { readWorkers, reloadsIn } from "./processes.ts";
import { createRuntime, inParts, type Runtime } from "./runtime.ts";

/** What a route is read as that is there more than once. */
const TWICE = "?";

/** The leases that a HAProxy with `leaseConfig` carries, changed and read while it runs. */
export function createLeasePlane(files: HaproxyFiles, timeoutMs: number): LeasePlane {
  const runtime = createRuntime(files.runtimeSocket, timeoutMs, files.masterSocket);
  const master = createRuntime(files.masterSocket, timeoutMs);

  async function readRoutes(): Promise<RouteTable> {
    return routesIn(await runtime.ask(`show map ${files.routes}`));
  }

  const changeRoutes: LeasePlane["changeRoutes"] = (changes) =>
    runtime.doAll(
      changes.flatMap((change) => {
        const remove = `del map ${files.routes} ${change.id}`;
        if (change.kind === "delete") return [remove];
        const add = `add map ${files.routes} ${change.id} ${spaced(change.target)}`;
        // One that is there twice is there once afterwards.
        return change.kind === "add" ? [add] : [remove, add];
      }),
      (answer) => answer === "" || answer === "Key not found.",
    );

  /** Without a route, whoever logs in there is sent to the concierge, and by it to where all routes are. */
  async function emptyLeaving(): Promise<readonly number[]> {
    const { leaving } = await readWorkers(master);
    for (const pid of leaving) await master.ask(`@!${pid} clear map ${files.routes}`);
    return leaving;
  }

  async function swapRoutes(table: RouteTable): Promise<void> {
    const answer = await runtime.ask(`prepare map ${files.routes}`);
    const version = /(\d+)\s*$/.exec(answer)?.[1];
    if (version === undefined) throw new PlaneFault(`HAProxy prepares no table of routes: ${answer}`);
    for (const part of inParts(Array.from(table, ([id, target]) => `${id} ${target}`))) {
      const refusal = await runtime.ask(`add map @${version} ${files.routes}`, part);
      if (refusal !== "") throw new PlaneFault(`HAProxy does not take on routes: ${refusal}`);
    }
    const refusal = await runtime.ask(`commit map @${version} ${files.routes}`);
    if (refusal !== "") throw new PlaneFault(`HAProxy does not take on its table of routes: ${refusal}`);
  }

  async function endSessions(ended: readonly { readonly id: string; readonly target: string }[]): Promise<number> {
    if (ended.length === 0) return 0;
    const targets = new Set(ended.map(({ target }) => target));
    const leaving = await emptyLeaving();
    let count = 0;
    // To list all connections takes long where there are many: most instances that end have none any more.
    const called = calledIdsIn(await runtime.ask(`show table ${LEASE_TABLE} data.conn_cur gt 0`));
    if (ended.some(({ id }) => called.has(id))) count += await endAt(runtime, "", targets);
    // Since a reload, older connections are where they were.
    for (const pid of leaving) count += await endAt(master, `@!${pid} `, targets);
    return count;
  }

  async function readFacts(): Promise<PlaneFacts> {
    const info = await runtime.ask("show info");
    const stat = await runtime.ask("show stat -1 1 -1");
    return { ...factsIn(info, stat), reloads: reloadsIn(await master.ask("show proc")) };
  }

  return {
    readRoutes,
    changeRoutes,
    swapRoutes,
    endSessions,
    forgetOlder: async () => {
      await emptyLeaving();
    },
    readFacts,
  };
}

/** Reads the answer to `show map`: lines of a pointer, an id and a target. */
export function routesIn(answer: string): RouteTable {
  const table = new Map<string, string>();
  for (const line of answer.split("\n")) {
    const [, id, target] = /^0x[0-9a-f]+ (\S+) (.*)$/.exec(line) ?? [];
    if (id !== undefined && target !== undefined) table.set(id, table.has(id) ? TWICE : target);
  }
  return table;
}

/** Ids of those that have connections, out of the answer to `show table`. */
export function calledIdsIn(answer: string): Set<string> {
  return new Set(Array.from(answer.matchAll(/ key=([^/\s]+)\/\S+ use=[1-9]/g), ([, id]) => id ?? ""));
}

/** Pointers of connections to some targets, out of the answer to `show sess all`. */
export function sessionsTo(targets: ReadonlySet<string>, answer: string): string[] {
  return answer
    .split(/^(?=0x)/m)
    .filter((session) => {
      if (!new RegExp(`^\\s+backend=${LEASE_BACKEND} `, "m").test(session)) return false;
      const [, address, port] = /^\s+server=any \(id=\d+\) addr=(\S+):(\d+)/m.exec(session) ?? [];
      return address !== undefined && port !== undefined && targets.has(`${address} ${port}`);
    })
    .map((session) => /^0x[0-9a-f]+/.exec(session)?.[0] ?? "");
}

async function endAt(runtime: Runtime, where: string, targets: ReadonlySet<string>): Promise<number> {
  const sessions = sessionsTo(targets, await runtime.ask(`${where}show sess all`));
  // At once: where one has ended meanwhile, another client's may soon have its place in memory, and its name with that.
  await runtime.doAll(
    sessions.map((session) => `${where}shutdown session ${session}`),
    () => true,
  );
  return sessions.length;
}

function spaced(target: string): string {
  return target.replaceAll(" ", "\\ ");
}

/** Reads the answers to `show info` and to `show stat` of frontends. */
export function factsIn(info: string, stat: string): Omit<PlaneFacts, "reloads"> {
  const numberOf = (name: string) => Number(new RegExp(`^${name}: (\\d+)`, "m").exec(info)?.[1] ?? 0);
  const [head = "", ...rows] = stat.split("\n");
  const columns = head.replace(/^# /, "").split(",");
  const frontends = rows
    .map((row) => row.split(","))
    .filter(([name]) => (LEASE_FRONTENDS as readonly string[]).includes(name ?? ""));
  const sumOf = (column: string) =>
    frontends.reduce((sum, fields) => sum + Number(fields[columns.indexOf(column)] ?? 0), 0);
  return {
    connections: sumOf("scur"),
    accepted: sumOf("stot"),
    bytesIn: sumOf("bin"),
    bytesOut: sumOf("bout"),
    handshakes: sumOf("ssl_sess"),
    failedHandshakes: sumOf("ssl_failed_handshake"),
    mostConnections: numberOf("Maxconn"),
  };
}
