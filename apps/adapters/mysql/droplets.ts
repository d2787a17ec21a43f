import type { DropletRow, DropletState, OrderFailures } from "../../core/fleet/droplets.ts";
import type { NewHost } from "../../core/fleet/host.ts";
import type { HostTimers } from "../../core/fleet/scaling.ts";
import { codeOf, type Database, type Session } from "./database.ts";
import { registerHostIn } from "./hosts.ts";
import { beginEndIn } from "./leases.ts";

/** Whose intents are written: the leader of the fleet's scaling, by its term. */
export const SCALING = "scale";

/** An order as it is written before the cloud is asked. */
export type OrderIntent = {
  readonly namePrefix: string;
  readonly region: string;
  readonly size: string;
  readonly tokenHash: Buffer;
  readonly cap: number;
};

type DropletDbRow = {
  name: string;
  state: DropletState;
  droplet_id: number | null;
  ordered_at: Date;
  joined_at: Date | null;
  idle_since: Date | null;
  unwell_since: Date | null;
  unreached_since: Date | null;
};

/**
 * Rows of droplets. What moves money or hosts is written by the leader alone: a `term` that is not the
 * newest one is refused, so that a leader which slept through its replacement does nothing.
 */
export function dropletStatements(database: Database) {
  /** All droplets that are not gone, in the order of their orders. */
  function listDroplets(): Promise<DropletRow[]> {
    return database.query(async (session) => {
      const rows = await session.rows<DropletDbRow>(
        "SELECT name, state, droplet_id, ordered_at, joined_at, idle_since, unwell_since, unreached_since FROM droplets WHERE state <> 'gone' AND name IS NOT NULL ORDER BY number",
      );
      return rows.map(toDroplet);
    });
  }

  /** Orders that ended without a host, since the last that became one. */
  function readOrderFailures(): Promise<OrderFailures> {
    return database.query(async (session) => {
      const [row] = await session.rows<{
        in_a_row: number;
        out_of_stock: number | string | null;
        last_at: Date | null;
      }>(
        `SELECT COUNT(*) AS in_a_row, SUM(out_of_stock) AS out_of_stock, MAX(ending_at) AS last_at FROM droplets
          WHERE joined_at IS NULL AND ending_at IS NOT NULL
            AND number > (SELECT COALESCE(MAX(number), 0) FROM droplets WHERE joined_at IS NOT NULL)`,
      );
      return { inARow: row?.in_a_row ?? 0, outOfStock: Number(row?.out_of_stock ?? 0), lastAt: row?.last_at ?? null };
    });
  }

  /** Writes the intent of an order and gives it its name; undefined when the term is over or the cap is reached. */
  function addOrder(term: number, intent: OrderIntent, now: Date): Promise<string | undefined> {
    return database.transaction(async (session) => {
      if (!(await isInTerm(session, term))) return undefined;
      const [{ existing } = { existing: 0 }] = await session.rows<{ existing: number }>(
        "SELECT COUNT(*) AS existing FROM droplets WHERE state <> 'gone'",
      );
      if (existing >= intent.cap) return undefined;
      await session.run("INSERT INTO droplets (region, size, token_hash, ordered_at) VALUES (?, ?, ?, ?)", [
        intent.region,
        intent.size,
        intent.tokenHash,
        now,
      ]);
      const [{ number } = { number: 0 }] = await session.rows<{ number: number }>("SELECT LAST_INSERT_ID() AS number");
      const name = `${intent.namePrefix}-${number}`;
      await session.run("UPDATE droplets SET name = ? WHERE number = ?", [name, number]);
      return name;
    });
  }

  /** Notes which droplet an order has led to. False when it is no open order any more, or has another droplet, or another order has this one. */
  function adoptDroplet(name: string, dropletId: number, hourlyPrice: number): Promise<boolean> {
    return database.query(async (session) => {
      try {
        const adopted = await session.run(
          "UPDATE droplets SET state = 'booting', droplet_id = ?, hourly_price = ? WHERE name = ? AND state = 'ordered'",
          [dropletId, hourlyPrice, name],
        );
        return (
          adopted === 1 ||
          (await session.rows("SELECT name FROM droplets WHERE name = ? AND droplet_id = ?", [name, dropletId]))
            .length === 1
        );
      } catch (fault) {
        if (codeOf(fault) === "ER_DUP_ENTRY") return false;
        throw fault;
      }
    });
  }

  /** Closes an order that has led to no droplet. */
  async function closeOrder(name: string, reason: string, outOfStock: boolean, now: Date): Promise<void> {
    await database.query((session) =>
      session.run(
        "UPDATE droplets SET state = 'gone', ending_at = ?, gone_at = ?, end_reason = ?, out_of_stock = ? WHERE name = ? AND state = 'ordered'",
        [now, now, reason.slice(0, 255), outOfStock ? 1 : 0, name],
      ),
    );
  }

  /**
   * Lets a droplet whose key is new take part: true when the token is the one it was ordered with, and
   * no other key has used it. The same key may come again, whose answer was lost.
   */
  function enrol({
    hostName,
    tokenHash,
    keyHash,
  }: {
    readonly hostName: string;
    readonly tokenHash: Buffer;
    readonly keyHash: Buffer;
  }): Promise<"granted" | "refused"> {
    return database.query(async (session) => {
      const granted = await session.run(
        "UPDATE droplets SET key_hash = ? WHERE name = ? AND token_hash = ? AND state IN ('ordered', 'booting') AND (key_hash IS NULL OR key_hash = ?)",
        [keyHash, hostName, tokenHash, keyHash],
      );
      return granted === 1 ? "granted" : "refused";
    });
  }

  /** Makes a booted droplet a host. False when it is not booting any more, or when the operator wants it destroyed. */
  function admitDroplet(host: NewHost, now: Date): Promise<boolean> {
    return database.transaction(async (session) => {
      const joined = await session.run(
        "UPDATE droplets SET state = 'joined', joined_at = ?, idle_since = ? WHERE name = ? AND state = 'booting' AND name NOT IN (SELECT name FROM doomed_hosts)",
        [now, now, host.name],
      );
      if (joined === 1) await registerHostIn(session, host, now);
      return joined === 1;
    });
  }

  /** Keeps the timers of hosts. */
  function keepTimers(timers: readonly HostTimers[]): Promise<void> {
    return database.query(async (session) => {
      for (const { name, idleSince, unwellSince } of timers)
        await session.run("UPDATE droplets SET idle_since = ?, unwell_since = ? WHERE name = ? AND state = 'joined'", [
          idleSince,
          unwellSince,
          name,
        ]);
    });
  }

  /** Forgets since when hosts have been unwell: it was we who could not see them. */
  async function forgetUnwell(): Promise<void> {
    await database.query((session) =>
      session.run("UPDATE droplets SET unwell_since = NULL WHERE unwell_since IS NOT NULL"),
    );
  }

  /** Keeps since when the engines of hosts have not answered, and forgets it of those that have. */
  function keepReach(reached: readonly string[], unreached: readonly string[], now: Date): Promise<void> {
    return database.query(async (session) => {
      for (const name of reached)
        await session.run("UPDATE droplets SET unreached_since = NULL WHERE name = ? AND unreached_since IS NOT NULL", [
          name,
        ]);
      for (const name of unreached)
        await session.run("UPDATE droplets SET unreached_since = ? WHERE name = ? AND unreached_since IS NULL", [
          now,
          name,
        ]);
    });
  }

  /** Ids of droplets seen gone since a moment: lists may show them for a while yet. */
  function listGoneIds(since: Date): Promise<number[]> {
    return database.query(async (session) =>
      (
        await session.rows<{ droplet_id: number }>(
          "SELECT droplet_id FROM droplets WHERE state = 'gone' AND gone_at > ? AND droplet_id IS NOT NULL",
          [since],
        )
      ).map((row) => row.droplet_id),
    );
  }

  /** Closes an empty, active host to hand-outs for good. False when it is not empty or not active any more. */
  function beginDrain(term: number, name: string): Promise<boolean> {
    return database.transaction(async (session) => {
      if (!(await isInTerm(session, term))) return false;
      // Hand-outs share this lock: none can take a slot between the look and the change.
      const [host] = await session.rows<{ id: number }>(
        "SELECT id FROM hosts WHERE name = ? AND state = 'active' FOR UPDATE",
        [name],
      );
      if (!host || (await countLeases(session, host.id)) > 0) return false;
      await session.run("UPDATE hosts SET state = 'draining' WHERE id = ?", [host.id]);
      return true;
    });
  }

  /**
   * Decides the end of a droplet: from here on it takes nothing and only goes. Refused (false) when the
   * term is over, and while its host has a lease, unless its leases are to be lost with it.
   */
  function beginDestroy(
    term: number,
    name: string,
    reason: string,
    leases: "none" | "lost",
    now: Date,
  ): Promise<boolean> {
    return database.transaction(async (session) => {
      if (!(await isInTerm(session, term))) return false;
      await lockDroplet(session, name);
      const [host] = await session.rows<{ id: number }>("SELECT id FROM hosts WHERE name = ? FOR UPDATE", [name]);
      if (host && leases === "none" && (await countLeases(session, host.id)) > 0) return false;
      const begun = await session.run(
        "UPDATE droplets SET state = 'destroying', ending_at = ?, end_reason = ? WHERE name = ? AND state IN ('booting', 'joined')",
        [now, reason.slice(0, 255), name],
      );
      if (begun === 0) return false;
      if (host) {
        await session.run("UPDATE hosts SET state = 'draining' WHERE id = ?", [host.id]);
        await loseLeases(session, host.id, now);
      }
      return true;
    });
  }

  /** Closes a droplet that is gone, its host, and what was still on it. Again: no change. */
  function closeDroplet(name: string, reason: string, now: Date): Promise<void> {
    return database.transaction(async (session) => {
      await lockDroplet(session, name);
      const [host] = await session.rows<{ id: number }>("SELECT id FROM hosts WHERE name = ? FOR UPDATE", [name]);
      const closed = await session.run(
        "UPDATE droplets SET state = 'gone', gone_at = ?, ending_at = COALESCE(ending_at, ?), end_reason = COALESCE(end_reason, ?) WHERE name = ? AND state <> 'gone'",
        [now, now, reason.slice(0, 255), name],
      );
      if (closed === 0 || !host) return;
      await loseLeases(session, host.id, now);
      await session.run("UPDATE instances SET state = 'ended', ended_at = ? WHERE host_id = ? AND state = 'ending'", [
        now,
        host.id,
      ]);
      await session.run("DELETE FROM slots WHERE host_id = ?", [host.id]);
      await session.run("UPDATE hosts SET state = 'gone' WHERE id = ?", [host.id]);
    });
  }

  return {
    listDroplets,
    readOrderFailures,
    addOrder,
    adoptDroplet,
    closeOrder,
    enrol,
    admitDroplet,
    keepTimers,
    forgetUnwell,
    keepReach,
    listGoneIds,
    beginDrain,
    beginDestroy,
    closeDroplet,
  };
}

