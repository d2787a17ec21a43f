import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, readlink } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { hasLiveOwner } from "../../../infra/process/owners.ts";
import { openMachineRoom, type MachineRoom } from "../../../infra/lab/machines/room.ts";
import { isSameProcess, markProcess, type ProcessMark } from "../../../infra/process/processes.ts";
import { until } from "../../bed/until.ts";

const run = promisify(execFile);
const ROOM = fileURLToPath(new URL("../../../infra/lab/machines/room.ts", import.meta.url));
const UNTIL = fileURLToPath(new URL("../../bed/until.ts", import.meta.url));
const PLACES = "/tmp/getaredis-bed";
const COUNTS_BOOTS = "#!/bin/bash\nid -un\nhostname\necho run >>/var/lib/user-data-runs\n";

/**
 * At a shutdown systemd waits 10 s after SIGTERM, and 10 s after SIGKILL, for processes that are in none of its units.
 */
const SHUTDOWN_MS = 30_000;

describe("the room of lab machines", () => {
  let room: MachineRoom;
  const faults: unknown[] = [];
  let lastId = 0;

  before(async () => {
    room = await openMachineRoom((fault) => faults.push(fault));
  });
  afterEach(() => assert.deepEqual(faults, []));
  after(() => room.stop());

  const build = async ({ userData = COUNTS_BOOTS, booted = true } = {}) => {
    const id = ++lastId;
    const addresses = await room.build({ id, name: `machine-${id}`, userData, region: "fra1", size: "small" });
    if (booted) await untilBooted(id);
    return { id, ...addresses };
  };
  const untilBooted = (id: number) =>
    until(
      `machine ${id} has booted`,
      async () => /running|degraded/.test(await shell(id, "systemctl is-system-running || true")),
      30_000,
    );
  const shell = async (id: number, script: string) => (await room.exec(id, "bash", "-c", script)).trim();
  const metadata = (id: number, path: string) =>
    shell(id, `curl --silent --max-time 3 --write-out '%{http_code}' http://169.254.169.254/metadata/${path}`);

  it("boots machines with systemd as first process, and nothing failed", async () => {
    const { id } = await build();
    assert.equal(await shell(id, "cat /proc/1/comm; systemctl is-system-running"), "systemd\nrunning");
    assert.equal(await shell(id, "systemctl list-units --failed --no-legend"), "");
    assert.equal(await shell(id, "hostname"), `machine-${id}`);
    assert.ok((await room.memoryMb(id)) < 60);
    await room.destroy(id);
  });

  it("tells each machine of itself, and nobody else", async () => {
    const [one, other] = await Promise.all([build({ userData: "one's own" }), build({ userData: "the other's" })]);
    assert.equal(await metadata(one.id, "v1/id"), `${one.id}200`);
    assert.equal(await metadata(one.id, "v1/hostname"), `machine-${one.id}200`);
    assert.equal(await metadata(one.id, "v1/region"), "fra1200");
    assert.equal(await metadata(one.id, "v1/interfaces/public/0/ipv4/address"), `${one.publicIp}200`);
    assert.equal(await metadata(one.id, "v1/interfaces/private/0/ipv4/address"), `${one.privateIp}200`);
    assert.equal(await metadata(one.id, "v1/user-data"), "one's own200");
    assert.equal(await metadata(other.id, "v1/user-data"), "the other's200");
    assert.equal(await metadata(one.id, "v1/no-such-thing"), "404");
    const all = JSON.parse(await shell(other.id, "curl --silent http://169.254.169.254/metadata/v1.json")) as {
      droplet_id: number;
      interfaces: { private: { ipv4: { ip_address: string } }[] };
    };
    assert.equal(all.droplet_id, other.id);
    assert.equal(all.interfaces.private[0]?.ipv4.ip_address, other.privateIp);

    const rules = await shell(one.id, "nft list table ip lab_metadata");
    const [, address = "", port = ""] = /dnat to ([\d.]+):(\d+)/.exec(rules) ?? [];
    const answer = await fetch(`http://${address}:${port}/metadata/v1/user-data`);
    assert.equal(answer.status, 403, "this machine's own processes are not the machine");
    const router = await shell(other.id, "ip -4 route show 169.254.169.254 | cut -d' ' -f3");
    const curl = "curl --silent --max-time 3 --output /dev/null --write-out '%{http_code}'";
    const url = `http://${address}:${port}/metadata/v1/user-data`;
    const asked = `ip route add ${address} via ${router}; ${curl} ${url} || true`;
    assert.equal(await shell(other.id, asked), "403");
    await Promise.all([room.destroy(one.id), room.destroy(other.id)]);
  });

  it("runs user-data once in a machine's life, as root, and keeps the disk when the power goes", async () => {
    const { id } = await build();
    assert.equal(await shell(id, "cat /var/log/cloud-init-output.log"), `root\nmachine-${id}`);
    await shell(id, "echo kept >/root/note; echo kept >/var/lib/docker/note; sync");
    const machineId = await shell(id, "cat /etc/machine-id");

    await room.powerOff(id);
    await assert.rejects(room.exec(id, "true"), /is off/);
    await room.powerOn(id);
    await untilBooted(id);

    assert.equal(await shell(id, "cat /var/lib/user-data-runs /root/note /var/lib/docker/note"), "run\nkept\nkept");
    assert.equal(await shell(id, "cat /etc/machine-id"), machineId);
    await room.destroy(id);
  });

  it("is off when it shuts down by itself, whatever ran in it, and boots again when it is switched on", async () => {
    const { id, privateIp } = await build();
    const network = await shell(id, "readlink /proc/1/ns/net");
    const running = assert.rejects(room.exec(id, "sleep", "infinity"));
    await shell(id, "systemctl poweroff --no-wall").catch(() => undefined);
    await running;
    // Not by asking within: its shutdown would wait for each that asks.
    await until("its processes have ended", async () => (await processesIn(network)).length === 0, SHUTDOWN_MS);
    await until("it is off", () =>
      room.exec(id, "true").then(
        () => false,
        (fault: unknown) => /is off/.test(String(fault)),
      ),
    );
    await room.powerOn(id);
    await untilBooted(id);
    assert.match(await shell(id, "ip -brief address show eth1"), new RegExp(privateIp));
    await room.powerOff(id);
    await room.destroy(id);
  });

  it("takes user-data that is no script as no script", async () => {
    const { id } = await build({ userData: "touch /ran" });
    assert.equal(await shell(id, "systemctl is-active first-boot.service; ls /ran 2>/dev/null || true"), "active");
    await room.destroy(id);
  });

  it("lets machines and control plane meet on the private network, and nobody further away", async () => {
    const [one, other] = await Promise.all([build(), build()]);
    const strangers = await openMachineRoom((fault) => faults.push(fault));
    // Stands for all that is outside: an address of this machine that is neither the room's nor a cable's.
    const outside = "192.0.2.1";
    await run("ip", ["address", "add", outside, "dev", "lo"]);
    const servers = await Promise.all([room.controlAddress, strangers.controlAddress, outside].map(listen));
    try {
      const reach = (id: number, address: string, port: number) =>
        shell(id, `timeout 2 bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null && echo yes || echo no`);
      const [ours, theirs, away] = servers;
      assert.equal(await reach(one.id, room.controlAddress, ours?.port ?? 0), "yes");
      assert.equal(await shell(one.id, isThere(other.privateIp)), "yes");
      assert.equal(await reach(one.id, strangers.controlAddress, theirs?.port ?? 0), "no", "another room");
      assert.equal(await reach(one.id, outside, away?.port ?? 0), "no", "the outside");
      assert.equal(await shell(one.id, "ip route show default"), "");
      assert.equal(
        await shell(one.id, isThere(other.publicIp)),
        "no",
        "public addresses are met by the control plane alone",
      );
    } finally {
      await Promise.all(servers.map(({ close }) => close()));
      await strangers.stop();
      await run("ip", ["address", "delete", outside, "dev", "lo"]);
      await Promise.all([room.destroy(one.id), room.destroy(other.id)]);
    }
  });

  it("lets them meet also where a packet filter forwards nothing, as Docker leaves it", async () => {
    const { stdout } = await run("unshare", [
      "--net",
      "bash",
      "-euc",
      `ip link set lo up; iptables --policy FORWARD DROP; exec "$@"`,
      "beside-docker",
      process.execPath,
      "--input-type=module",
      "--eval",
      `
      import { openMachineRoom } from ${JSON.stringify(ROOM)};
      import { until } from ${JSON.stringify(UNTIL)};
      const room = await openMachineRoom((fault) => { throw fault; });
      try {
        const order = { userData: "", region: "fra1", size: "small" };
        const [, other] = await Promise.all([1, 2].map((id) => room.build({ id, name: "machine-" + id, ...order })));
        for (const id of [1, 2])
          await until("it has booted", () => room.exec(id, "systemctl", "is-system-running"), 30_000);
        console.log("there:", await room.exec(1, "bash", "-c", ${JSON.stringify(isThere("$0"))}, other.privateIp));
      } finally {
        await room.stop();
      }
    `,
    ]);
    assert.equal(stdout.trim(), "there: yes");
  });

  it("cuts a cable and leaves the other, and mends it", async () => {
    const { id, publicIp, privateIp } = await build();
    const answers = async (address: string) => (await run("bash", ["-c", isThere(address)])).stdout.trim() === "yes";
    assert.deepEqual([await answers(publicIp), await answers(privateIp)], [true, true]);
    await room.cutLink(id, "private", true);
    assert.deepEqual([await answers(publicIp), await answers(privateIp)], [true, false]);
    assert.equal(await metadata(id, "v1/region"), "fra1200", "metadata comes by the public cable");
    await room.cutLink(id, "private", false);
    await room.cutLink(id, "public", true);
    assert.deepEqual(
      [await answers(publicIp), await until("the private network answers", () => answers(privateIp))],
      [false, true],
    );
    await room.partition(id, true);
    assert.deepEqual([await answers(publicIp), await answers(privateIp)], [false, false]);
    assert.equal(await shell(id, "echo runs on"), "runs on");
    await room.partition(id, false);
    await until("both answer", async () => (await answers(publicIp)) && (await answers(privateIp)));
    await room.destroy(id);
  });

  it("hides this machine's folders, disks, processes and environment", async () => {
    const { id } = await build();
    const project = fileURLToPath(new URL("../../..", import.meta.url));
    assert.equal(await shell(id, `ls -A /tmp/getaredis-bed ${project} 2>/dev/null || true`), "");
    assert.equal(await shell(id, "ls -A /home /srv /mnt /opt 2>/dev/null | grep -v : || true"), "");
    assert.equal(await shell(id, "find /dev -type b"), "");
    assert.equal(await shell(id, `ls /proc | grep -cx ${process.pid} || true`), "0");
    assert.doesNotMatch(await shell(id, "env"), /NODE|npm/);
    await room.destroy(id);
  });

  it("destroys a machine that is still to boot, and twice is no fault", async () => {
    room.slowBoots(600_000);
    const { id } = await build({ booted: false });
    room.slowBoots(0);
    assert.ok(room.list().includes(id));
    await Promise.all([room.destroy(id), room.destroy(id)]);
    await room.destroy(id);
    assert.ok(!room.list().includes(id));
  });

  it("leaves nothing of a machine that is destroyed, and gives its addresses to the next", async () => {
    const before = await traces();
    const first = await build();
    const processes = await processesIn(await shell(first.id, "readlink /proc/1/ns/net"));
    assert.ok(processes.length >= 2);
    await room.destroy(first.id);
    assert.deepEqual(newIn(await traces(), before), []);
    assert.deepEqual(
      await Promise.all(processes.map(isSameProcess)),
      processes.map(() => false),
    );
    const second = await build();
    assert.equal(second.privateIp, first.privateIp);
    await room.destroy(second.id);
  });

  it("ends with its owner, even a killed one, and the next room clears what is left", async () => {
    const before = await traces();
    const owner = spawn(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        `
      import { openMachineRoom } from ${JSON.stringify(ROOM)};
      import { until } from ${JSON.stringify(UNTIL)};
      const room = await openMachineRoom(console.error);
      await room.build({ id: 1, name: "orphan", userData: "", region: "fra1", size: "small" });
      await until("it has booted", () => room.exec(1, "systemctl", "is-system-running"), 30_000);
      console.log(await room.exec(1, "readlink", "/proc/1/ns/net"));
    `,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const ended = once(owner, "exit");
    try {
      const [said] = (await Promise.race([
        once(owner.stdout, "data"),
        ended.then(() => assert.fail("the owner ended")),
      ])) as [Buffer];
      const machines = await processesIn(said.toString().trim());
      assert.ok(machines.length >= 2);
      owner.kill("SIGKILL");
      await ended;
      await until("its processes are gone", async () =>
        (await Promise.all(machines.map(isSameProcess))).every((runs) => !runs),
      );
    } finally {
      owner.kill("SIGKILL");
      await ended;
    }
    await (await openMachineRoom((fault) => faults.push(fault))).stop();
    assert.deepEqual(newIn(await traces(), before), []);
  });
});

/** A command that says whether a machine is at an address: one that is refuses a connection to a closed port. */
function isThere(address: string): string {
  return `timeout 1 bash -c "exec 3<>/dev/tcp/${address}/9" 2>&1 | grep -q refused && echo yes || echo no`;
}

/** What was not there before. Less may be there: any room clears what was left by processes that were killed. */
function newIn(now: Record<string, string[]>, before: Record<string, string[]>): string[] {
  return Object.entries(now).flatMap(([kind, names]) =>
    names.filter((name) => !before[kind]?.includes(name)).map((name) => `${kind}: ${name}`),
  );
}

/** What there is on this machine of lab machines, those of other processes that run beside us left out. */
async function traces(): Promise<Record<string, string[]>> {
  const earlier = await placesOfOthers();
  const links = (await run("ip", ["-brief", "link"])).stdout.match(/^garbed\d+/gm) ?? [];
  const networks = (await run("ip", ["netns", "list"])).stdout.match(/^garbed\d+/gm) ?? [];
  const trees = await readdir("/sys/fs/cgroup");
  const groups = (await Promise.all(trees.map((tree) => readdir(`/sys/fs/cgroup/${tree}`).catch(() => [])))).flat();
  const mounts = (await readFile("/proc/self/mounts", "utf8")).match(/getaredis-bed\S*/g) ?? [];
  const folders = await readdir(PLACES);
  const others = new Set([...earlier, ...(await placesOfOthers())]);
  const isOurs = (name: string) => !others.has(/\d+/.exec(name)?.[0] ?? "");
  return {
    links: links.filter(isOurs),
    networks: networks.filter(isOurs),
    groups: [...new Set(groups)].filter((name) => /^garbed\d+$/.test(name) && isOurs(name)),
    folders: folders.filter((name) => /^\d+$/.test(name) && isOurs(name)),
    mounts,
  };
}

async function placesOfOthers(): Promise<string[]> {
  const owners = await Promise.all(
    (await readdir(PLACES)).map(async (place) => ({
      place,
      owner: await readFile(join(PLACES, place, "owner"), "utf8").catch(() => ""),
    })),
  );
  const known = await Promise.all(
    owners.map(async ({ place, owner }) => ({
      place,
      isOther: !owner.includes(`-${process.pid}-`) && (await hasLiveOwner(owner)),
    })),
  );
  return known.filter(({ isOther }) => isOther).map(({ place }) => place);
}

/** The processes that are in a network namespace, as this machine sees them. */
async function processesIn(network: string): Promise<ProcessMark[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const marks = await Promise.all(
    pids.map(async (pid) =>
      (await readlink(`/proc/${pid}/ns/net`).catch(() => "")) === network ? markProcess(pid) : undefined,
    ),
  );
  return marks.filter((mark) => mark !== undefined);
}

async function listen(address: string): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, address);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      await once(server, "close");
    },
  };
}
