import type { Schemas } from "../api/client.ts";
import type { World } from "../world.ts";

/** An instance that this user has created here: where it is, and what extends and ends it. Without its password. */
export type KeptInstance = Pick<Schemas["Handout"], "id" | "host" | "port" | "createdAt" | "expiresAt" | "token"> & {
  /** Address of the service that it is from. */
  readonly service: string;
};

/** The instances that a user has created here, each in a file that only they can read. */
export type KeptInstances = {
  readonly folder: string;
  readonly keep: (instance: KeptInstance) => Promise<void>;
  readonly list: () => Promise<readonly KeptInstance[]>;
  readonly forget: (id: string) => Promise<void>;
};

/** What cannot be read as one of these files is passed over: another version may have written it. */
export function createKeptInstances({ files, env }: Pick<World, "files" | "env">): KeptInstances {
  const folder = `${stateFolder(env)}/getaredis/instances`;
  const fileOf = (id: string) => `${folder}/${id}.json`;

  return {
    folder,
    keep: ({ id, host, port, createdAt, expiresAt, token, service }) =>
      files.write(
        fileOf(id),
        `${JSON.stringify({ id, host, port, createdAt, expiresAt, token, service } satisfies KeptInstance, null, 2)}\n`,
      ),
    list: async () => {
      const names = (await files.list(folder)).filter((name) => name.endsWith(".json")).sort();
      const texts = await Promise.all(names.map((name) => files.read(`${folder}/${name}`)));
      return texts.map(readKept).filter((kept) => kept !== undefined);
    },
    forget: (id) => files.remove(fileOf(id)),
  };
}

function readKept(text: string | undefined): KeptInstance | undefined {
  try {
    const kept = JSON.parse(text ?? "") as Partial<KeptInstance>;
    const isWhole =
      [kept.id, kept.host, kept.createdAt, kept.expiresAt, kept.token, kept.service].every(
        (value) => typeof value === "string",
      ) && typeof kept.port === "number";
    return isWhole ? (kept as KeptInstance) : undefined;
  } catch {
    return undefined;
  }
}

/** By the XDG Base Directory Specification. */
function stateFolder(env: World["env"]): string {
  const named = env["XDG_STATE_HOME"] ?? "";
  return named.startsWith("/") ? named : `${env["HOME"] ?? "."}/.local/state`;
}
