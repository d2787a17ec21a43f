import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { Redis } from "ioredis";
import { pingRedis } from "../../../infra/servers/redis.ts";
import { startHostLab, type HostLab } from "../../bed/host-lab.ts";
import { until } from "../../bed/until.ts";

const PATIENCE_MS = 30_000;
const UNITS = ["docker", "expire", "firewall", "heartbeat", "janitor", "port-map"].map(
  (name) => `getaredis-${name}.service`,
);

/** What a droplet's services do by themselves, under real systemd. */
describe("a host whose surroundings fail", () => {
  let lab: HostLab;
  before(async () => {
    lab = await startHostLab();
  });
  after(() => lab.stop());

  it("lets its instances reach nothing: no metadata service, control plane, engine or other machine", async () => {
    const instance = await lab.handOut();
    const { publicIp, privateIp } = lab;
    const pid = await lab.shell(`docker inspect --format '{{.State.Pid}}' ${await lab.containerOf(instance)}`);
    const inside = (command: string) => lab.shell(`nsenter --target ${pid} --net -- bash -c '${command}'`);
    const reach = (address: string, port: number) =>
      inside(`timeout 1 bash -c "exec 3<>/dev/tcp/${address}/${port}" 2>/dev/null && echo reached || echo kept in`);
    const dropped = async () =>
      Number(/counter packets (\d+)/.exec(await lab.shell("nft list chain inet getaredis answers_only"))?.[1]);
    const redisPort = Number(new URL(lab.redisUrl).port);
    const targets = [
      ["169.254.169.254", 80],
      [lab.controlAddress, redisPort],
      [lab.controlAddress, Number(lab.env["ENROLMENT_PORT"])],
      [privateIp, 2376],
      [publicIp, instance.port],
    ] as const;
    const before = await dropped();
    assert.deepEqual(
      await Promise.all(targets.map(([address, port]) => reach(address, port))),
      targets.map(() => "kept in"),
    );
    assert.ok((await dropped()) >= before + targets.length, "the firewall dropped at least a packet to each");
    await lab.shell("sh /usr/local/lib/getaredis/firewall.sh down");
    try {
      assert.equal(await reach(privateIp, 2376), "reached", "it is the firewall that keeps it in");
    } finally {
      // The engine requires the firewall, and goes and comes with it.
      await lab.shell("systemctl restart getaredis-firewall.service getaredis-docker.service");
    }
    await lab.shell("docker version");
    assert.equal(await reach(privateIp, 2376), "kept in");
  });

  it("runs the servers of its instances as a user that no program of the host has", async () => {
    const instance = await lab.handOut();
    const pid = await lab.shell(`docker inspect --format '{{.State.Pid}}' ${await lab.containerOf(instance)}`);
    const uid = Number(await lab.shell(`stat --format %u /proc/${pid}`));
    assert.ok(uid >= 65_536, `user ${uid}`);
    await pingRedis(instance.url);
  });

  it("closes a connection to an instance that does not log in", async () => {
    const instance = await lab.handOut();
    // Else this machine, which the control plane's logins came from, would have a minute.
    await lab.shell("nft flush set inet getaredis known");
    const stranger = connect(instance.port, instance.host).resume();
    // It sends nothing: only the janitor sees it.
    await assert.rejects(once(stranger, "close"), /ECONNRESET/);
    await pingRedis(instance.url);
  });

  it("keeps its instances when its engine is killed, and has it again", async () => {
    const instance = await lab.handOut();
    await pingRedis(instance.url);
    await lab.shell("systemctl kill --signal=KILL --kill-who=main getaredis-docker.service");
    await pingRedis(instance.url);
    await until("the engine answers again", () => lab.containerOf(instance), PATIENCE_MS);
    await pingRedis(instance.url);
    await lab.handOut();
  });

  it("sends heartbeats again, restarted for ever, once Redis knows its user again", async () => {
    await lab.beats();
    await lab.programs.jobs.stop();
    try {
      await lab.restartRedis();
      await until(
        "it is refused",
        async () => /REFUSED by Redis as user host-.*WRONGPASS/.test(await lab.journal("heartbeat")),
        PATIENCE_MS,
      );
      await until(
        "systemd starts it again",
        async () => Number(await lab.shown("heartbeat", "NRestarts")) >= 2,
        PATIENCE_MS,
      );
      assert.equal(await lab.beatOf(lab.host), undefined);
    } finally {
      lab.programs.jobs = await lab.start("jobs");
    }
    await lab.beats();
  });

  it("sends heartbeats again when its private cable is plugged in", async () => {
    await lab.beats();
    await lab.room.cutLink(lab.id, "private", true);
    try {
      await lab.isSilent();
    } finally {
      await lab.room.cutLink(lab.id, "private", false);
    }
    await lab.beats();
  });

  it("does not try wrong settings again and again, and says what is wrong", async () => {
    await lab.shell(
      "cp /etc/getaredis/host.env /root/host.env; echo HEARTBEAT_TTL_SECONDS=1 >>/etc/getaredis/host.env; " +
        "systemctl restart getaredis-heartbeat.service",
    );
    try {
      await until("the unit has failed", async () => (await lab.shown("heartbeat", "ActiveState")) === "failed");
      assert.equal(await lab.shown("heartbeat", "ExecMainStatus"), "64");
      assert.equal(await lab.shown("heartbeat", "NRestarts"), "0");
      assert.match(await lab.journal("heartbeat"), /HEARTBEAT_TTL_SECONDS must be more than HEARTBEAT_SECONDS/);
    } finally {
      await lab.shell("cp /root/host.env /etc/getaredis/host.env; systemctl restart getaredis-heartbeat.service");
    }
    await lab.beats();
  });

  it("is live for as long as its key is, whatever the time is where it is", async () => {
    const isOpen = async () => {
      const answer = await fetch(`${lab.origin}/ops/api/hosts`, {
        headers: { authorization: `Bearer ${lab.opsToken}` },
      });
      return ((await answer.json()) as { name: string; standing: string }[]).some(
        ({ name, standing }) => name === lab.host && standing === "open",
      );
    };
    const beat = await lab.beats();
    await lab.shell("systemctl stop getaredis-heartbeat.service");
    const redis = new Redis(lab.redisUrl);
    try {
      for (const hoursOff of [-6, 6]) {
        await until("its last heartbeat is over", async () => !(await isOpen()), PATIENCE_MS);
        const sentAt = new Date(Date.now() + hoursOff * 3_600_000).toISOString();
        await redis.set(`host:${lab.host}`, JSON.stringify({ ...beat, sentAt }), "EX", 3);
        await until(`it is open, ${hoursOff} hours off`, isOpen, 3_000);
      }
    } finally {
      redis.disconnect();
      await lab.shell("systemctl start getaredis-heartbeat.service");
    }
    await lab.beats();
  });

  it("is a host again by itself after a power cut, with no need of token, metadata or enrolment", async () => {
    const instance = await lab.handOut();
    await lab.programs.enrolment.stop();
    try {
      await lab.room.powerOff(lab.id);
      await lab.isSilent();
      await lab.room.powerOn(lab.id);
      await lab.beats();
    } finally {
      lab.programs.enrolment = await lab.start("enrolment");
    }
    assert.equal(await lab.shell(`systemctl is-active ${UNITS.join(" ")}`), UNITS.map(() => "active").join("\n"));
    assert.equal(await lab.shown("set-up", "ActiveState"), "inactive");
    assert.equal(await lab.shell("systemctl list-units --failed --no-legend"), "");
    await pingRedis((await lab.handOut()).url);
    await until(
      "what it ran is back, at the same address",
      () => pingRedis(instance.url).then(() => true),
      PATIENCE_MS,
    );
  });

  it("ends an instance past its time when the whole control plane is gone", async () => {
    for (const program of Object.values(lab.programs)) await program.stop();
    const image = String(lab.env["INSTANCE_IMAGE"]);
    await lab.shell("echo EXPIRE_SECONDS=1 >>/etc/getaredis/host.env; systemctl restart getaredis-expire.service");
    const start = (name: string, notAfter: string, fault = "") =>
      lab.shell(
        `docker run --detach --network none --restart on-failure:20 --name ${name} ` +
          `--label getaredis.not-after=${notAfter} ${image} ${fault}`,
      );
    const soon = "$(($(date +%s) + 1))";
    await start("lasting", "$(($(date +%s) + 3600))");
    await start("ending", soon);
    // Its server ends again and again, and the engine starts it each time.
    await start("failing", soon, "--no-such-option yes");
    const names = async () => (await lab.shell("docker ps --all --format '{{.Names}}'")).split("\n");
    for (const name of ["ending", "failing"])
      await until(`${name} is gone`, async () => !(await names()).includes(name), PATIENCE_MS);
    assert.ok((await lab.shell("docker ps --format '{{.Names}}'")).split("\n").includes("lasting"));
  });
});
