import { createConnection } from "mysql2/promise";
import { createDatabase } from "./services.ts";
import { migrate } from "../../apps/adapters/mysql/migrations.ts";

/** A fleet as its tables hold it. */
export type FleetSize = {
  readonly hosts: number;
  /** Instances that run, on the first hosts, each of which is filled before the next one. */
  readonly instances: number;
  /** Slots of a host. */
  readonly capacity?: number;
  /** Instances that have ended, as history. */
  readonly ended?: number;
};

/** Name of the host of this number. */
export const hostName = (number: number) => `gar-${number}`;

/**
 * A new, migrated database with a fleet of this size on the server of an admin address: each instance has a holder of
 * its own, and each host its droplet. Returns the database's address; it goes with the server.
 */
export async function createFleetTables(
  adminUrl: string,
  { hosts, instances, capacity = 40, ended = 0 }: FleetSize,
): Promise<string> {
  const url = await createDatabase(adminUrl);
  await migrate(url);
  const connection = await createConnection({ uri: url, multipleStatements: true, timezone: "Z" });
  try {
    await connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    await connection.query(`CREATE TEMPORARY TABLE digits (d INT NOT NULL PRIMARY KEY);
      INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
      CREATE TABLE numbers (n INT NOT NULL PRIMARY KEY)`);
    // A temporary table can stand in a query only once.
    for (let ten = 1, count = 1; count < Math.max(hosts, instances, ended, capacity); ten *= 10, count *= 10) {
      if (ten === 1) await connection.query("INSERT INTO numbers SELECT d FROM digits");
      else
        await connection.query(
          "INSERT IGNORE INTO numbers SELECT more.n FROM (SELECT numbers.n + digits.d * ? AS n FROM numbers JOIN digits) AS more",
          [ten],
        );
    }
    const address = "CONCAT('10.', n DIV 65536, '.', n DIV 256 % 256, '.', n % 256)";
    await connection.query(
      `INSERT INTO hosts (id, name, engine_url, public_host, check_host, bind_address, capacity, base_port, created_at)
         SELECT n + 1, CONCAT('gar-', n), CONCAT('https://10.0.0.1:', n), CONCAT('h', n, '.example.org'), '127.0.0.1', '0.0.0.0', ?, 20000,
                UTC_TIMESTAMP(3)
           FROM numbers WHERE n < ?;
       INSERT INTO droplets (number, name, state, droplet_id, region, size, ordered_at, joined_at, token_hash)
         SELECT n + 1, CONCAT('gar-', n), 'joined', n + 1, 'fra1', 's-1vcpu-1gb', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3),
                UNHEX(SHA2(n, 256))
           FROM numbers WHERE n < ?;
       INSERT INTO instances (id, state, host_id, port, address, token_hash, password_hash, created_at, handed_out_at,
                              expires_at, latest_end, start_deadline)
         SELECT LPAD(HEX(n), 16, '0'), 'running', n DIV ? + 1, 20000 + n % ?, ${address}, UNHEX(SHA2(n, 256)),
                UNHEX(SHA2(n, 256)), UTC_TIMESTAMP(3), UTC_TIMESTAMP(3),
                UTC_TIMESTAMP(3) + INTERVAL 3600 + n % 36000 SECOND, UTC_TIMESTAMP(3) + INTERVAL 1 DAY, UTC_TIMESTAMP(3)
           FROM numbers WHERE n < ?;
       INSERT INTO slots (host_id, slot, port, free_since, instance_id)
         SELECT hosts.id, n, 20000 + n, UTC_TIMESTAMP(3),
                IF((hosts.id - 1) * ? + n < ?, LPAD(HEX((hosts.id - 1) * ? + n), 16, '0'), NULL)
           FROM hosts JOIN numbers WHERE n < ?;
       INSERT INTO addresses SELECT ${address}, UTC_TIMESTAMP(3) FROM numbers WHERE n < ?;
       INSERT INTO quota_places SELECT ${address}, 1, LPAD(HEX(n), 16, '0') FROM numbers WHERE n < ?;
       INSERT INTO network_places
         SELECT CONCAT('10.', n DIV 65536, '.', n DIV 256 % 256, '.0/24'), LPAD(HEX(n), 16, '0')
           FROM numbers WHERE n < ?;
       INSERT INTO instances (id, state, host_id, port, address, token_hash, password_hash, created_at, handed_out_at,
                              expires_at, latest_end, start_deadline, ended_at, end_cause)
         SELECT CONCAT('e', LPAD(HEX(n), 15, '0')), 'ended', n % ? + 1, 20000, ${address}, UNHEX(SHA2(n, 256)),
                UNHEX(SHA2(n, 256)), UTC_TIMESTAMP(3) - INTERVAL n MINUTE, UTC_TIMESTAMP(3) - INTERVAL n MINUTE,
                UTC_TIMESTAMP(3) - INTERVAL n SECOND, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3),
                UTC_TIMESTAMP(3) - INTERVAL n SECOND, 'expired'
           FROM numbers WHERE n < ?`,
      [
        ...[capacity, hosts],
        hosts,
        ...[capacity, capacity, instances],
        ...[capacity, instances, capacity, capacity],
        ...[instances, instances, instances],
        ...[hosts, ended],
      ],
    );
    await connection.query("DROP TABLE numbers");
    await connection.query("ANALYZE TABLE hosts, droplets, instances, slots, addresses, quota_places, network_places");
  } finally {
    await connection.end();
  }
  return url;
}
