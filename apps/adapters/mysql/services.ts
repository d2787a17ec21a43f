import { keptAddress } from "../../core/balance/address.ts";
import type { DeclareResult, PutMemberResult, ServiceChange, Services } from "../../core/balance/contract.ts";
import type { DeclaredService } from "../../core/balance/desired.ts";
import { conflictOf, type Member, type Policy, type Probe, type Protocol } from "../../core/balance/service.ts";
import { isAscii, type Database, type Sql } from "./database.ts";

type ServiceRow = {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly names: string;
  readonly policy: Policy;
  readonly probe: Probe["kind"];
  readonly probe_path: string | null;
  readonly pool_key: string | null;
};
type MemberRow = {
  readonly service: string;
  readonly address: string;
  readonly weight: number;
  readonly zone: string | null;
  readonly is_draining: number;
};

const columns = "name, port, protocol, names, policy, probe, probe_path, pool_key";

/** Rows of services that operators have declared. */
export function serviceStatements(database: Database): Services {
  function list(): Promise<DeclaredService[]> {
    return database.query(async (sql) => {
      const services = await sql.rows<ServiceRow>(`SELECT ${columns} FROM services ORDER BY name`);
      const members = await sql.rows<MemberRow>(
        "SELECT service, address, weight, zone, is_draining FROM service_members ORDER BY service, address",
      );
      const byService = Map.groupBy(members, ({ service }) => service);
      return services.map((row) => toService(row, byService.get(row.name) ?? []));
    });
  }

  function add(service: Omit<DeclaredService, "members">, now: Date): Promise<DeclareResult> {
    const { name, port, protocol, names, policy, probe, poolKey } = service;
    return database.transaction(async (sql): Promise<DeclareResult> => {
      await sql.run("INSERT IGNORE INTO service_ports (port) VALUES (?)", [port]);
      // Another service at this port is declared before this one, or after.
      await sql.rows("SELECT port FROM service_ports WHERE port = ? FOR UPDATE", [port]);
      const beside = await sql.rows<ServiceRow>(`SELECT ${columns} FROM services WHERE port = ?`, [port]);
      const reason = conflictOf(
        { ...service, name },
        beside.map((row) => toService(row, [])),
      );
      const added =
        reason === undefined
          ? await sql.run(`INSERT IGNORE INTO services (${columns}, declared_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, [
              name,
              port,
              protocol,
              names.join(" "),
              policy,
              probe.kind,
              pathOf(probe),
              poolKey,
              now,
            ])
          : 0;
      if (reason === undefined) return added === 1 ? { kind: "declared" } : { kind: "name-taken" };
      return { kind: "conflict", reason };
    });
  }

  function change(name: string, { policy, probe }: ServiceChange): Promise<boolean> {
    if (!isAscii(name)) return Promise.resolve(false);
    return database.query(
      async (sql) =>
        (await sql.run(
          `UPDATE services
           SET policy = COALESCE(?, policy), probe_path = IF(? IS NULL, probe_path, ?), probe = COALESCE(?, probe)
           WHERE name = ?`,
          [policy ?? null, probe?.kind ?? null, probe ? pathOf(probe) : null, probe?.kind ?? null, name],
        )) === 1,
    );
  }

  function remove(name: string): Promise<boolean> {
    if (!isAscii(name)) return Promise.resolve(false);
    return database.query(async (sql) => (await sql.run("DELETE FROM services WHERE name = ?", [name])) === 1);
  }

  function putMember(service: string, member: Member, mostMembers: number): Promise<PutMemberResult> {
    if (!isAscii(service)) return Promise.resolve("unknown");
    const { address, weight, zone, isDraining } = member;
    return database.transaction(async (sql): Promise<PutMemberResult> => {
      if (!(await lock(sql, service))) return "unknown";
      const rows = await sql.rows<{ address: string }>("SELECT address FROM service_members WHERE service = ?", [
        service,
      ]);
      const isThere = rows.some((row) => row.address === address.text);
      if (!isThere && rows.length >= mostMembers) return "full";
      await sql.run(
        `INSERT INTO service_members (service, address, weight, zone, is_draining)
         VALUES (?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE weight = VALUES(weight), zone = VALUES(zone), is_draining = VALUES(is_draining)`,
        [service, address.text, weight, zone, isDraining ? 1 : 0],
      );
      return isThere ? "changed" : "added";
    });
  }

  function removeMember(service: string, address: string): Promise<boolean> {
    if (!isAscii(service) || !isAscii(address)) return Promise.resolve(false);
    return database.query(
      async (sql) =>
        (await sql.run("DELETE FROM service_members WHERE service = ? AND address = ?", [service, address])) === 1,
    );
  }

  return { list, add, change, remove, putMember, removeMember };
}

/** Locks a service's row, so that members are counted and added one after the other. False when there is none. */
async function lock(sql: Sql, name: string): Promise<boolean> {
  return (await sql.rows("SELECT name FROM services WHERE name = ? FOR UPDATE", [name])).length === 1;
}

function pathOf(probe: Probe): string | null {
  return probe.kind === "http" ? probe.path : null;
}

function toService(row: ServiceRow, members: readonly MemberRow[]): DeclaredService {
  const { name, port, protocol, names, policy, probe, probe_path, pool_key } = row;
  return {
    name,
    port,
    protocol,
    names: names === "" ? [] : names.split(" "),
    policy,
    probe: probe === "http" ? { kind: probe, path: probe_path ?? "/" } : { kind: probe },
    poolKey: pool_key,
    members: members.map(({ address, weight, zone, is_draining }) => ({
      address: keptAddress(address),
      weight,
      zone,
      isDraining: is_draining === 1,
    })),
  };
}
