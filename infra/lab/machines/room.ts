import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { MachineOrder, Machines } from "../digitalocean/machines.ts";
import { startMetadata, type MetadataService } from "./metadata.ts";
import { claimPlace, removeLink, type Place } from "./places.ts";
import { switchOn, type Power } from "./power.ts";

const run = promisify(execFile);
const METADATA_ADDRESS = "169.254.169.254";
/** Private networks of rooms: 10.214.0.0/24, 10.214.1.0/24 and so on. */
const FIRST_NETWORK = 214;
const MOST_ROOMS = (256 - FIRST_NETWORK) * 256;
/** Addresses .2 to .254 of the room's network. */
const MOST_MACHINES = 253;
/** What commands in a machine see of an environment: not ours, which may hold secrets. */
const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
};

/** Machines of a lab, on a private network of their own with the control plane. */
export interface MachineRoom extends Machines {
  /** Address of the control plane on the private network. */
  controlAddress: string;
  /** The private network, as a CIDR. */
  network: string;
  /** Runs a command in a machine as root and returns what it printed; rejects when it fails. */
  exec: (id: number, command: string, ...args: string[]) => Promise<string>;
  /** Disconnects one of a machine's network cards, or connects it again. */
  cutLink: (id: number, card: "public" | "private", isCut: boolean) => Promise<void>;
  partition: (id: number, isCutOff: boolean) => Promise<void>;
  /** Has machines that are switched on from now on wait before they boot. */
  slowBoots: (delayMs: number) => void;
  /** Memory of a machine's processes in MB; of pages that several processes share, each has its part. */
  memoryMb: (id: number) => Promise<number>;
  /** Ids of the machines that there are, on or off. */
  list: () => number[];
  /** Takes all machines away, and the room. */
  stop: () => Promise<void>;
}

interface Machine {
  order: MachineOrder;
  place: Place;
  publicIp: string;
  privateIp: string;
  power: Power | undefined;
  metadata: MetadataService | undefined;
  /** Orders to one machine are carried out one after the other. */
  turn: Promise<void>;
  /** Aborted when it is destroyed. */
  end: AbortController;
}

/**
 * Opens a room for machines made of namespaces, each with real systemd, a disk, two network cards and a
 * metadata service. Needs root. What a killed run left is removed by the next; machines end with this process.
 * @param onFault called with machines that did not boot
 */
