import type { ServerVersion } from "../core/services/server-version.ts";
import type { LoginCheck, Probe } from "../core/services/service.ts";
import { hashSecret } from "../lib/secrets.ts";
import { publishedPort, type TwinEngine } from "./engines.ts";
import { inTurns, type Staging } from "./turns.ts";

/**
 * Checks that instances of these engines answer: at the address of their machine and their published port, to
 * the password whose hash they were started with. Where none does, it waits until its signal aborts. Faults
 * name the call `probe`.
 */
export function createTwinProbe(listEngines: () => Iterable<TwinEngine>, staging: Staging = {}): Probe {
  const { probe: look } = inTurns<{
    readonly probe: (...given: Parameters<Probe>) => Promise<ServerVersion | undefined>;
  }>("", { probe: (host, port, password) => whatAnswers([...listEngines()], host, port, password) }, staging);

  return async (host, port, password, signal) => {
    const server = await look(host, port, password, signal);
    if (server) return server;
    await aborted(signal);
    throw new Error(`nothing at ${host}:${port} answers to the password`);
  };
}

/** The same for a single login: what does not answer to the password refuses at once. Faults name `checkLogin`. */
export function createTwinLoginCheck(listEngines: () => Iterable<TwinEngine>, staging: Staging = {}): LoginCheck {
  return inTurns<{ readonly checkLogin: LoginCheck }>(
    "",
    {
      checkLogin: (host, port, password) => {
        if (!whatAnswers([...listEngines()], host, port, password))
          throw new Error(`nothing at ${host}:${port} answers to the password`);
      },
    },
    staging,
  ).checkLogin;
}

function whatAnswers(
  engines: readonly TwinEngine[],
  host: string,
  port: number,
  password: string,
): ServerVersion | undefined {
  const hash = `#${hashSecret(password).toString("hex")}`;
  return engines.find(
    ({ address, containers }) =>
      address === host &&
      [...containers.values()].some(
        ({ spec, running }) => running && publishedPort(spec) === port && spec.Cmd.includes(hash),
      ),
  )?.server;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
