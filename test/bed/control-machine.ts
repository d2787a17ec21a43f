import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createUndoList } from "../../apps/lib/lifecycle.ts";
import { startDigitalOcean, type LabCloud } from "../../infra/lab/digitalocean/index.ts";
import { openMachineRoom, type MachineRoom } from "../../infra/lab/machines/room.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { APT_GET, runApt } from "../../infra/servers/system-packages.ts";
import { until } from "./until.ts";

/** Packages that the development machines do not have: their servers would be services there. */
const PACKAGES = ["mariadb-server", "nginx", "certbot", "python3-certbot-dns-digitalocean", "haproxy", "pebble"];
const PACKAGES_DIR = projectPath(".getaredis/test-packages");
const OURS = ["apps", "infra", "migrations", "public", "docs", "package.json", "package-lock.json"].concat([
  "README.md",
  "SECURITY.md",
  "LICENSE",
]);
const BOOT_MS = 30_000;
const STOP_MS = 60_000;

/** A stock lab machine with our checkout, beside a stand-in for the cloud that both reach. */
export interface ControlMachine {
  room: MachineRoom;
  cloud: LabCloud;
  /** Token of the cloud's API. */
  token: string;
  id: number;
  publicIp: string;
  privateIp: string;
  /** Runs a script in the machine as root and returns what it printed; rejects when it fails. */
  sh: (script: string) => Promise<string>;
  /** Cuts the power, and boots again from the same disk. */
  reboot: () => Promise<void>;
  stop: () => Promise<void>;
}

/**
 * Starts it, with the checkout in a folder. Needs root, and the packages fetched. Machines and network end with this process, however it ends. The
 * caller stops it, also when a test fails.
 */
export async function startControlMachine(checkout = "/opt/getaredis"): Promise<ControlMachine> {
  const undo = createUndoList();
  try {
    const room = await openMachineRoom((fault) => console.error(fault));
    undo.add("machines", room.stop, { withinMs: STOP_MS });
    const token = "a-token-of-the-lab";
    const cloud = await startDigitalOcean({ token, host: room.controlAddress, machines: room });
    undo.add("cloud", cloud.stop, { withinMs: STOP_MS });
    const { id, publicIp, privateIp } = await order(cloud, token);
    const sh = (script: string) => room.exec(id, "bash", "--norc", "-euc", script);
    const booted = () =>
      until(
        "the machine has booted",
        async () => (await sh("systemctl is-active multi-user.target")).trim() === "active",
        BOOT_MS,
      );
    await booted();
    // The policy of this machine says that packages start no services; a stock machine has none. Writes need not
    // reach the disk: the machine's ends with the test. Without a way out, it cannot read package lists anew.
    await sh(
      "rm -f /usr/sbin/policy-rc.d /var/lib/man-db/auto-update; touch /var/lib/apt/periodic/update-success-stamp; " +
        `echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/lab; mkdir -p ${checkout}`,
    );
    await deliver(
      room,
      sh,
      [
        "--create",
        "--directory",
        PACKAGES_DIR,
        ...(await readdir(PACKAGES_DIR)).filter((name) => name.endsWith(".deb")),
      ],
      "/var/cache/apt/archives",
    );
    await deliver(
      room,
      sh,
      [
        "--create",
        "--directory",
        projectPath("."),
        ...(await developmentOnly()).map((path) => `--exclude=${path}`),
        ...OURS,
        "node_modules",
      ],
      checkout,
    );
    return {
      room,
      cloud,
      token,
      id,
      publicIp,
      privateIp,
      sh,
      reboot: async () => {
        await room.powerOff(id);
        await room.powerOn(id);
        await booted();
      },
      stop: undo.undoAll,
    };
  } catch (cause) {
    await undo.undoAll().catch(() => undefined);
    throw cause;
  }
}

/** As an operator orders it: a droplet like any other, without our tag. */
async function order(cloud: LabCloud, token: string): Promise<{ id: number; publicIp: string; privateIp: string }> {
  const answer = await fetch(`${cloud.url}/droplets`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "control", region: "fra1", size: "s-1vcpu-2gb", image: "debian-12-x64" }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return until("the droplet has addresses", () => {
    const { id, publicIp, privateIp } = cloud.droplets().find(({ name }) => name === "control") ?? {};
    return id && publicIp && privateIp ? { id, publicIp, privateIp } : undefined;
  });
}

/** Fetches what a machine installs there, which has no way out itself. Kept from one run to the next. */
export async function fetchControlPackages(): Promise<void> {
  await mkdir(join(PACKAGES_DIR, "partial"), { recursive: true });
  const download = () =>
    runApt([
      APT_GET,
      "install",
      "--download-only",
      "--yes",
      "--no-install-recommends",
      "-o",
      `Dir::Cache::archives=${PACKAGES_DIR}`,
      ...PACKAGES,
    ]);
  await download().catch(async () => {
    await runApt([APT_GET, "update"]);
    await download();
  });
}

/** Packages that no program of the control plane loads: most of their bytes. */
async function developmentOnly(): Promise<string[]> {
  const { packages } = JSON.parse(await readFile(projectPath("node_modules/.package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean }>;
  };
  return Object.entries(packages).flatMap(([path, { dev }]) => (dev === true ? [path] : []));
}

/** Sends files into a folder of the machine, over the private network. */
async function deliver(
  room: MachineRoom,
  sh: ControlMachine["sh"],
  tarArgs: readonly string[],
  dir: string,
): Promise<void> {
  const server = createServer((_request, reply) => {
    const tar = spawn("tar", tarArgs, { stdio: ["ignore", "pipe", "inherit"] });
    void pipeline(tar.stdout, reply).catch(() => tar.kill());
  });
  server.listen(0, room.controlAddress);
  await once(server, "listening");
  try {
    const { port } = server.address() as AddressInfo;
    await sh(
      `set -o pipefail; curl --fail --silent --show-error http://${room.controlAddress}:${port}/ | ` +
        `tar --extract --no-same-owner --directory ${dir}`,
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