/** Whether a leader's term is the newest. Holds off a change of leader until the transaction ends. */
async function isInTerm(session: Session, term: number): Promise<boolean> {
  const [row] = await session.rows<{ term: number }>("SELECT term FROM leaders WHERE job = ? FOR UPDATE", [SCALING]);
  return row?.term === term;
}

/** Before the host's row: whether there is one must not change between the look at it and the end of its droplet. */
export async function lockDroplet(session: Session, name: string): Promise<void> {
  await session.rows("SELECT name FROM droplets WHERE name = ? FOR UPDATE", [name]);
}

/** Instances of a host that count as use. */
export async function countLeases(session: Session, hostId: number): Promise<number> {
  const [row] = await session.rows<{ leases: number }>(
    "SELECT COUNT(*) AS leases FROM instances WHERE host_id = ? AND state IN ('starting', 'running')",
    [hostId],
  );
  return row?.leases ?? 0;
}

/** Tells the leases of a host that is no more lost; hand-outs under way fail. */
async function loseLeases(session: Session, hostId: number, now: Date): Promise<void> {
  const leases = await session.rows<{ id: string; state: string }>(
    "SELECT id, state FROM instances WHERE host_id = ? AND state IN ('starting', 'running')",
    [hostId],
  );
  for (const { id, state } of leases) await beginEndIn(session, id, state === "running" ? "lost" : "failed", now);
}

function toDroplet(row: DropletDbRow): DropletRow {
  return {
    name: row.name,
    state: row.state,
    dropletId: row.droplet_id,
    orderedAt: row.ordered_at,
    joinedAt: row.joined_at,
    idleSince: row.idle_since,
    unwellSince: row.unwell_since,
    unreachedSince: row.unreached_since,
  };
}
