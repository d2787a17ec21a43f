import { step } from "../infra/process/progress.ts";
import type { SystemCommand } from "../infra/servers/system-packages.ts";

// The rooms that install come when they are needed: most runs of a few files need none.

/** Something that is installed or fetched before the tests of some files can run. */
interface Preparation {
  name: string;
  isFor: (file: string) => boolean;
  run: (note: (text: string) => void) => Promise<void>;
}

/** In the order in which they are made; what few files need comes last. */
const PREPARATIONS: readonly Preparation[] = [
  {
    name: "system packages",
    isFor: () => true,
    run: async (note) => {
      const { LAB_COMMANDS } = await import("../infra/lab/commands.ts");
      const { chooseImageServer } = await import("../infra/servers/redis-image.ts");
      await install(
        [...LAB_COMMANDS, await chooseImageServer(), "redis-cli", "haproxy", "chromium-headless-shell"],
        note,
      );
    },
  },
  {
    name: "nginx",
    isFor: (file) => file.startsWith("test/adapters/nginx/") || file === "test/e2e/edge.test.ts",
    run: (note) => install(["nginx"], note),
  },
  {
    name: "packages of a control plane",
    isFor: (file) => /\/(deploy|single-box)\.test\.ts$/.test(file),
    run: async () => (await import("./bed/control-machine.ts")).fetchControlPackages(),
  },
  {
    name: "Prometheus",
    isFor: (file) => file.endsWith("/prometheus.test.ts"),
    run: async () => (await import("./bed/prometheus.ts")).fetchPrometheus(),
  },
  {
    name: "clients in other languages",
    isFor: (file) => ["test/e2e/clients.test.ts", "test/e2e/edge.test.ts"].includes(file),
    run: async (note) => {
      const { CLIENT_PACKAGES } = await import("./e2e/edge-clients/clients.ts");
      await install(CLIENT_PACKAGES, note);
    },
  },
];

/**
 * Begins all that tests of these files need, one after the other since apt does one thing at a time.
 * @returns what a file waits for; it rejects when something that the file needs could not be had
 */
export function prepareMachine(files: readonly string[]): (file: string) => Promise<void> {
  let before: Promise<unknown> = Promise.resolve();
  const begun = PREPARATIONS.filter(({ isFor }) => files.some(isFor)).map(({ name, isFor, run }) => {
    const done = before.then(() => step(name, run));
    before = done.catch(() => undefined);
    return { isFor, done };
  });
  return async (file) => {
    await Promise.all(begun.filter(({ isFor }) => isFor(file)).map(({ done }) => done));
  };
}

async function install(commands: readonly SystemCommand[], note: (text: string) => void): Promise<void> {
  const { ensureSystemPackages } = await import("../infra/servers/system-packages.ts");
  const installed = await ensureSystemPackages(commands);
  if (installed.length > 0) note(`installed ${installed.join(", ")}`);
}
