import assert from "node:assert/strict";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import type { Service } from "./service.ts";

/** How many of each thing exist, for messages and for exact counts. */
export interface Inventory {
  running: number;
  starting: number;
  ending: number;
  slotsTaken: number;
  quotaPlaces: number;
  idempotencyKeys: number;
  containers: number;
}

/**
 * Checks on real rows and real containers that nothing leaks and nothing is missing: each open row has
 * its slot, each lease its quota place and its running container, and there is nothing else.
 * @throws AssertionError when rows and containers do not agree
 */
export async function takeInventory(service: Service): Promise<Inventory> {
  const connection = await createConnection({ uri: service.env["MYSQL_URL"] ?? "" });
  try {
    const ids = async (sql: string) =>
      (await connection.query<RowDataPacket[]>(sql))[0].map((row) => String(row["id"])).sort();
    const open = await ids("SELECT id FROM instances WHERE state <> 'ended'");
    const leases = await ids("SELECT id FROM instances WHERE state IN ('starting', 'running')");
    const slots = await ids("SELECT instance_id AS id FROM slots WHERE instance_id IS NOT NULL");
    const places = await ids("SELECT instance_id AS id FROM quota_places");
    const running = await ids("SELECT id FROM instances WHERE state = 'running'");
    const ending = await ids("SELECT id FROM instances WHERE state = 'ending'");
    const keys = await ids("SELECT instance_id AS id FROM idempotency_keys");
    const containers = (
      await Promise.all(service.hosts.map((host) => host.docker.listContainers({ all: true })))
    ).flat();

    assert.deepEqual(slots, open, "each instance that is not ended has one slot, and no slot is taken by another");
    assert.deepEqual(places, leases, "each lease has one quota place, and no place is taken by another");
    assert.deepEqual(
      containers.map((container) => container.Labels["getaredis.instance"] ?? "").sort(),
      running,
      "each lease has its container, and each container its lease",
    );
    assert.ok(
      containers.every((container) => container.State === "running"),
      "every container runs",
    );
    return {
      running: running.length,
      starting: leases.length - running.length,
      ending: ending.length,
      slotsTaken: slots.length,
      quotaPlaces: places.length,
      idempotencyKeys: keys.length,
      containers: containers.length,
    };
  } finally {
    await connection.end();
  }
}
