import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { waitForPong } from "../../apps/adapters/redis/probe.ts";
import type { EngineHost } from "../bed/engine-host.ts";

const run = promisify(execFile);
const PASSWORD = "bench";
const FIRST_PORT = 30_000;
const PONG_MS = 10_000;

/** A plain `docker run` of the instances' image, on the engine and network of an engine host. */
export type DockerRun = {
  /** Runs one, and resolves when it has answered `PONG`. `index` tells those apart that are there at one time. */
  readonly toPong: (index: number) => Promise<void>;
  readonly remove: (index: number) => Promise<void>;
};

/** There has to be a network of a deployment on the host already: the first hand-out makes it. */
export async function dockerRunOn(host: EngineHost): Promise<DockerRun> {
  const network = (await host.docker.listNetworks()).find(({ Name }) => Name.startsWith("getaredis-"))?.Name ?? "";
  const docker = (...args: string[]) => run("docker", ["-H", host.url, ...args]);
  return {
    toPong: async (index) => {
      const port = FIRST_PORT + index;
      await docker(
        "run",
        "--detach",
        `--name=bench-${index}`,
        `--network=${network}`,
        `--publish=${port}:6379`,
        host.image,
        "--requirepass",
        PASSWORD,
        "--bind",
        "0.0.0.0",
      );
      await waitForPong(host.address, port, PASSWORD, AbortSignal.timeout(PONG_MS));
    },
    remove: async (index) => {
      await docker("rm", "--force", `bench-${index}`);
    },
  };
}
