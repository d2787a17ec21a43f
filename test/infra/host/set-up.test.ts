import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { readHostFiles } from "../../../apps/adapters/host-files/host-files.ts";
import { projectPath } from "../../../infra/process/project-path.ts";
import { renderUserData } from "../../../apps/core/fleet/user-data.ts";
import { pingRedis } from "../../../infra/servers/redis.ts";
import { startHostLab, type HostLab } from "../../bed/host-lab.ts";
import { until } from "../../bed/until.ts";

const PATIENCE_MS = 30_000;

/** The real user-data on machines with real systemd, enrolled by the real control plane. */
describe("a droplet that its user-data makes a host", () => {
  let lab: HostLab;
  before(async () => {
    lab = await startHostLab();
  });
  after(() => lab.stop());

  it("listens for engine calls on its private address alone, and answers nobody without a certificate", async () => {
    const { publicIp, privateIp } = lab;
    assert.equal(
      await lab.shell("ss --no-header --listening --tcp --numeric | awk '{ print $4 }'"),
      `${privateIp}:2376`,
    );
    assert.equal(await outcomeOf(publicIp, 2376), "ECONNREFUSED");
    assert.equal(await outcomeOf(privateIp, 2376), "connected");
    await assert.rejects(
      lab.shell(`curl --insecure --silent --show-error --max-time 5 https://${privateIp}:2376/_ping`),
      /certificate required|bad certificate|alert/,
    );
  });

  it("keeps its secrets where only root reads them, and its token no longer than needed", async () => {
    assert.equal(await lab.shell("find /etc/getaredis -type f -perm /077 ! -name server.pem"), "");
    assert.equal(await lab.shell("ls /etc/getaredis/token /etc/getaredis/enrolment 2>/dev/null || true"), "");
    const token = await lab.shell(`sed -n '/^cat >\\/etc\\/getaredis\\/token /{n;p}' /var/lib/cloud/user-data`);
    assert.match(token, /^[\w-]{32}$/);
    const secrets = [
      token,
      await lab.shell("cat /etc/getaredis/heartbeat-password"),
      (await lab.shell("cat /etc/getaredis/server-key.pem")).split("\n")[1] ?? "",
    ];
    const told = await lab.shell(
      "journalctl --quiet --no-pager; cat /var/log/cloud-init-output.log; " +
        "for each in /proc/[0-9]*; do tr '\\0' ' ' <$each/cmdline; tr '\\0' ' ' <$each/environ; done 2>/dev/null; true",
    );
    for (const secret of secrets) assert.ok(secret.length >= 16 && !told.includes(secret));
  });

  it("forgets connections that strangers leave half open, or silent", async () => {
    const settings = await lab.shell(
      "cd /proc/sys/net && grep -H . netfilter/nf_conntrack_tcp_loose ipv4/tcp_syncookies " +
        "netfilter/nf_conntrack_tcp_timeout_{established,syn_recv,time_wait}",
    );
    assert.deepEqual(settings.split("\n"), [
      "netfilter/nf_conntrack_tcp_loose:0",
      "ipv4/tcp_syncookies:1",
      "netfilter/nf_conntrack_tcp_timeout_established:7200",
      "netfilter/nf_conntrack_tcp_timeout_syn_recv:20",
      "netfilter/nf_conntrack_tcp_timeout_time_wait:30",
    ]);
  });

  it("bounds what its instances send", async () => {
    assert.equal(await lab.shown("transfer", "ActiveState"), "active");
    assert.equal(await lab.shown("transfer", "NRestarts"), "0");
    assert.match(await lab.shell("nft list table inet getaredis_transfer"), /limit rate over 20000000 bytes\/second/);
    assert.match(await lab.shell("nft list table bridge getaredis_transfer"), /iif @exceeding/);
  });

  it("balances a port over containers that it runs for an operator, and is in use for as long", async () => {
    const call = async (method: string, path: string, body?: object) => {
      const answer = await fetch(`${lab.origin}/ops/api/${path}`, {
        method,
        headers: { authorization: `Bearer ${lab.opsToken}`, ...(body && { "content-type": "application/json" }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      assert.ok(answer.ok, text);
      return text === "" ? undefined : (JSON.parse(text) as unknown);
    };
    const image = lab.env["INSTANCE_IMAGE"];
    const command = ["--protected-mode", "no", "--save", ""];
    const port = `hosts/${lab.host}/ports/8080`;
    const workload = `hosts/${lab.host}/workloads/web`;
    // A host in use asks for another standby, which a later test wants to see ordered.
    await call("PATCH", "switches/scaling", { paused: true });
    await call("PUT", port, { image, imagePort: 6379 });
    await call("PUT", workload, { image, command, memoryMb: 32, cpus: 0.5, copies: 2 });
    const url = `redis://${lab.publicIp}:8080`;
    await until("somebody answers at the port", () => pingRedis(url).then(() => true), PATIENCE_MS);
    await until("the host has reported it", async () => {
      const [listed] = (await call("GET", "ports")) as { inForce: boolean | null }[];
      return listed?.inForce;
    });
    const [use] = (await lab.store.hosts.list()).filter((each) => each.host.name === lab.host);
    assert.equal(use?.forOperators, 2);
    assert.equal(await lab.shown("port-map", "NRestarts"), "0");
    await call("DELETE", port);
    await until("nobody answers any more", () =>
      pingRedis(url).then(
        () => false,
        () => true,
      ),
    );
    await call("DELETE", workload);
    await until("the workload is gone", async () => ((await call("GET", "workloads")) as unknown[]).length === 0);
    assert.equal(await lab.shell("docker ps --all --quiet --filter label=getaredis.workload"), "");
    await call("PATCH", "switches/scaling", { paused: false });
  });

  it("fails for all to see, and asks no more, when its token is refused", async () => {
    const token = "never-given-to-anybody-0123456789";
    const userData = renderUserData(await readHostFiles(projectPath("infra/host")), {
      hostName: "stranger",
      enrolmentUrl: `https://${lab.controlAddress}:${lab.env["ENROLMENT_PORT"]}`,
      enrolmentToken: token,
      caPem: await lab.shell("cat /etc/getaredis/ca.pem"),
      redisHost: lab.controlAddress,
      redisPort: 6379,
      heartbeatSeconds: 1,
      heartbeatTtlSeconds: 3,
      connectionsPerAddress: 40,
      loginSeconds: 10,
      loginKb: 32,
      loginsPending: 200,
      transferBytesPerSecond: 20_000_000,
      transferBytes: 10_000_000_000,
      gateways: undefined,
    });
    const stranger = 999_999;
    await lab.room.build({ id: stranger, name: "stranger", userData, region: "fra1", size: "small" });
    try {
      await until(
        "the unit has failed",
        async () => (await lab.shown("set-up", "ActiveState", stranger).catch(() => "")) === "failed",
        PATIENCE_MS,
      );
      assert.equal(await lab.shown("set-up", "ExecMainStatus", stranger), "77");
      assert.equal(await lab.shown("set-up", "NRestarts", stranger), "0");
      assert.match(await lab.journal("set-up", stranger), /REFUSED by the control plane \(401\): [^]*token-wrong/);
      assert.doesNotMatch(await lab.shell("journalctl --quiet --no-pager", stranger), new RegExp(token));
      assert.equal(await lab.shell("ss --no-header --listening --tcp --numeric", stranger), "");
    } finally {
      await lab.room.destroy(stranger);
    }
  });

  it("becomes one in the end when the enrolment is away at first, not well, and the power goes meanwhile", async () => {
    await lab.programs.enrolment.stop();
    // Takes the standby, so that another droplet is ordered.
    await lab.handOut();
    const other = await until(
      "another droplet is ordered",
      () => lab.room.list().find((each) => each !== lab.id),
      PATIENCE_MS,
    );
    const tried = (what: RegExp) =>
      until(
        `it tries: ${what.source}`,
        async () => what.test(await lab.journal("set-up", other).catch(() => "")),
        PATIENCE_MS,
      );
    await tried(/does not enrol this host now \(000\)[^]*next try/);
    await lab.room.powerOff(other);
    await lab.room.powerOn(other);
    await tried(/next try/);
    const unwell = await lab.start("enrolment", "enrolment-unwell", { MYSQL_URL: "mysql://nobody@127.0.0.1:1/none" });
    await tried(/does not enrol this host now \(503\)/);
    await unwell.stop();
    assert.deepEqual(await lab.hostNames(), [lab.host]);
    lab.programs.enrolment = await lab.start("enrolment");
    const another = await until(
      "it is a host",
      async () => (await lab.hostNames()).find((name) => name !== lab.host),
      PATIENCE_MS,
    );
    await lab.beats(another);
    assert.equal(await lab.shell("ls /etc/getaredis/token 2>/dev/null || true", other), "");
  });
});

async function outcomeOf(host: string, port: number): Promise<string> {
  const socket = connect({ host, port, timeout: 3_000 });
  socket.on("timeout", () => socket.destroy(Object.assign(new Error("silence"), { code: "SILENCE" })));
  try {
    await once(socket, "connect");
    return "connected";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    socket.destroy();
  }
}
