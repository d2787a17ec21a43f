import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { createCliBed, type Ran } from "./bed.ts";

const KEPT = "/home/user/.local/state/getaredis/instances";

describe("getaredis, for holders", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({
      capacity: 80,
      env: { QUOTA_PER_ADDRESS: "80", LEASE_SECONDS: "3600", LEASE_MIN_SECONDS: "60", LEASE_MAX_SECONDS: "7200" },
    });
  });
  after(() => api.close());

  let bed: ReturnType<typeof createCliBed>;
  beforeEach(() => (bed = createCliBed(api)));

  const done = ({ code, stdout, stderr }: Ran) => {
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const create = async (...args: string[]) => JSON.parse(done(await bed.run(["create", "--json", ...args]))) as Handout;
  /** Sends a secret as a person's shell does. */
  const withToken = (secret: string) => ({ env: { GETAREDIS_TOKEN: secret } });
  const stateOf = (id: string) => api.service.states()[id];
  const runningNow = () =>
    Object.entries(api.service.states())
      .filter(([, state]) => state === "running")
      .map(([id]) => id);

  it("create gets an instance, shows its URL and never its token, and show, extend and end find it again", async () => {
    const shown = done(await bed.run(["create", "--ttl", "30m"]));
    const [, url = ""] = /^url +(redis:\/\/default:\S+)$/m.exec(shown) ?? [];
    const [, id = ""] = /^id +([0-9a-z]{16})$/m.exec(shown) ?? [];
    assert.match(shown, /^expires +2026-01-01 00:30:\d\d UTC \(in 30 min\)$/m);
    const { token } = JSON.parse(bed.files.get(`${KEPT}/${id}.json`) ?? "{}") as { token: string };
    assert.ok(token.length > 20 && !shown.includes(token));

    assert.match(done(await bed.run(["show", id])), /^state +running$/m);
    assert.match(done(await bed.run(["show", new URL(url).host])), new RegExp(`^id +${id}$`, "m"));
    assert.match(done(await bed.run(["show"])), new RegExp(`^${id} +running`, "m"));
    assert.match(done(await bed.run(["extend", id, "1h30m"])), /expires .* \(in 1 h (29|30) min\)\.\n$/);
    assert.equal(done(await bed.run(["end", id])), `${id} has ended.\n`);
    assert.equal(stateOf(id), "ended, owner");
    assert.deepEqual([...bed.files.keys()], []);
  });

  it("keeps no password of an instance", async () => {
    const { id, password } = await create();
    assert.ok(bed.files.has(`${KEPT}/${id}.json`));
    assert.ok(![...bed.files.values()].some((text) => text.includes(password)));
  });

  it("create keeps nothing with --no-keep, and says what went wrong when it cannot keep it, but has it", async () => {
    await create("--no-keep");
    assert.deepEqual([...bed.files.keys()], []);
    bed.files.set = () => {
      throw new Error("read-only file system");
    };
    const { code, stdout, stderr } = await bed.run(["create", "--url"]);
    assert.equal(code, 0);
    assert.match(stdout, /^redis:\/\//);
    assert.match(stderr, /cannot be kept .* read-only file system/);
  });

  it("create prints the URL alone, a line for a file of settings, or the API's JSON", async () => {
    assert.match(done(await bed.run(["create", "--url"])), /^redis:\/\/default:\S+@192\.0\.2\.1:\d+\n$/);
    const env = done(await bed.run(["create", "--env"]));
    assert.match(env, /^REDIS_URL=redis:\S+\n# expires \S+Z\n# to end it: getaredis end [0-9a-z]{16}\n$/);
    const { token, username } = await create();
    assert.deepEqual([username, typeof token], ["default", "string"]);
    for (const both of [
      ["--url", "--env"],
      ["--url", "--json"],
    ])
      assert.equal((await bed.run(["create", ...both])).code, 2);
  });

  it("show, extend and end take the token or the password from a file, the environment or standard input", async () => {
    const { id, token, password, url } = await create("--no-keep");
    bed.files.set("token", `${token}\n`);
    bed.files.set("/run/secrets/password", password);
    for (const [args, given] of [
      [["show", id, "--token-file", "token"], {}],
      [["show", id, "--token-file", "-"], { stdin: `${token}\n` }],
      [["show", id], withToken(token)],
      [["show", id], withToken(password)],
      [["show", id], { env: { GETAREDIS_TOKEN_FILE: "/run/secrets/password" } }],
      [["show", new URL(url).host], withToken(password)],
      [["show", "-"], { stdin: url }],
      [["show", "-"], { stdin: `# settings\nPORT=1\nREDIS_URL="${url}"\n` }],
      [["extend", id, "600", "--token-file", "token"], {}],
      [["instance", "show", id], withToken(token)],
    ] as const) {
      const shown = done(await bed.run([...args, "--json"], given));
      assert.equal((JSON.parse(shown) as { id: string }).id, id, args.join(" "));
    }
    assert.equal(done(await bed.run(["end", "-"], { stdin: url })), `${new URL(url).host} has ended.\n`);
    assert.equal(stateOf(id), "ended, owner");
  });

  it("asks for a token where there is none, and refuses a wrong one, each with its exit code", async () => {
    const { id, url } = await create("--no-keep");
    const none = await bed.run(["end", id]);
    assert.equal(none.code, 3);
    assert.match(
      none.stderr,
      /^getaredis: The instance's token or password is needed\. .*GETAREDIS_TOKEN.*--token-file/,
    );
    const wrong = await bed.run(["end", id], withToken("not-the-token"));
    assert.deepEqual([wrong.code, wrong.stderr.split(".")[0]], [3, "getaredis: Wrong token"]);
    const gone = await bed.run(["end", "0000000000000000"], withToken("not-the-token"));
    assert.equal(gone.code, 4);
    // A password in an argument is in everybody's list of processes.
    const shown = await bed.run(["end", url]);
    assert.equal(shown.code, 2);
    assert.ok(!shown.stderr.includes(new URL(url).password));
    assert.equal(stateOf(id), "running");
  });

  it("never repeats a secret that cannot be one", async () => {
    for (const secret of ["two words", "line one\nline two", "naïve", "x".repeat(501)]) {
      const { code, stdout, stderr } = await bed.run(["show", "0000000000000000"], withToken(secret));
      assert.equal(code, 2);
      assert.match(stderr, /GETAREDIS_TOKEN is no token/);
      assert.ok(!`${stdout}${stderr}`.includes(secret));
    }
    assert.deepEqual(bed.sent, []);
  });

  it("sends what it keeps of an instance to the service that it is from, and to no other", async () => {
    const { id, token } = await create();
    await bed.run(["show", id], { service: "http://elsewhere.example" });
    assert.equal(new URL(bed.sent.at(-1)?.url ?? "").origin, api.origin);
    const named = await bed.run(["show", id, "--api", "http://elsewhere.example"]);
    assert.equal(named.code, 3);
    assert.ok(
      bed.sent.every(
        ({ url, headers }) => url.startsWith(api.origin) || headers.get("authorization") !== `Bearer ${token}`,
      ),
    );
  });

  it("show forgets what has ended, and ends with a failure when a service does not tell", async () => {
    const [first, second] = [await create(), await create()];
    const file = `${KEPT}/${first.id}.json`;
    const kept = bed.files.get(file) ?? "";
    await bed.run(["end", first.id]);
    bed.files.set(file, kept);
    assert.doesNotMatch(done(await bed.run(["show"])), new RegExp(first.id));
    assert.deepEqual([...bed.files.keys()], [`${KEPT}/${second.id}.json`]);
    const away = await bed.run(["show"], { fetch: () => Promise.reject(new TypeError("fetch failed")) });
    assert.equal(away.code, 7);
    assert.deepEqual([...bed.files.keys()], [`${KEPT}/${second.id}.json`]);
    bed.files.set(`${KEPT}/broken.json`, "{");
    assert.match(done(await bed.run(["show"])), new RegExp(second.id));
  });

  it("create sends one key for all its tries, and gets the instance of a first try whose answer was lost", async () => {
    const before = runningNow();
    let tries = 0;
    const { code, stdout } = await bed.run(["create", "--json"], {
      fetch: async (request, init) => {
        const answer = await bed.overApi(request, init);
        if (++tries === 1) throw Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNRESET" } });
        return answer;
      },
    });
    assert.equal(code, 0);
    const keys = new Set(bed.sent.map(({ headers }) => headers.get("idempotency-key")));
    assert.deepEqual([tries, keys.size], [2, 1]);
    const { id } = JSON.parse(stdout) as Handout;
    assert.deepEqual(
      runningNow().filter((each) => !before.includes(each)),
      [id],
    );
  });

  it("create finds the proof of work that is asked for while many want one", async () => {
    const busy = await createTwinApi({ capacity: 4, env: { PROOF_OF_WORK_MAX_BITS: "8", QUOTA_PER_ADDRESS: "4" } });
    try {
      const onBusy = createCliBed(busy);
      const ends = [];
      for (let count = 0; count < 4; count++) ends.push((await onBusy.run(["create", "--retry-for", "0"])).code);
      assert.deepEqual(ends, [0, 0, 0, 0]);
      const proofs = onBusy.sent.map(({ headers }) => headers.get("proof-of-work")).filter((proof) => proof !== null);
      assert.ok(proofs.length > 0, "some work was asked for");
    } finally {
      await busy.close();
    }
  });

  it("tells a refusal of the service in its own words, with the exit code of its kind", async () => {
    const early = await bed.run(["create", "--ttl", "5s"]);
    assert.equal(early.code, 5);
    assert.match(early.stderr, /^getaredis: .*ttlSeconds/);
    const strict = await api.openReplica({ QUOTA_PER_ADDRESS: "1" });
    try {
      const full = await createCliBed(strict).run(["create", "--json"]);
      assert.deepEqual([full.code, full.stdout], [5, ""]);
      const { type, status } = JSON.parse(full.stderr) as { type: string; status: number };
      assert.deepEqual([type, status], ["urn:getaredis:quota-exceeded", 403]);
    } finally {
      await strict.close();
    }
  });
});
