import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { after, before, describe, it } from "node:test";
import { parseEnv, promisify } from "node:util";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { settings } from "../../apps/core/settings/settings.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { askHttps } from "../bed/ask-https.ts";
import { startControlMachine, type ControlMachine } from "../bed/control-machine.ts";
import { until } from "../bed/until.ts";

const run = promisify(execFile);
const NAME = "redis.example.org";
const EDGE = "edge.example.org";
const INSTALL = "/root/getaredis/infra/deploy/install.sh";
const PATIENCE_MS = 60_000;
/** Silence is what a closed port answers. */
const SILENCE_MS = 1_000;

const installer = projectPath("infra/deploy/install.sh");
const manual = await readFile(projectPath("docs/single-box.md"), "utf8");

/** The commands of docs/single-box.md, a text for each block, in the order of the page. */
const blocks = [...manual.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, commands = ""]) => commands);

/** The one block that holds a text. */
function commandsWith(part: string): string {
  const found = blocks.filter((block) => block.includes(part));
  assert.equal(found.length, 1, `${part} is in ${found.length} blocks of docs/single-box.md`);
  // Where everybody's checkout comes from.
  return (found[0] ?? "").replace("<this repository>", "/srv/getaredis");
}

describe("the files of a single box", () => {
  const example = async () =>
    (await readFile(projectPath("infra/deploy/single-box/single-box.env.example"), "utf8"))
      .replaceAll("<name>", NAME)
      .replaceAll("<capacity>", "40")
      .replace(/<[a-z ]+>/g, "made-at-the-set-up-0");

  it("have an example of the settings that names only what there is, each once", async () => {
    const names = [...(await example()).matchAll(/^#?([A-Z][A-Z_]+)=/gm)].map(([, name]) => name ?? "");
    assert.deepEqual(
      names.filter((name) => !settings.some((setting) => setting.name === name)),
      [],
    );
    assert.equal(new Set(names).size, names.length);
  });

  it("have all in that example that the programs need but the image, and believe nginx alone", async () => {
    const { service, http } = loadSettings(parseEnv(await example()), [
      "MYSQL_URL",
      "REDIS_URL",
      "OPS_TOKEN",
      "SERVER_SECRET",
      "PUBLIC_HOST",
    ]);
    assert.deepEqual(service.trustProxy, ["loopback"]);
    assert.equal(service.host, "127.0.0.1");
    assert.deepEqual(http.allowedHosts, [NAME]);
  });
});

describe("install.sh", () => {
  /** Its words and exit code; nothing here gets as far as the machine. */
  const say = async (...args: string[]) =>
    run("bash", [installer, ...args]).then(
      ({ stdout }) => ({ code: 0, said: stdout }),
      (fault: unknown) => {
        const { code, stderr = "" } = fault as { code?: number; stderr?: string };
        return { code, said: stderr };
      },
    );

  it("says how it is used", async () => {
    const { code, said } = await say("--help");
    assert.equal(code, 0);
    assert.match(said, /--single-box NAME/);
    assert.match(said, /--certbot MAIL/);
  });

  for (const [args, reason] of [
    [["--single-box"], /the name is missing/],
    [["--single-box", "https://redis.example.org/"], /is no name that people can reach.*without http/],
    [["--single-box", NAME, "other.example.org"], /one name only/],
    [["--single-box", NAME, "--certbot"], /--certbot wants a mail address/],
    [["--single-box", NAME, "--open", "ssh"], /--open wants ports/],
    [["--single-box", NAME, "--open", "25,70000"], /--open wants ports from 1 to 65535/],
    [["--single-boxes", NAME], /there is no option --single-boxes/],
  ] as const)
    it(`refuses ${args.join(" ")}, and says what is wrong`, async () => {
      const { code, said } = await say(...args);
      assert.equal(code, 64);
      assert.match(said, reason);
      assert.match(said, /usage:/);
    });
});

interface Handout {
  id: string;
  host: string;
  port: number;
  password: string;
  token: string;
}

/**
 * What is on a machine: files with owners and modes, users, units, rules and networks. Without what lies there by the
 * package manager's own doing or the lab's, and what nginx makes when it runs for the first time.
 */
const STOCK = `{
find /etc /opt /usr/local /var/lib /var/backups /root -xdev \\( -path /var/lib/dpkg -o -path /var/lib/apt \\
  -o -path /root/getaredis -o -path /var/lib/systemd -o -path /var/lib/PackageKit -o -path /etc/alternatives \\
  -o -path '/etc/rc?.d' -o -path /var/lib/containerd -o -path /etc/ssl -o -path /etc/letsencrypt \\) -prune \\
  -o -printf '%p %y %m %U %G %l\\n' |
  grep -v -e '^/var/lib/docker ' -e '^/var/lib/nginx/' -e '^/etc/ld.so.cache ' -e '^/root/\\.' | sort
cat /etc/passwd /etc/group | sort; sort /etc/subuid /etc/subgid
systemctl list-unit-files --no-legend | grep -v '^acme'
nft list ruleset | grep -v -e '^#' -e 'dnat to'
ls /sys/class/net; dpkg-query --show --showformat='\${Package} \${db:Status-Abbrev}\\n'
}`;

/** An authority as Let's Encrypt runs one (Pebble), and an address for the name. */
const OUTSIDE = (publicIp: string) => `
dpkg --install /var/cache/apt/archives/pebble*.deb >/dev/null
mkdir -p /srv/acme /etc/letsencrypt
cd /srv/acme
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \\
  -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null
cat >config.json <<'JSON'
{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
  "certificate": "/srv/acme/cert.pem", "privateKey": "/srv/acme/key.pem", "httpPort": 80, "tlsPort": 443}}
JSON
systemd-run --quiet --unit=acme --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0 \\
  pebble -config /srv/acme/config.json
printf 'server = https://localhost:14000/dir\\nno-verify-ssl = true\\n' >/etc/letsencrypt/cli.ini
echo '${publicIp} ${NAME}' >>/etc/hosts
# The machine's own lists may know a newer one, and it has no way out.
apt-mark hold openssl >/dev/null
# The repository that everybody clones.
cd /srv/getaredis
mv node_modules /srv/node_modules
git init --quiet --initial-branch=main
git config user.name Somebody && git config user.email somebody@example.org
git add --all && git commit --quiet --message=Begin
`;

/** What npm would fetch for a clone; the machine has no way out. */
const NPM_PACKAGES = `
mv /srv/node_modules /root/getaredis/node_modules
cksum </root/getaredis/package-lock.json >/root/getaredis/node_modules/.installed-from
`;

/**
 * What the operator of one VPS does, as docs/single-box.md says it, on a stock machine with real systemd, apt, MariaDB,
 * Redis, nginx, Docker and certbot. Let's Encrypt is a stand-in: its own test server, Pebble.
 */
describe("a single box set up as docs/single-box.md says", () => {
  let machine: ControlMachine;
  let stock = "";
  let ca = "";
  let lease: Handout;
  before(async () => {
    machine = await startControlMachine("/srv/getaredis");
    await machine.sh(OUTSIDE(machine.publicIp));
    stock = await machine.sh(STOCK);
  });
  after(() => machine.stop());

  const ask = (method: string, path: string, headers?: Record<string, string>) =>
    askHttps({ address: machine.publicIp, host: NAME, ca }, method, path, headers);
  const handOut = async (): Promise<Handout> => {
    const { status, body } = await ask("POST", "/instances");
    assert.equal(status, 201, body);
    return JSON.parse(body) as Handout;
  };
  const stateOf = async ({ id, token }: Handout) =>
    JSON.parse((await ask("GET", `/instances/${id}`, { authorization: `Bearer ${token}` })).body) as {
      state?: string;
      lastRestart?: { cause: string } | null;
    };
  const isServed = () =>
    until("the API answers", async () => (await ask("GET", "/readyz")).status === 200, PATIENCE_MS);
  /** What an instance answers from outside, by the address that its name leads to. */
  const redis = async ({ port, password }: Handout, ...words: string[]) =>
    (
      await run("redis-cli", [
        "-h",
        machine.publicIp,
        "-p",
        String(port),
        "--no-auth-warning",
        "-a",
        password,
        ...words,
      ])
    ).stdout.trim();
  const version = async () => (await machine.sh("readlink /opt/getaredis/current")).trim();

  it("changes nothing on a machine that does not fit, and says why", async () => {
    await machine.sh("systemd-run --quiet --unit=other-site python3 -m http.server 80 && mkdir -p /root/getaredis");
    await until("another server has port 80", () => answers(machine.publicIp, 80));
    await assert.rejects(
      machine.sh(`bash /srv/getaredis/infra/deploy/install.sh --single-box ${NAME}`),
      /port 80 is taken by python3.*remove or move that server/,
    );
    await machine.sh("systemctl stop other-site; rmdir /root/getaredis");
    await assert.rejects(
      machine.sh(`runuser --user nobody -- bash /srv/getaredis/infra/deploy/install.sh --single-box ${NAME}`),
      /this needs root/,
    );
    assert.deepEqual((await machine.sh(STOCK)).split("\n"), stock.split("\n"));
  });

  it("is installed by three commands, with a certificate, and hands out by https", async () => {
    const [packages = "", clone = "", install = ""] = commandsWith("git clone").split("\n");
    // git and npm are there already, of another origin than Debian's.
    assert.match(packages, /^apt-get .*install --yes git npm$/);
    await machine.sh(clone);
    await machine.sh(NPM_PACKAGES);
    const said = await machine.sh(`${install} 2>&1`);
    assert.match(said, /Get a Redis runs: https:\/\/redis\.example\.org\//);
    assert.doesNotMatch(said, /NOT ENCRYPTED/);
    ca = await machine.sh("curl --silent --insecure https://localhost:15000/roots/0");
    lease = await handOut();
    assert.equal(lease.host, NAME);
    assert.equal(await redis(lease, "SET", "kept", "yes"), "OK");
  });

  it("works as the page says how to see it", async () => {
    // The machine does not know the stand-in's authority.
    const commands = commandsWith("systemctl is-active").replace("curl ", "curl --insecure ");
    const said = (await machine.sh(commands)).trim().split("\n");
    assert.deepEqual(said, [...Array.from({ length: 7 }, () => "active"), "PONG"]);
  });

  it("has the command line on everybody's path, which operates it with the first admin's token", async () => {
    const token = "GETAREDIS_OPS_TOKEN=$(sed -n 's/^OPS_TOKEN=//p' /etc/getaredis/single-box.env)";
    const list = async <T>(noun: string) =>
      JSON.parse(await machine.sh(`${token} getaredis ${noun} list --json`)) as readonly T[];
    const instances = await list<{ id: string }>("instance");
    assert.ok(instances.some(({ id }) => id === lease.id));
    assert.deepEqual(
      (await list<{ inUse: number }>("host")).map(({ inUse }) => inUse),
      [instances.length],
    );
    assert.match(await machine.sh("runuser --user nobody -- getaredis status"), /^ready +yes$/m);
  });

  it("tells browsers to come back by https alone, and leads those there that came without", async () => {
    assert.equal((await ask("GET", "/")).headers["strict-transport-security"], "max-age=31536000");
    const plain = await fetch(`http://${machine.publicIp}/instances`, { method: "POST", redirect: "manual" });
    assert.equal(plain.status, 308);
    assert.equal(plain.headers.get("location"), `https://${NAME}/instances`);
    assert.equal((await ask("GET", "/metrics")).status, 403);
  });

  it("changes nothing when it is run again, and says so", async () => {
    const pid = () => machine.sh("systemctl show --property=MainPID getaredis-{api,jobs,docker,heartbeat} nginx");
    const before = await pid();
    assert.match(await machine.sh(`${INSTALL} 2>&1`), /Nothing to do: version \S+ is in service/);
    assert.equal(await pid(), before);
  });

  it("runs neither API nor jobs as root, and lets nobody but them and root use the engine", async () => {
    const users = await machine.sh(
      "for unit in api jobs; do ps --no-headers -o user:30= -p $(systemctl show -P MainPID getaredis-$unit); done",
    );
    assert.deepEqual(users.trim().split("\n"), ["getaredis-api", "getaredis-jobs"]);
    await assert.rejects(machine.sh("runuser --user nobody -- docker ps"), /permission denied/);
    assert.match(await machine.sh("getent group getaredis-engine"), /:$/m, "it has no lasting members");
    assert.equal((await machine.sh("stat --format='%a %U' /etc/getaredis/single-box.env")).trim(), "600 root");
    // Root in a container is nobody here.
    assert.doesNotMatch(await machine.sh("ps --no-headers -o uid= -C redis-server"), /^ *(0|999)$/m);
  });

  it("opens SSH, HTTP, HTTPS and its instances to the network, and nothing else", async () => {
    await machine.sh("systemd-run --quiet --unit=open-to-all python3 -m http.server 7000");
    await until("it answers at home", () => machine.sh("curl --silent http://127.0.0.1:7000/"));
    assert.equal(await answers(machine.publicIp, 7000), false);
    for (const port of [80, 443, lease.port]) assert.equal(await answers(machine.publicIp, port), true);
    await machine.sh(`${INSTALL} --open 7000 2>&1`);
    assert.equal(await answers(machine.publicIp, 7000), true);
    await machine.sh("echo >/etc/getaredis/open-ports; systemctl stop open-to-all");
  });

  it("keeps instances when service, engine and firewall are restarted", async () => {
    await machine.sh(
      "systemctl restart getaredis-api getaredis-jobs getaredis-docker getaredis-firewall redis-server@getaredis",
    );
    await isServed();
    assert.equal(await redis(lease, "GET", "kept"), "yes");
    assert.equal((await stateOf(lease)).state, "running");
  });

  it("carries its instances behind an edge, with their own ports closed, and leaves it again", async () => {
    const install = () => machine.sh("/opt/getaredis/current/infra/deploy/install.sh 2>&1");
    const before = await handOut();
    assert.equal(await answers(machine.publicIp, before.port), true);
    await machine.sh(`mkdir -p /srv/own && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \
      -subj /CN=own -addext 'subjectAltName=DNS:*.${EDGE}' -keyout /srv/own/privkey.pem -out /srv/own/fullchain.pem 2>&1
      sed -i 's|^EDGE_DOMAIN=.*|EDGE_DOMAIN=${EDGE}|' /etc/getaredis/single-box.env`);
    await assert.rejects(
      machine.sh("/opt/getaredis/current/infra/deploy/install.sh"),
      /EDGE_CERT_DIR is not: name the folder/,
    );
    await machine.sh("sed -i 's|^EDGE_CERT_DIR=.*|EDGE_CERT_DIR=/srv/own|' /etc/getaredis/single-box.env");
    assert.match(await install(), /80, 443, 6379 are open, the rest is closed/);
    await isServed();
    assert.equal(await answers(machine.publicIp, before.port), false);
    const behind = await until("an instance behind the edge", handOut, PATIENCE_MS);
    const { id, host, port, password } = behind;
    assert.deepEqual([host, port], [`${id}.${EDGE}`, 6379]);
    const ownCa = await machine.sh("cat /srv/own/fullchain.pem");
    const socket = connectTls({ host: machine.publicIp, port, servername: host, ca: ownCa });
    socket.write(`AUTH ${password}\r\nPING\r\n`);
    let said = "";
    for await (const piece of socket as AsyncIterable<Buffer>) if (/PONG|-/.test((said += piece.toString()))) break;
    assert.equal(said, "+OK\r\n+PONG\r\n");
    await machine.sh("sed -i 's|^EDGE_DOMAIN=.*|EDGE_DOMAIN=|' /etc/getaredis/single-box.env");
    await install();
    await isServed();
    assert.equal(await answers(machine.publicIp, 6379), false);
    assert.equal(await answers(machine.publicIp, before.port), true);
    for (const { id: each, token } of [before, behind])
      assert.equal((await ask("DELETE", `/instances/${each}`, { authorization: `Bearer ${token}` })).status, 204);
  });

  it("takes changed settings into service, and none that are wrong", async () => {
    assert.match(await machine.sh(`{ ${commandsWith("LEASE_SECONDS")} } 2>&1`), /is in service/);
    assert.match(await machine.sh("nft list table inet getaredis_control"), /tcp dport { 22, 80, 443 } accept/);
    const short = await handOut();
    const seconds = (Date.parse((short as unknown as { expiresAt: string }).expiresAt) - Date.now()) / 1000;
    assert.ok(seconds > 20_000 && seconds < 22_000, `${seconds} s`);
    const before = await machine.sh("systemctl show --property=MainPID getaredis-api");
    await machine.sh("sed -i 's/^HOST_CAPACITY=/HOST_CAPACITY=many/' /etc/getaredis/single-box.env");
    await assert.rejects(machine.sh(INSTALL), /HOST_CAPACITY[^]*goes on as before/);
    await machine.sh("sed -i 's/^HOST_CAPACITY=many/HOST_CAPACITY=/' /etc/getaredis/single-box.env");
    assert.equal(await machine.sh("systemctl show --property=MainPID getaredis-api"), before);
  });

  it("is upgraded with a backup before, while instances run on, and goes back and forward again by hand", async () => {
    const [former, backups] = [
      await version(),
      Number(await machine.sh("ls /var/backups/getaredis 2>/dev/null | wc -l")),
    ];
    await machine.sh(
      `cd /srv/getaredis && sed -i 's/"version": "[^"]*"/"version": "9.9.9"/' package.json && git commit -qam Newer`,
    );
    assert.match(await machine.sh(`{ ${commandsWith("pull")} } 2>&1`), /✓ version 9\.9\.9-\S+ is in service/);
    assert.match(await version(), /9\.9\.9/);
    assert.equal(Number(await machine.sh("ls /var/backups/getaredis | wc -l")), backups + 1);
    assert.equal(await redis(lease, "GET", "kept"), "yes");
    await machine.sh(commandsWith("roll-back"));
    assert.equal(await version(), former);
    await isServed();
    assert.equal((await stateOf(lease)).state, "running");
  });

  it("goes back by itself from a release that is not healthy, and says why", async () => {
    const former = await version();
    await machine.sh(
      `cd /srv/getaredis && sed -i '1i throw new Error("this release is broken");' apps/api/main.ts && git commit -qam Broken`,
    );
    await assert.rejects(
      machine.sh(commandsWith("pull")),
      /this release is broken[^]*version 9\.9\.9-\S+ was not healthy/,
    );
    assert.equal(await version(), former);
    await isServed();
    assert.equal(await redis(lease, "GET", "kept"), "yes");
  });

  it("is put back from a backup: instances from after it end, those from before run on", async () => {
    await machine.sh(commandsWith("systemctl start getaredis-backup"));
    const later = await handOut();
    await machine.sh(commandsWith("restore.sh"));
    await isServed();
    await until("nobody knows the later one", async () => !(await answers(machine.publicIp, later.port)), PATIENCE_MS);
    assert.equal(await redis(lease, "GET", "kept"), "yes");
  });

  it("comes back after a power cut with all its instances, empty, and tells their holders", async () => {
    await machine.reboot();
    await until("the instance answers", async () => (await redis(lease, "PING")) === "PONG", PATIENCE_MS);
    assert.equal(await redis(lease, "GET", "kept"), "");
    await until("its holder is told", async () => (await stateOf(lease)).lastRestart, PATIENCE_MS);
    await handOut();
    assert.equal((await machine.sh("systemctl --failed --plain --no-legend")).trim(), "");
    assert.match(await machine.sh("nft list table inet getaredis_control"), /policy drop/);
  });

  it("serves by HTTP when it has no certificate, says so clearly, and keeps the dashboard at https", async () => {
    await machine.sh(`certbot delete --quiet --cert-name ${NAME}; rm /etc/getaredis/certbot-mail`);
    assert.match(await machine.sh("/opt/getaredis/current/infra/deploy/install.sh 2>&1"), /NOT ENCRYPTED/);
    const at = `http://${machine.publicIp}`;
    const { headers } = await fetch(`${at}/ops`, { redirect: "manual" });
    assert.equal(headers.get("location"), null, "another name than its own gets nothing");
    const seen = await machine.sh(
      `curl --silent --include http://${NAME}/healthz; curl --silent --include http://${NAME}/ops`,
    );
    assert.match(seen, /200 OK/);
    assert.doesNotMatch(seen, /strict-transport/i);
    assert.match(seen, /308 [^]*Location: https:\/\/redis\.example\.org\/ops/);
  });

  it("is removed with everything that came with it", async () => {
    await assert.rejects(
      machine.sh("/opt/getaredis/current/infra/deploy/single-box/uninstall.sh </dev/null"),
      /add --yes/,
    );
    await machine.sh(`{ ${commandsWith("uninstall.sh")} } 2>&1`);
    await machine.sh("systemctl daemon-reload");
    assert.deepEqual((await machine.sh(STOCK)).split("\n"), stock.split("\n"));
    assert.equal(await answers(machine.publicIp, lease.port), false);
  });
});

/** Whether a connection to a port is accepted. */
function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: SILENCE_MS });
    const end = (isOpen: boolean) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.on("connect", () => end(true));
    socket.on("timeout", () => end(false));
    socket.on("error", () => end(false));
  });
}
