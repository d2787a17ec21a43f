import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { readFile, readdir } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { get as httpsGet, request } from "node:https";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parseEnv } from "node:util";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { settings } from "../../apps/core/settings/settings.ts";
import type { LabCloud } from "../../infra/lab/digitalocean/index.ts";
import { projectPath } from "../../infra/process/project-path.ts";
import { pingRedis } from "../../infra/servers/redis.ts";
import { askHttps, type Answer } from "../bed/ask-https.ts";
import { startControlMachine, type ControlMachine } from "../bed/control-machine.ts";
import { until } from "../bed/until.ts";

const NAME = "redis.example.org";
const EDGE = "edge.example.org";
const CONF = "/etc/getaredis/control-plane.env";
const PROGRAMS = ["api", "jobs", "enrolment"] as const;
const PATIENCE_MS = 60_000;
/** Silence is what a closed port answers. */
const SILENCE_MS = 1_000;

const deployFile = (name: string) => readFile(projectPath(`infra/deploy/${name}`), "utf8");

describe("the files of a deployment", () => {
  const facts: Record<string, string> = {
    "<region>": "fra1",
    "<public address>": "203.0.113.7",
    "<private address>": "10.114.0.2",
    "<private network>": "10.114.0.0/20",
  };
  const example = async () =>
    (await deployFile("control-plane.env.example")).replace(
      /<[a-z ]+>/g,
      (fact) => facts[fact] ?? "made-at-the-set-up-0",
    );

  it("have an example of the settings that names only what there is, each once", async () => {
    const names = [...(await example()).matchAll(/^#?([A-Z][A-Z_]+)=/gm)].map(([, name]) => name ?? "");
    assert.deepEqual(
      names.filter((name) => !settings.some((setting) => setting.name === name)),
      [],
    );
    assert.equal(new Set(names).size, names.length);
  });

  it("have all in that example that the programs need, but the cloud's token", async () => {
    const env = parseEnv(await example());
    const { cloud, enrolment, service } = loadSettings(env, ["MYSQL_URL", "REDIS_URL", "OPS_TOKEN", "SERVER_SECRET"]);
    assert.equal(cloud, undefined);
    assert.equal(enrolment.host, "10.114.0.2");
    assert.deepEqual(service.trustProxy, ["loopback"]);
  });

  it("agree on ports, and wait longer than the programs do", async () => {
    const { service, instances, hosts, enrolment } = loadSettings(parseEnv(await example()), ["REDIS_URL"]);
    const [site, answers, firewall, redis] = [
      await deployFile("nginx-site.conf"),
      await deployFile("nginx-app.conf"),
      await deployFile("firewall.nft"),
      await deployFile("redis.conf"),
    ];
    assert.ok(site.includes(`server ${service.host}:${service.port};`));
    const redisPort = new URL(service.redisUrl).port;
    assert.deepEqual(enrolment.heartbeatRedis, { host: "10.114.0.2", port: Number(redisPort) });
    assert.match(redis, new RegExp(`^port ${redisPort}$`, "m"));
    assert.ok(firewall.includes(`tcp dport { ${redisPort}, ${enrolment.port} } jump private_network`));
    assert.ok(firewall.includes(`tcp dport ${redisPort} ct count over <connections>`));
    const installer = await deployFile("parts/fleet.sh");
    for (const bound of [
      `PRIVATE_CONNECTIONS_PER_ADDRESS ${enrolment.connectionsPerAddress}`,
      `PRIVATE_CONNECTS_PER_MINUTE ${enrolment.connectsPerMinute}`,
      `PRIVATE_CONNECTIONS ${enrolment.connections}`,
    ])
      assert.ok(installer.includes(`$(setting ${bound})`), bound);
    assert.ok(Number(/^maxclients (\d+)$/m.exec(redis)?.[1]) > 2 * enrolment.connections);
    // Each heartbeat's client has less than 64 KB.
    assert.ok(Number(/^maxmemory-clients (\d+)mb$/m.exec(redis)?.[1]) * 1024 >= 64 * enrolment.connections);
    assert.ok(
      Number(/proxy_read_timeout (\d+)s/.exec(answers)?.[1]) * 1000 >
        instances.handoutTimeoutMs + hosts.engineTimeoutMs,
    );
    for (const program of PROGRAMS)
      assert.ok(
        Number(/^TimeoutStopSec=(\d+)$/m.exec(await deployFile(`units/getaredis-${program}.service`))?.[1]) * 1000 >
          service.shutdownMs,
      );
  });
});

/** Puts packages with another version of Redis, and another program, where apt finds them, and nothing else. */
const SECURITY_UPDATE = `
mkdir -p /srv/update
cd /srv/update
for package in redis-server redis-tools; do
  mkdir -p $package/DEBIAN
  dpkg-query --status $package | sed '/^Status:/d; /^Conffiles:/,/^[^ ]/{/^Conffiles:/d; /^ /d}' |
    sed '/^\\(Version\\|Depends\\):/s/[0-9]*:\\(7\\.[^ ,)]*\\)/9:\\1+update/' >$package/DEBIAN/control
  dpkg --listfiles $package | while read -r file; do [ -d "$file" ] || [ ! -e "$file" ] || echo "\${file#/}"; done |
    tar --create --directory=/ --files-from=- | tar --extract --directory=$package
done
printf x >>redis-tools/usr/bin/redis-check-rdb
for package in redis-server redis-tools; do
  dpkg-deb --build $package >&2
  dpkg-deb --field $package.deb
  printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' $package.deb $(stat --format=%s $package.deb) \
    $(sha256sum <$package.deb | cut --delimiter=' ' --fields=1)
done >Packages
echo 'deb [trusted=yes] file:/srv/update ./' >/etc/apt/sources.list.d/update.list
# The other lists are known to be out of reach at once.
echo 'Acquire::http::Proxy "http://127.0.0.1:9/";' >/etc/apt/apt.conf.d/out-of-reach
rm /var/lib/apt/periodic/update-success-stamp
`;

/** An authority as Let's Encrypt runs one (Pebble), which asks the lab's DNS. */
const AUTHORITY = ({ host, port }: LabCloud["dns"]) => `
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
  pebble -config /srv/acme/config.json -dnsserver ${host}:${port}
printf 'server = https://localhost:14000/dir\\nno-verify-ssl = true\\n' >/etc/letsencrypt/cli.ini
`;

interface Handout {
  id: string;
  host: string;
  port: number;
  url: string;
  token: string;
}

/** How an account of MariaDB is logged in to. */
interface Login {
  plugin?: string;
  authentication_string?: string;
}

/**
 * What an operator does, on a stock machine with real systemd, apt, MariaDB, Redis and nginx; the cloud's API is a
 * stand-in.
 */
describe("a control plane set up by install.sh", () => {
  let machine: ControlMachine;
  let ca = "";
  let lease: Handout;
  before(async () => {
    machine = await startControlMachine();
  });
  after(() => machine.stop());

  /** As an operator does after every change. */
  const install = () => machine.sh("/opt/getaredis/infra/deploy/install.sh 2>&1");
  /** Comes back later when nginx says so: conditions are asked for often. */
  const ask = async (
    method: string,
    path: string,
    headers?: Record<string, string>,
    host?: string,
  ): Promise<Answer> => {
    const answer = await askOnce(method, path, headers, host);
    if (answer.status !== 429) return answer;
    await sleep(Number(answer.headers["retry-after"]) * 1000);
    return ask(method, path, headers, host);
  };
  const askOnce = (method: string, path: string, headers?: Record<string, string>, host = NAME) =>
    askHttps({ address: machine.publicIp, host, ca }, method, path, headers);
  const handOut = async (headers?: Record<string, string>): Promise<Handout> => {
    const { status, body } = await ask("POST", "/instances", headers);
    assert.equal(status, 201, body);
    return JSON.parse(body) as Handout;
  };
  const giveBack = async ({ id, token }: Handout) =>
    assert.equal((await ask("DELETE", `/instances/${id}`, { authorization: `Bearer ${token}` })).status, 204);
  const handsOut = (what: string) => until(what, async () => (lease = await handOut()), PATIENCE_MS);
  const askCloud = async (path: string, body: object) => {
    const answer = await fetch(`${machine.cloud.url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${machine.token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 201);
  };
  const pidOf = async (program: string) =>
    (await machine.sh(`systemctl show --property=MainPID --value getaredis-${program}.service`)).trim();

  it("needs nothing but a name, starts nothing without the cloud's token, and says so", async () => {
    const said = await machine.sh(`cd /opt/getaredis && infra/deploy/install.sh ${NAME} 2>&1`);
    assert.match(said, /set DIGITALOCEAN_TOKEN in \/etc\/getaredis\/control-plane\.env/);
    assert.equal((await machine.sh("systemctl is-active getaredis-jobs.service || true")).trim(), "inactive");
    const modes = (
      await machine.sh(`cd /etc/getaredis; stat --format='%a %U' ${CONF} pki pki/current/ca-key.pem tls/privkey.pem`)
    ).trim();
    assert.deepEqual(modes.split("\n"), ["600 root", "700 root", "600 root", "600 root"]);
  });

  it("has no account of MariaDB without a password, or for another user of the machine than its own", async () => {
    const accounts = await machine.sh(
      'mariadb --skip-column-names --execute "SELECT user, priv FROM mysql.global_priv ORDER BY user, host"',
    );
    const open = accounts
      .trim()
      .split("\n")
      .map((line) => line.split("\t"))
      .filter(([, priv = ""]) => {
        const { account_locked, auth_or, ...way } = JSON.parse(priv) as Login & {
          account_locked?: boolean;
          auth_or?: Login[];
        };
        // "invalid" is a hash that no password has.
        const opens = ({ plugin, authentication_string: hash }: Login) => plugin !== "unix_socket" && hash === "";
        return account_locked !== true && [way, ...(auth_or ?? [])].some(opens);
      });
    assert.deepEqual(open, []);
    await assert.rejects(
      machine.sh("runuser --user nobody -- mariadb --user=root --execute 'SELECT 1'"),
      /Access denied/,
    );
    await assert.rejects(machine.sh("runuser --user nobody -- mariadb --user=getaredis --execute 'SELECT 1'"));
  });

  it("has units that systemd finds no fault with", async () => {
    const units = (await readdir(projectPath("infra/deploy/units"))).filter((name) => name.startsWith("getaredis-"));
    assert.equal(await machine.sh(`cd /etc/systemd/system && systemd-analyze verify ${units.join(" ")} 2>&1`), "");
  });

  it("starts with the token, keeps its secrets, and hands out through nginx on a droplet that it ordered", async () => {
    const secrets = () => machine.sh(`grep -E '^(MYSQL_URL|REDIS_URL|OPS_TOKEN|SERVER_SECRET)=' ${CONF}`);
    const before = await secrets();
    await machine.sh(
      `sed -i '
        s|^DIGITALOCEAN_TOKEN=.*|DIGITALOCEAN_TOKEN=${machine.token}|
        s|^HOST_CAPACITY=.*|HOST_CAPACITY=2|
        s|^DROPLET_CAP=.*|DROPLET_CAP=1|
        s|^QUOTA_PER_ADDRESS=.*|QUOTA_PER_ADDRESS=1|
      ' ${CONF}`,
    );
    await machine.sh(
      `printf '%s\\n' \\
        'DIGITALOCEAN_URL=${machine.cloud.url}' \\
        'SCALE_CRON=* * * * * *' 'ADMIT_CRON=* * * * * *' 'RECONCILE_CRON=* * * * * *' \\
        'HEARTBEAT_SECONDS=1' 'HEARTBEAT_TTL_SECONDS=3' \\
        'HANDOUT_RATE_LIMIT_PER_MINUTE=100000' 'RATE_LIMIT_PER_MINUTE=100000' >>${CONF}`,
    );
    assert.match(await install(), /Get a Redis runs: https:\/\/redis\.example\.org\//);
    assert.equal(await secrets(), before);
    ca = await machine.sh("cat /etc/getaredis/tls/fullchain.pem");
    await handsOut("an instance on the first droplet");
    assert.equal(
      machine.cloud.droplets().filter(({ tags }) => tags.some((tag) => tag.startsWith("getaredis-"))).length,
      1,
    );
    await pingRedis(lease.url);
  });

  it("believes no client about where it comes from", async () => {
    const { status, body } = await ask("POST", "/instances", {
      "x-forwarded-for": "192.0.2.7",
      "x-real-ip": "192.0.2.7",
      forwarded: "for=192.0.2.7",
    });
    assert.equal(status, 403);
    assert.match(body, /quota-exceeded/);
  });

  it("takes the page's own requests for its own, and another site's for another's", async () => {
    const own = await ask("POST", "/instances", { origin: `https://${NAME}`, "sec-fetch-site": "same-origin" });
    assert.match(own.body, /quota-exceeded/);
    const others = await ask("POST", "/instances", {
      origin: "https://evil.example",
      "sec-fetch-site": "cross-site",
      "x-forwarded-host": "evil.example",
    });
    assert.match(others.body, /cross-site/);
  });

  it("answers by TLS for its own name alone, sends HTTP there, and tells its figures to nobody outside", async () => {
    const { headers } = await ask("GET", "/");
    assert.equal(headers["strict-transport-security"], "max-age=31536000");
    await assert.rejects(ask("GET", "/", {}, "other.example.org"), /unrecognized name/);
    const plain = await fetch(`http://${machine.publicIp}/instances`, { method: "POST", redirect: "manual" });
    assert.equal(plain.status, 308);
    assert.equal(plain.headers.get("location"), `https://${NAME}/instances`);
    await machine.sh("dir=/var/lib/getaredis/acme/.well-known/acme-challenge; mkdir -p $dir && echo proof >$dir/asked");
    assert.equal(await (await fetch(`http://${machine.publicIp}/.well-known/acme-challenge/asked`)).text(), "proof\n");
    assert.equal((await ask("GET", "/metrics")).status, 403);
    assert.match(await machine.sh("curl --silent --fail http://127.0.0.1:8080/metrics"), /getaredis/);
  });

  it("runs each program as its own user: only jobs have the cloud's token, only enrolment the CA's key", async () => {
    const users = new Set<string>();
    for (const program of PROGRAMS) {
      const pid = await pidOf(program);
      users.add(await machine.sh(`awk '/^Uid:/ { print $2 }' /proc/${pid}/status`));
      const names = Object.keys(parseEnv(await machine.sh(`tr '\\0' '\\n' </proc/${pid}/environ`)));
      assert.equal(names.includes("DIGITALOCEAN_TOKEN"), program === "jobs", program);
      assert.equal(names.includes("OPS_TOKEN"), program === "api", program);
      const keys = (
        await machine.sh(`nsenter --target ${pid} --mount ls /run/credentials/getaredis-${program}.service`)
      )
        .trim()
        .split("\n")
        .filter((name) => name.endsWith("-key.pem"));
      assert.deepEqual(keys, program === "enrolment" ? ["ca-key.pem", "enrolment-key.pem"] : ["client-key.pem"]);
    }
    users.add("0\n");
    assert.equal(users.size, PROGRAMS.length + 1);
  });

  it("opens nothing to the world but SSH, HTTP and HTTPS, and enrolment and Redis to the private network", async () => {
    // Would answer everybody, were it not for the firewall.
    await machine.sh(
      "systemd-run --quiet --unit=open-to-all redis-server --port 7000 --bind 0.0.0.0 --protected-mode no",
    );
    await until("it answers at home", () => machine.sh("redis-cli -p 7000 ping"));
    assert.equal(await answers(machine.publicIp, 7000), false);
    assert.equal(await answers(machine.privateIp, 7000), false);
    for (const port of [80, 443]) assert.equal(await answers(machine.publicIp, port), true);
    for (const port of [6380, 8443]) assert.equal(await answers(machine.privateIp, port), true);
    await machine.sh("nft delete table inet getaredis_control");
    assert.equal(await answers(machine.publicIp, 7000), true);
    await machine.sh("systemctl restart getaredis-firewall.service && systemctl stop open-to-all.service");
  });

  it("lets no droplet use up the places of others in Redis, whether it logs in or not", async () => {
    // A network of its own, as this test has, is a neighbour on the private network.
    const seen = await crowd(machine.privateIp, 6380, 60);
    try {
      assert.equal(seen.open(), 8);
      await giveBack(lease);
      await handsOut("an instance meanwhile");
      await until("they are ended, as they did not log in", () => seen.open() === 0, PATIENCE_MS);
      await until("who behaves is let in again", () => answers(machine.privateIp, 6380), PATIENCE_MS);
    } finally {
      seen.leave();
    }
    assert.match(
      await machine.sh("journalctl --unit=getaredis-{api,jobs}.service --output=cat"),
      /connections to redis that did not log in were ended/,
    );
  });

  it("passes the dashboard's events on as they come, the first of them that this is a fleet", async () => {
    const token = (await machine.sh(`sed -n 's/^OPS_TOKEN=//p' ${CONF}`)).trim();
    const sent = request({
      path: "/ops/api/stream",
      headers: { host: NAME, authorization: `Bearer ${token}` },
      host: machine.publicIp,
      servername: NAME,
      ca,
      agent: false,
    });
    sent.end();
    try {
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      assert.equal(answer.headers["content-type"], "text/event-stream; charset=utf-8");
      let told = "";
      for await (const chunk of answer) {
        told += String(chunk);
        if (told.includes('"rules":')) break;
      }
      assert.match(told, /^retry: /);
      assert.match(told, /"rules":\{"isFleet":true/);
    } finally {
      sent.destroy();
    }
  });

  it("tells what to do while the API is away", async () => {
    await machine.sh("systemctl stop getaredis-api.service");
    const { status, headers, body } = await ask("POST", "/instances");
    assert.equal(status, 503);
    assert.equal(headers["content-type"], "application/problem+json");
    assert.ok(Number(headers["retry-after"]) > 0);
    assert.equal((JSON.parse(body) as { type: string }).type, "urn:getaredis:unavailable");
    assert.match(await machine.sh("journalctl --unit=getaredis-api.service --output=cat"), /"msg":"stopped"/);
    await machine.sh("systemctl start getaredis-api.service");
    await until("the API answers", async () => (await ask("GET", "/healthz")).status === 200, PATIENCE_MS);
  });

  it("is set up again where a newer nginx, a careful umask or a lost certificate has been before", async () => {
    await machine.sh(
      "sed -i 's/^http {/http {\\n\\tserver_tokens build;/' /etc/nginx/nginx.conf; chmod 700 /opt/getaredis; " +
        "ln -sfn -t /etc/getaredis/tls /etc/letsencrypt/live/gone/{fullchain,privkey}.pem",
    );
    assert.match(await install(), /✓ a self-made certificate for redis\.example\.org[^]*Get a Redis runs/);
    ca = await machine.sh("cat /etc/getaredis/tls/fullchain.pem");
    assert.equal((await ask("GET", "/healthz")).status, 200);
  });

  it("gives its programs another key at once, and keeps its hosts", async () => {
    const before = await pidOf("api");
    assert.match(await machine.sh("/opt/getaredis/infra/deploy/pki.sh --rotate-client"), /✓/);
    assert.notEqual(await pidOf("api"), before);
    await until(
      "the instance is given back",
      async () => {
        await giveBack(lease);
        return true;
      },
      PATIENCE_MS,
    );
    await handsOut("an instance on the same droplet, by the new key");
    const again = await machine.sh("/opt/getaredis/infra/deploy/pki.sh");
    assert.doesNotMatch(again, /✓/);
  });

  it("has its hosts' image of the newest package each day before it asks for it, and keeps its instances", async () => {
    const reference = () => machine.sh("sed -n 's/^INSTANCE_IMAGE=//p' /etc/getaredis/image.env");
    const before = await reference();
    await machine.sh(SECURITY_UPDATE);
    await machine.sh("systemctl is-enabled --quiet getaredis-image.timer && systemctl start getaredis-image.service");
    const said = await machine.sh("journalctl --unit=getaredis-image.service --output=cat");
    assert.match(said, /✓ upgraded redis-server .*\+update/);
    assert.match(said, /✓ 1 of 1 hosts have getaredis\/redis:/);
    // The other lists are out of reach.
    assert.match(said, /! the package lists have not been updated.*apt-get update failed/);
    assert.notEqual(await reference(), before);
    assert.match(
      await machine.sh(
        "readlink /proc/$(systemctl show --property=MainPID --value redis-server@getaredis.service)/exe",
      ),
      /\/redis-check-rdb\n$/,
    );
    await pingRedis(lease.url);
    // The API has just been restarted.
    await until(
      "the instance is given back",
      async () => {
        await giveBack(lease);
        return true;
      },
      PATIENCE_MS,
    );
    await handsOut("an instance of the new image");
    const now = await pidOf("api");
    await machine.sh("systemctl start getaredis-image.service");
    assert.equal(await pidOf("api"), now, "nothing new, nothing restarted");
  });

  it("loses nothing with Redis, whose users it makes again", async () => {
    await machine.sh("systemctl restart redis-server@getaredis.service");
    await giveBack(lease);
    await handsOut("an instance after Redis was away");
  });

  it("begins no edge without a certificate that can be used, and says which it needs", async () => {
    await machine.sh(`sed -i 's|^EDGE_DOMAIN=.*|EDGE_DOMAIN=${EDGE}|' ${CONF}`);
    await assert.rejects(
      machine.sh("/opt/getaredis/infra/deploy/install.sh"),
      /there is no certificate for \*\.edge\.example\.org: name its folder as EDGE_CERT_DIR/,
    );
    const dir = "/srv/own";
    const make = (days: number, name: string) =>
      machine.sh(`mkdir -p ${dir} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days ${days} \
        -subj /CN=own -addext 'subjectAltName=DNS:${name}' -keyout ${dir}/privkey.pem -out ${dir}/fullchain.pem 2>&1`);
    const take = () => machine.sh("bash /opt/getaredis/infra/deploy/edge-certificate.sh");
    await machine.sh(`sed -i 's|^EDGE_CERT_DIR=.*|EDGE_CERT_DIR=${dir}|' ${CONF}`);
    await assert.rejects(take(), /\/srv\/own has no fullchain\.pem and privkey\.pem/);
    await make(1, `*.${EDGE}`);
    await assert.rejects(take(), /is over, or will be in a day/);
    await make(90, EDGE);
    await assert.rejects(take(), /is not for \*\.edge\.example\.org/);
    await make(90, `*.${EDGE}`);
    assert.match(await take(), /✓ certificate for \*\.edge\.example\.org, valid until/);
    assert.equal(await take(), "", "nothing new");
    const inForce = () => machine.sh("readlink -f /etc/getaredis/edge/current; ls /etc/getaredis/edge");
    const good = await inForce();
    await machine.sh(`cp ${dir}/privkey.pem /srv/key && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
      -out ${dir}/privkey.pem 2>&1`);
    await assert.rejects(take(), /privkey\.pem is not the key of the certificate/);
    assert.equal(await inForce(), good, "the last good one stays");
    const modes = await machine.sh(
      "stat --format='%a %U %G' /etc/getaredis/edge /etc/getaredis/edge/current/privkey.pem",
    );
    assert.deepEqual(modes.trim().split("\n"), ["750 root getaredis-gateway", "640 root getaredis-gateway"]);
    await machine.sh(`sed -i 's|^EDGE_CERT_DIR=.*|EDGE_CERT_DIR=|' ${CONF}`);
  });

  it("gets a certificate for the edge by the cloud's DNS, and opens the edge's port", async () => {
    await machine.sh(AUTHORITY(machine.cloud.dns));
    await machine.sh(`echo APP_RENDERER=nginx >>${CONF}`);
    await askCloud("/domains", { name: "example.org" });
    await askCloud("/domains/example.org/records", { type: "A", name: "redis", data: machine.publicIp });
    const said = await machine.sh(
      `/opt/getaredis/infra/deploy/install.sh ${NAME} --certbot you@example.org 2>&1 || ` +
        "{ tail -n 40 /var/log/letsencrypt/letsencrypt.log; exit 1; }",
    );
    assert.match(said, /✓ a certificate for \*\.edge\.example\.org, which certbot\.timer renews/);
    assert.match(said, /80, 443, 6379 are open/);
    ca = await machine.sh("curl --silent --insecure https://127.0.0.1:15000/roots/0");
    assert.equal((await ask("GET", "/healthz")).status, 200);
    const certificate = "/etc/getaredis/edge/current/fullchain.pem";
    assert.match(
      await machine.sh(`openssl x509 -in ${certificate} -noout -issuer -ext subjectAltName`),
      /Pebble[^]*DNS:\*\.edge/,
    );
    assert.match(await machine.sh("nft list table inet getaredis_control"), /dport \{ [^}]*443, 6379 \} accept/);
    const before = await machine.sh(`sha256sum ${certificate}`);
    await machine.sh(
      "echo 'dns-digitalocean-propagation-seconds = 0' >>/etc/letsencrypt/cli.ini; " +
        `DIGITALOCEAN_END_POINT=${machine.cloud.url}/ ` +
        "certbot renew --force-renewal --no-random-sleep-on-renew --cert-name getaredis-edge 2>&1",
    );
    assert.notEqual(await machine.sh(`sha256sum ${certificate}`), before, "the renewed one is the gateway's at once");
  });

  it("is a gateway then: its names lead here, and it answers there by a certificate that is verified", async () => {
    const name = `5sq9fsfr26iw58ze.${EDGE}`;
    const { host, port } = machine.cloud.dns;
    const resolver = new Resolver({ timeout: SILENCE_MS });
    resolver.setServers([`${host}:${port}`]);
    const addresses = await until("the name leads somewhere", () => resolver.resolve4(name), PATIENCE_MS);
    assert.deepEqual(addresses, [machine.publicIp]);
    const socket = connectTls({ host: machine.publicIp, port: 6379, servername: name, ca });
    socket.write("PING\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    assert.match(answer.toString(), /^-NOAUTH/);
    await giveBack(lease);
    await handsOut("an instance behind the edge");
    assert.deepEqual([lease.host, lease.port], [`${lease.id}.${EDGE}`, 6379]);
    const own = connectTls({ host: machine.publicIp, port: 6379, servername: lease.host, ca });
    own.write(`AUTH ${new URL(lease.url).password}\r\nPING\r\n`);
    let said = "";
    for await (const piece of own as AsyncIterable<Buffer>) if (/PONG|-/.test((said += piece.toString()))) break;
    assert.equal(said, "+OK\r\n+PONG\r\n");
    assert.match(await machine.sh("stat --format=%U /proc/$(pgrep --oldest haproxy)"), /^getaredis-gateway/);
    const names = Object.keys(parseEnv(await machine.sh(`tr '\\0' '\\n' </proc/${await pidOf("gateway")}/environ`)));
    for (const secret of ["DIGITALOCEAN_TOKEN", "OPS_TOKEN", "SERVER_SECRET"])
      assert.ok(!names.includes(secret), secret);
    const listed = await fetch(`${machine.cloud.url}/firewalls`, {
      headers: { authorization: `Bearer ${machine.token}` },
    });
    assert.match(await listed.text(), new RegExp(`"sources":{"addresses":\\["${machine.privateIp}/32"\\]}`));
  });

  it("carries applications by an nginx with the gateway's rights, with their ports open, and no others", async () => {
    const operate = (method: string, path: string, body: object = {}) =>
      machine.sh(
        `curl --silent --show-error --fail-with-body --request ${method} --json '${JSON.stringify(body)}' \
          --header "Authorization: Bearer $(sed -n 's/^OPS_TOKEN=//p' ${CONF})" http://127.0.0.1:8080/ops/api${path}`,
      );
    const serve = (word: string, port: number) =>
      machine.sh(`systemd-run --quiet --unit=${word} /opt/getaredis/node_modules/.bin/node --eval \
        'require("http").createServer((_, answer) => answer.end("${word}")).listen(${port}, "127.0.0.1")'`);
    // Its certificate is the edge's, and not for this name.
    const asked = () =>
      new Promise<string>((resolve) => {
        const [servername, timeout] = ["www.example.org", SILENCE_MS];
        const [host, headers] = [machine.publicIp, { host: servername }];
        const sent = httpsGet(
          { host, port: 8444, servername, headers, timeout, rejectUnauthorized: false, agent: false },
          (answer) => void text(answer).then(resolve, () => resolve("")),
        );
        sent.on("timeout", () => sent.destroy(new Error("no answer")));
        sent.on("error", () => resolve(""));
      });
    await serve("first", 9001);
    await serve("second", 9002);
    await operate("POST", "/services", { name: "web", port: 8444, protocol: "http", names: ["www.example.org"] });
    await operate("PUT", "/services/web/members/127.0.0.1:9001");
    await until("the first one answers", async () => (await asked()) === "first", PATIENCE_MS);
    await operate("PUT", "/services/web/members/127.0.0.1:9002");
    await until("the second one as well", async () => (await asked()) === "second", PATIENCE_MS);
    const users = await machine.sh("ps --no-headers -o user:20 $(pgrep --full 'nginx: [m]aster.*getaredis-gateway')");
    assert.equal(users.trim(), "getaredis-gateway");
    assert.match(await machine.sh("systemctl is-active nginx.service"), /^active/);
    assert.equal(await answers(machine.publicIp, 9001), false);
    await operate("DELETE", "/services/web");
    const opened = () => machine.sh("nft list set inet getaredis_control service_ports");
    await until("its port is closed", async () => !(await opened()).includes("8444"), PATIENCE_MS);
    assert.equal((await ask("GET", "/healthz")).status, 200, "the page's own nginx is as it was");
  });

  it("has an address that gateways share by a right that its unit has only then", async () => {
    const parts = "/opt/getaredis/infra/deploy/parts";
    const restart = () =>
      machine.sh(
        `HERE=/opt/getaredis SETTINGS=${CONF}; . ${parts}/common.sh; . ${parts}/edge.sh; ` +
          "put_gateway_rights /etc/systemd/system; systemctl daemon-reload; systemctl restart getaredis-gateway.service",
      );
    const rights = async () =>
      (await machine.sh("systemctl show --property=AmbientCapabilities --value getaredis-gateway.service")).trim();
    const addresses = () => machine.sh("ip -4 -oneline address");
    assert.equal(await rights(), "cap_net_bind_service");
    const device = /(\S+) +inet (?=10\.)/.exec(await addresses())?.[1] ?? "";
    await machine.sh(`printf '%s\\n' EDGE_SHARED_ADDRESS=192.0.2.77 EDGE_SHARED_DEVICE=${device} >>${CONF}`);
    await restart();
    assert.match(await rights(), /cap_net_admin/);
    await until("it has the address", async () => (await addresses()).includes("192.0.2.77/32"), PATIENCE_MS);
    await machine.sh(`sed -i '/^EDGE_SHARED_/d' ${CONF}`);
    await restart();
    assert.equal(await rights(), "cap_net_bind_service");
    assert.doesNotMatch(await addresses(), /192\.0\.2\.77/, "it has left it");
  });

  it("has the fleet keep a gateway on a droplet as well, with the same certificate, to which its names lead", async () => {
    await machine.sh(`sed -i 's|^GATEWAYS=.*|GATEWAYS=1|' ${CONF}; echo GATEWAY_SILENT_SECONDS=5 >>${CONF}`);
    assert.match(await install(), /GATEWAY_NETWORK is \S+\/24 now: hosts from before let this machine in alone/);
    const name = `5sq9fsfr26iw58ze.${EDGE}`;
    const { host, port } = machine.cloud.dns;
    const resolver = new Resolver({ timeout: SILENCE_MS });
    resolver.setServers([`${host}:${port}`]);
    const other = await until(
      "the name leads to the droplet",
      async () => (await resolver.resolve4(name)).find((address) => address !== machine.publicIp),
      PATIENCE_MS,
    );
    const socket = connectTls({ host: other, port: 6379, servername: name, ca });
    socket.write("PING\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    assert.match(answer.toString(), /^-NOAUTH/);
    const [gateway] = machine.cloud.droplets().filter(({ name: of }) => of.includes("-gw-"));
    assert.deepEqual([gateway?.publicIp, gateway?.tags.length], [other, 1]);
  });

  it("is none any more without its domain, and keeps none", async () => {
    await machine.sh(`sed -i 's|^EDGE_DOMAIN=.*|EDGE_DOMAIN=|; s|^GATEWAYS=.*|GATEWAYS=0|' ${CONF}`);
    await install();
    const isGone = () => machine.cloud.droplets().every(({ name }) => !name.includes("-gw-"));
    await until("its gateway's droplet is gone", isGone, PATIENCE_MS);
    assert.equal((await machine.sh("pgrep --full 'nginx: [m]aster.*getaredis-gateway' || true")).trim(), "");
    assert.equal((await machine.sh("systemctl is-active getaredis-gateway.service || true")).trim(), "inactive");
    assert.equal(await answers(machine.publicIp, 6379), false);
    await until("the API answers", async () => (await ask("GET", "/healthz")).status === 200, PATIENCE_MS);
    await giveBack(lease);
    await handsOut("an instance at its droplet again");
    await pingRedis(lease.url);
  });

  it("is put back from a backup: droplets that it does not know stay, leases from after it end", async () => {
    await machine.sh("systemctl start getaredis-backup.service");
    const kept = lease;
    await giveBack(kept);
    await handsOut("an instance that the backup does not know");
    assert.match(
      await machine.sh("/opt/getaredis/infra/deploy/restore.sh /var/backups/getaredis/*"),
      /scaling is paused/,
    );
    const orphan = machine.cloud.add({
      name: "later",
      tags: machine.cloud.droplets().find(({ tags }) => tags.length > 0)?.tags ?? [],
      createdAt: 0,
    });
    const state = async ({ id, token }: Handout) =>
      JSON.parse((await ask("GET", `/instances/${id}`, { authorization: `Bearer ${token}` })).body) as {
        state?: string;
        status?: number;
      };
    // Ended before the restore: the old row has no container any more.
    await until("the older lease is found ended", async () => (await state(kept)).state === "ended", PATIENCE_MS);
    assert.equal((await state(lease)).status, 404);
    await until(
      "the container that no row knows is gone",
      async () => !(await answers(lease.host, lease.port)),
      PATIENCE_MS,
    );
    assert.ok(machine.cloud.droplets().some(({ id }) => id === orphan.id));
    await machine.sh('mariadb getaredis --execute "DELETE FROM switches"');
    await until(
      "scaling goes on, and the droplet that nobody tracks is destroyed",
      () => !machine.cloud.droplets().some(({ id }) => id === orphan.id),
      PATIENCE_MS,
    );
    await handsOut("an instance after the restore");
  });

  it("comes back after a power cut, with its leases, and with its firewall whatever else loads rules", async () => {
    await machine.sh("grep -q 'flush ruleset' /etc/nftables.conf && systemctl enable --quiet nftables.service");
    await machine.reboot();
    await until(
      "the lease is known",
      async () =>
        (await ask("GET", `/instances/${lease.id}`, { authorization: `Bearer ${lease.token}` })).status === 200,
      PATIENCE_MS,
    );
    await pingRedis(lease.url);
    await giveBack(lease);
    await handsOut("an instance after the power was cut");
    assert.equal((await machine.sh("systemctl --failed --plain --no-legend")).trim(), "");
    assert.match(await machine.sh("nft list table inet getaredis_control"), /policy drop/);
    const others = machine.cloud.everMade().filter(({ name }) => !name.includes("-gw-"));
    assert.equal(others.length, 2, "besides gateways the control plane's own droplet, and one host");
  });
});

/** Opens so many connections to a port, and says nothing on them; resolves when each is let in or turned away. */
async function crowd(host: string, port: number, count: number): Promise<{ open: () => number; leave: () => void }> {
  const open = new Set<Socket>();
  await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ host, port }).resume();
      socket.on("connect", () => open.add(socket));
      socket.on("close", () => open.delete(socket));
      socket.on("error", () => undefined);
      await Promise.race([once(socket, "connect"), once(socket, "close")]).catch(() => undefined);
    }),
  );
  return {
    open: () => open.size,
    leave: () => {
      for (const socket of open) socket.destroy();
    },
  };
}

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
