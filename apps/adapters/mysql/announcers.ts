import type { Announcer, Announcers } from "../../core/balance/contract.ts";
import { isAscii, type Database } from "./database.ts";

type AnnouncerRow = {
  readonly name: string;
  readonly applications: string | null;
  readonly nonce: Buffer;
  readonly created_at: Date;
  readonly created_by: string;
};

/** Rows of hosts that may announce applications. */
export function announcerStatements(database: Database): Announcers {
  function list(): Promise<Announcer[]> {
    return database.query(async (sql) =>
      (
        await sql.rows<AnnouncerRow>(
          "SELECT name, applications, nonce, created_at, created_by FROM announcers ORDER BY name",
        )
      ).map(({ name, applications, nonce, created_at, created_by }) => ({
        name,
        applications: applications === null ? null : applications.split(" "),
        nonce,
        createdAt: created_at,
        createdBy: created_by,
      })),
    );
  }

  function add({ name, applications, nonce, createdAt, createdBy }: Announcer): Promise<boolean> {
    return database.query(
      async (sql) =>
        (await sql.run(
          `INSERT IGNORE INTO announcers (name, applications, nonce, created_at, created_by) VALUES (?, ?, ?, ?, ?)`,
          [name, applications?.join(" ") ?? null, nonce, createdAt, createdBy],
        )) === 1,
    );
  }

  function remove(name: string): Promise<boolean> {
    if (!isAscii(name)) return Promise.resolve(false);
    return database.query(async (sql) => (await sql.run("DELETE FROM announcers WHERE name = ?", [name])) === 1);
  }

  return { list, add, remove };
}
