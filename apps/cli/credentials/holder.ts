import type { Client } from "../api/client.ts";
import type { Context } from "../context.ts";
import { findRedisUrl } from "../input/redis-url.ts";
import { stop, usage } from "../stopped.ts";
import { readSecret } from "./secrets.ts";

/** An instance, and a client that may act on it. */
export type Holding = { readonly id: string; readonly client: Client };

/** How instances are named, for help. */
export const INSTANCE_FORM = "id of the instance, its host:port, or - for a Redis URL on standard input";
export const TOKEN = "GETAREDIS_TOKEN";

/**
 * The instance that a holder names, with what proves that it is theirs: the token or password in the file that they name,
 * what is kept of an instance created here, or the environment, in this order.
 * @throws Stopped where nothing proves it
 */
export async function holdingOf(context: Context, name: string, tokenFile: string | undefined): Promise<Holding> {
  const { world, kept, client } = context;
  const { address, isNamed } = context.service();
  if (name === "-") {
    if (tokenFile !== undefined) throw usage("- stands for a URL with a password: leave out --token-file.");
    const url = findRedisUrl(await world.stdin.read());
    if (!url) throw usage("There is no Redis URL with a password on standard input.");
    return { id: url.name, client: client(address, url.password) };
  }
  if (findRedisUrl(name))
    throw usage(
      "The command line shows the password to everybody on this machine. Write - and send the URL on standard input.",
    );
  if (tokenFile === undefined) {
    const found = (await kept.list()).find(
      (each) => (each.id === name || `${each.host}:${each.port}` === name) && (!isNamed || each.service === address),
    );
    if (found) return { id: found.id, client: client(found.service, found.token) };
  }
  const secret = await readSecret(world, tokenFile, TOKEN);
  if (secret !== undefined) return { id: name, client: client(address, secret) };
  throw stop(
    "notAllowed",
    "no-token",
    "The instance's token or password is needed",
    `None is kept here: it was created elsewhere, or has ended. Set ${TOKEN}, or ${TOKEN}_FILE or --token-file to a file that holds the token or the ` +
      "Redis password; or write - in place of the id and send the Redis URL on standard input.",
  );
}