export async function openMachineRoom(onFault: (fault: unknown) => void): Promise<MachineRoom> {
  const place = await claimPlace();
  if (place.number >= MOST_ROOMS) throw new Error(`there are ${MOST_ROOMS} rooms or more on this machine`);
  const prefix = `10.${FIRST_NETWORK + (place.number >> 8)}.${place.number & 255}`;
  const controlAddress = `${prefix}.1`;
  const network = `${prefix}.0/24`;
  const machines = new Map<number, Machine>();
  // The switch of the private network is in a namespace of its own: this machine's packet filter would be
  // asked about every frame between two machines, and with Docker installed it drops them.
  const atSwitch = (...command: string[]) => run("ip", ["-netns", place.label, ...command]);
  let bootDelayMs = 0;
  try {
    await run("ip", ["netns", "add", place.label]);
    await atSwitch("link", "add", "switch", "type", "bridge");
    await run("ip", ["link", "add", place.label, "type", "veth", "peer", "name", "control", "netns", place.label]);
    await atSwitch("link", "set", "switch", "up");
    await atSwitch("link", "set", "control", "master", "switch", "up");
    await run("ip", ["address", "add", `${controlAddress}/24`, "dev", place.label]);
    await run("ip", ["link", "set", place.label, "up"]);
  } catch (cause) {
    await place.release();
    throw new Error("the private network could not be laid (are you root?)", { cause });
  }

  async function build(order: MachineOrder): Promise<{ publicIp: string; privateIp: string }> {
    if (machines.has(order.id)) throw new Error(`there is a machine ${order.id} already`);
    const itsPlace = await claimPlace();
    const taken = new Set([...machines.values()].map(({ privateIp }) => privateIp));
    const privateIp = Array.from({ length: MOST_MACHINES }, (_, index) => `${prefix}.${index + 2}`).find(
      (address) => !taken.has(address),
    );
    if (privateIp === undefined) {
      await itsPlace.release();
      throw new Error(`a room holds ${MOST_MACHINES} machines`);
    }
    const machine: Machine = {
      order,
      place: itsPlace,
      publicIp: itsPlace.hostAddress,
      privateIp,
      power: undefined,
      metadata: undefined,
      turn: Promise.resolve(),
      end: new AbortController(),
    };
    machines.set(order.id, machine);
    void inTurn(machine, () => boot(machine)).catch(onFault);
    return { publicIp: machine.publicIp, privateIp };
  }

  async function boot(machine: Machine): Promise<void> {
    const { order, place, end } = machine;
    if (bootDelayMs > 0) await sleep(bootDelayMs, undefined, { signal: end.signal }).catch(() => undefined);
    if (isOn(machine) || end.signal.aborted) return;
    // What a machine that shut down by itself leaves.
    await switchOff(machine);
    // Without it, packets to a machine that is off would follow the default route out of here.
    await run("ip", ["route", "replace", "unreachable", place.network, "metric", "4278198272"]);
    try {
      machine.power = await switchOn(place, order.name, (firstPid) => plugIn(machine, firstPid));
    } catch (cause) {
      await switchOff(machine);
      throw cause;
    }
  }

  /** One link to this machine and one to the private network; no default route, so nothing leaves this machine. */
  async function plugIn(machine: Machine, firstPid: number): Promise<void> {
    const { order, place, publicIp, privateIp } = machine;
    const within = (...command: string[]) => run("nsenter", [`--target=${firstPid}`, "--net", "--", ...command]);
    await run("ip", ["link", "add", place.label, "type", "veth", "peer", "name", "eth0", "netns", String(firstPid)]);
    await run("ip", ["address", "add", `${place.ourAddress}/30`, "dev", place.label]);
    await run("ip", ["link", "set", place.label, "up"]);
    await atSwitch(
      "link",
      "add",
      portOf(machine),
      "type",
      "veth",
      "peer",
      "name",
      "eth1",
      "address",
      hardwareAddress(privateIp),
      "netns",
      String(firstPid),
    );
    await atSwitch("link", "set", portOf(machine), "master", "switch", "up");
    await within("ip", "address", "add", `${publicIp}/30`, "dev", "eth0");
    await within("ip", "address", "add", `${privateIp}/24`, "dev", "eth1");
    for (const card of ["lo", "eth0", "eth1"]) await within("ip", "link", "set", card, "up");
    await within("ip", "route", "add", METADATA_ADDRESS, "via", place.ourAddress);
    machine.metadata = await startMetadata(place.ourAddress, { ...order, hostname: order.name, publicIp, privateIp });
    // Several rooms on this machine could not all have that address: each machine is led to its own link's end.
    const toMetadata = `ip daddr ${METADATA_ADDRESS} tcp dport 80 dnat to ${place.ourAddress}:${machine.metadata.port}`;
    await within(
      "nft",
      `table ip lab_metadata {
        chain output { type nat hook output priority -101; ${toMetadata}; };
        chain prerouting { type nat hook prerouting priority -101; ${toMetadata}; };
      }`,
    );
  }

  async function switchOff(machine: Machine): Promise<void> {
    const { power, metadata } = machine;
    machine.power = undefined;
    machine.metadata = undefined;
    await power?.off();
    // Its network would stay for minutes, with connections of ended processes that get no answer.
    await removeLink(machine.place.label);
    await removeLink(portOf(machine), place.label);
    await metadata?.stop();
  }

  async function destroy(id: number): Promise<void> {
    const machine = machines.get(id);
    if (!machine) return;
    machine.end.abort();
    await inTurn(machine, async () => {
      // Destroyed twice at once, it has gone by now.
      if (!machines.has(id)) return;
      await switchOff(machine);
      await machine.place.release();
      machines.delete(id);
    });
  }

  async function cutLink(id: number, card: "public" | "private", isCut: boolean): Promise<void> {
    const machine = find(id);
    const state = isCut ? "down" : "up";
    await (card === "public"
      ? run("ip", ["link", "set", machine.place.label, state])
      : atSwitch("link", "set", portOf(machine), state));
  }

  async function exec(id: number, command: string, ...args: string[]): Promise<string> {
    const { power, order } = find(id);
    if (!power || power.isOff.aborted) throw new Error(`${order.name} is off`);
    // A process outside waits for the command's: nsenter itself would stop for good with a process that the
    // machine's shutdown stops, and then the machine could not end.
    const inside = ["--mount", "--net", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd", "--no-fork"];
    const { stdout } = await run(
      "nsenter",
      [`--target=${power.firstPid}`, ...inside, "--", "bash", "-c", '"$@"; exit $?', "exec", command, ...args],
      { env: ENVIRONMENT, maxBuffer: 16 * 1024 * 1024 },
    );
    return stdout;
  }

  async function memoryMb(id: number): Promise<number> {
    const sums = await exec(
      id,
      "bash",
      "-c",
      "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ { sum += $2 } END { print sum }'",
    );
    return Number(sums) / 1024;
  }

  function find(id: number): Machine {
    const machine = machines.get(id);
    if (!machine) throw new Error(`there is no machine ${id}`);
    return machine;
  }

  return {
    controlAddress,
    network,
    build,
    destroy,
    powerOff: (id) => inTurn(find(id), () => switchOff(find(id))),
    powerOn: (id) => inTurn(find(id), () => boot(find(id))),
    partition: async (id, isCutOff) => {
      await cutLink(id, "public", isCutOff);
      await cutLink(id, "private", isCutOff);
    },
    cutLink,
    slowBoots: (delayMs) => void (bootDelayMs = delayMs),
    exec,
    memoryMb,
    list: () => [...machines.keys()],
    stop: async () => {
      // When one cannot be destroyed, the others and the room still are.
      const ends = await Promise.allSettled([...machines.keys()].map(destroy));
      await place.release();
      for (const end of ends) if (end.status === "rejected") throw end.reason;
    },
  };
}

/** The same for the same address: neighbours that remember the address's card need not notice another one. */
function hardwareAddress(privateIp: string): string {
  return ["02", "00", ...privateIp.split(".").map((part) => Number(part).toString(16).padStart(2, "0"))].join(":");
}

/** Name of the port that its private link has at the switch. */
function portOf({ place }: Machine): string {
  return `port${place.number}`;
}

function isOn({ power }: Machine): boolean {
  return power !== undefined && !power.isOff.aborted;
}

function inTurn(machine: Machine, work: () => Promise<void>): Promise<void> {
  machine.turn = machine.turn.catch(() => undefined).then(work);
  return machine.turn;
}
