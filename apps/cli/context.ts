import type { Client } from "./api/client.ts";
import { createApiClient } from "./api/client.ts";
import { createSend } from "./api/send.ts";
import { createKeptInstances, type KeptInstances } from "./credentials/kept-instances.ts";
import { readSecret } from "./credentials/secrets.ts";
import { readServiceAddress } from "./input/service-address.ts";
import { createShow, type Show } from "./output/show.ts";
import { stop } from "./stopped.ts";
import type { World } from "./world.ts";

/** Options that every command takes. */
export type GlobalOptions = {
  readonly api?: string | undefined;
  readonly opsTokenFile?: string | undefined;
  readonly json?: true | undefined;
  readonly timeout: number;
  readonly retryFor: number;
};

/** What the commands work with. */
export type Context = {
  readonly world: World;
  readonly show: Show;
  readonly kept: KeptInstances;
  /** Where the service is, and whether its user has named it. */
  readonly service: () => { readonly address: string; readonly isNamed: boolean };
  /** Calls that need no token, or the one of an instance. */
  readonly client: (address: string, secret?: string) => Client;
  /** The operator's calls; undefined where there is no operator's token. */
  readonly operatorIfAny: () => Promise<Client | undefined>;
  /** @throws Stopped where there is no operator's token */
  readonly operator: () => Promise<Client>;
};

/** Where `npm start` serves. */
const DEFAULT_SERVICE = "http://127.0.0.1:8080";
export const OPS_TOKEN = "GETAREDIS_OPS_TOKEN";
export const API = "GETAREDIS_API";

/** @param options of the command line; they are asked for when a command runs */
export function createContext(world: World, options: () => GlobalOptions): Context {
  const show = createShow(world, () => options().json === true);

  const service = () => {
    const { api } = options();
    if (api !== undefined) return { address: readServiceAddress(api, "--api"), isNamed: true };
    const inEnv = world.env[API] ?? "";
    if (inEnv !== "") return { address: readServiceAddress(inEnv, API), isNamed: true };
    return { address: world.package.service ?? DEFAULT_SERVICE, isNamed: false };
  };
  const client = (address: string, secret?: string) => {
    const { timeout, retryFor } = options();
    const send = createSend({ ...world, note: show.note }, { timeoutMs: timeout * 1000, retryForMs: retryFor * 1000 });
    return createApiClient(address, send, world.package.version, secret);
  };
  const operatorIfAny = async () => {
    const secret = await readSecret(world, options().opsTokenFile, OPS_TOKEN);
    if (secret === undefined) return undefined;
    const { address } = service();
    if (!isSafe(address))
      show.note(`Warning: ${address} is not encrypted; the operator's token can be read on the way there.`);
    return client(address, secret);
  };
  const operator = async () => {
    const found = await operatorIfAny();
    if (found) return found;
    throw stop(
      "notAllowed",
      "no-ops-token",
      "An operator's token is needed",
      `Set ${OPS_TOKEN}, or ${OPS_TOKEN}_FILE or --ops-token-file to a file that holds it. ` +
        "npm start keeps the first admin's in .getaredis/ops-token.",
    );
  };

  return { world, show, kept: createKeptInstances(world), service, client, operatorIfAny, operator };
}

/** Whether what is sent there crosses no network in the clear. */
function isSafe(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  return protocol === "https:" || hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}
