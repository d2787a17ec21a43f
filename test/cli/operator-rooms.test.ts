import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { minuteOf } from "../../apps/core/figures/figures.ts";
import type { Handout } from "../../apps/core/instances/handout.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { createCliBed, type Given, type Ran } from "./bed.ts";

describe("getaredis, for operators", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({
      hostNames: ["host-a", "host-b"],
      env: { QUOTA_PER_ADDRESS: "80", LEASE_MIN_SECONDS: "60", BLOCK_LIST_FILE: "" },
    });
  });
  after(() => api.close());

  let bed: ReturnType<typeof createCliBed>;
  beforeEach(() => (bed = createCliBed(api)));

  const run = (args: readonly string[], given: Given = {}) =>
    bed.run(args, { ...given, env: { GETAREDIS_OPS_TOKEN: api.opsToken, ...given.env } });
  const done = ({ code, stdout, stderr }: Ran) => {
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const say = async (...args: string[]) => done(await run(args));
  const json = async <Value>(...args: string[]) => JSON.parse(await say(...args, "--json")) as Value;
  const create = async () => {
    await api.seeHosts();
    return JSON.parse(done(await bed.run(["create", "--json", "--no-keep"]))) as Handout;
  };
  const lines = (text: string) => text.trimEnd().split("\n");

  it("takes the token from the environment or a file, and asks for it where there is none", async () => {
    bed.files.set("/run/ops-token", `${api.opsToken}\n`);
    for (const [args, given] of [
      [[], { env: { GETAREDIS_OPS_TOKEN: api.opsToken } }],
      [[], { env: { GETAREDIS_OPS_TOKEN_FILE: "/run/ops-token" } }],
      [["--ops-token-file", "/run/ops-token"], {}],
      [["--ops-token-file", "-"], { stdin: api.opsToken }],
    ] as const)
      done(await bed.run(["switch", "list", ...args], given));
    const none = await bed.run(["switch", "list"]);
    assert.equal(none.code, 3);
    assert.match(none.stderr, /An operator's token is needed\. Set GETAREDIS_OPS_TOKEN,/);
    const wrong = await bed.run(["switch", "list"], { env: { GETAREDIS_OPS_TOKEN: "wrong" } });
    assert.deepEqual([wrong.code, wrong.stdout], [3, ""]);
    const missing = await bed.run(["switch", "list", "--ops-token-file", "/nowhere"]);
    assert.deepEqual(
      [missing.code, missing.stderr],
      [2, "getaredis: Wrong command line. There is no file /nowhere.\n"],
    );
  });

  it("warns before a token crosses a network in the clear, and not on the same machine or over TLS", async () => {
    const env = { GETAREDIS_OPS_TOKEN: api.opsToken };
    for (const [address, warns] of [
      ["http://redis.example.org", true],
      ["http://192.0.2.1:8080", true],
      ["https://redis.example.org", false],
      ["http://127.0.0.1:8080", false],
      ["http://localhost", false],
      ["http://[::1]:8080", false],
    ] as const) {
      const { stderr } = await bed.run(["switch", "list", "--api", address], { env });
      assert.equal(/not encrypted/.test(stderr), warns, address);
    }
  });

  it("host lists all hosts, shows one, and cordons, drains and opens it", async () => {
    await api.seeHosts();
    const [heading, ...rows] = lines(await say("host", "list"));
    assert.match(heading ?? "", /^NAME +STATE +STANDING +IN USE +READY +HEARTBEAT$/);
    assert.match(rows.join("\n"), /^host-a +active +open +\d\/8 +0 +there$/m);
    for (const [act, state] of [
      ["cordon", "cordoned"],
      ["drain", "draining"],
      ["uncordon", "active"],
    ]) {
      assert.match(await say("host", act ?? "", "host-b"), /^host-b takes /);
      await api.seeHosts();
      assert.match(await say("host", "show", "host-b"), new RegExp(`^state +${state ?? ""}$`, "m"));
    }
    assert.deepEqual(await json("host", "cordon", "host-b"), { name: "host-b", state: "cordoned" });
    await say("host", "uncordon", "host-b");
    assert.equal((await run(["host", "cordon", "host-z"])).code, 4);
    assert.equal((await run(["host", "show", "host-z"])).code, 4);
    const [shown] = await json<{ name: string; heartbeat: object }[]>("hosts", "list");
    assert.deepEqual([shown?.name, typeof shown?.heartbeat], ["host-a", "object"]);
  });

  it("host destroy refuses a host that is no droplet of the fleet", async () => {
    const { code, stderr } = await run(["host", "destroy", "host-b"]);
    assert.equal(code, 5);
    assert.match(stderr, /not a droplet of the fleet/);
  });

  describe("host destroy, of a host with instances,", () => {
    const leased = { type: "urn:getaredis:host-leased", title: "Instances are running there", status: 409 };
    const detail = "This host runs 3 instances. Drain it and wait until they have ended, or type its name to confirm.";
    /** A service with such a host; `confirmed` has what came with each request that destroys it. */
    const service = () => {
      const confirmed: (string | null)[] = [];
      const fetch: Given["fetch"] = (request) => {
        const confirm = new URL(request.url).searchParams.get("confirm");
        confirmed.push(confirm);
        return Promise.resolve(
          confirm === "host-a"
            ? new Response(null, { status: 202 })
            : Response.json(
                { ...leased, detail },
                { status: 409, headers: { "content-type": "application/problem+json" } },
              ),
        );
      };
      return { confirmed, fetch };
    };
    const destroy = ["host", "destroy", "host-a"];

    it("refuses without a terminal, asks nothing, and tells the option", async () => {
      const { confirmed, fetch } = service();
      const { code, stderr } = await run(destroy, { fetch });
      assert.deepEqual([code, confirmed, bed.asked], [5, [null], []]);
      assert.match(stderr, /This host runs 3 instances\. .*--lose-instances/);
    });

    it("does it when its user has said so, by the option or in a terminal by its name", async () => {
      const byOption = service();
      assert.match(done(await run([...destroy, "--lose-instances"], byOption)), /^host-a is destroyed with/);
      const byName = service();
      done(await run(destroy, { ...byName, types: "host-a\n" }));
      assert.deepEqual([byOption.confirmed, byName.confirmed], [["host-a"], [null, "host-a"]]);
    });

    it("leaves it when another name is typed", async () => {
      const { confirmed, fetch } = service();
      const { code } = await run(destroy, { fetch, types: "host-b" });
      assert.deepEqual([code, confirmed, bed.asked.length], [5, [null], 1]);
    });
  });

  it("droplet lists the fleet's machines", async () => {
    assert.equal(await say("droplet", "list"), "There is no droplet.\n");
    assert.deepEqual(await json("droplet", "list"), []);
  });

  it("port maps a port of a host, gives it children, stops, starts and unmaps it", async () => {
    assert.equal(await say("port", "list"), "No port is balanced.\n");
    assert.equal(await say("port", "map", "host-a", "8080", "web:1", "80"), "host-a:8080 is balanced over web:1:80.\n");
    await say("port", "map", "host-b", "8080", "web:1");
    assert.equal(await say("port", "add-child", "host-a", "8080", "host-b", "8080"), "host-b:8080 takes its share.\n");
    await say("port", "stop", "host-a", "8080");
    const [heading, first, second] = lines(await say("port", "list"));
    assert.match(heading ?? "", /^HOST +PORT +IMAGE +CHILDREN +MEMBERS +STATE +IN FORCE$/);
    assert.match(first ?? "", /^host-a +8080 +web:1 port 80 +host-b:8080 +0 +stopped +unknown$/);
    assert.match(second ?? "", /^host-b +8080 +web:1 port 8080 +- +0 +on +unknown$/);
    assert.equal(await say("port", "show", "host-a", "8080"), "Nobody is behind host-a:8080.\n");
    assert.equal((await run(["port", "show", "host-a", "9090"])).code, 4);
    await say("port", "start", "host-a", "8080");
    await say("port", "remove-child", "host-a", "8080", "host-b", "8080");
    const [port] = await json<{ state: string; children: object[] }[]>("port", "list");
    assert.deepEqual([port?.state, port?.children], ["on", []]);
    assert.equal(await say("port", "unmap", "host-a", "8080"), "host-a:8080 is not balanced any more.\n");
    assert.equal((await run(["port", "unmap", "host-a", "8080"])).code, 4);
    assert.equal((await run(["port", "map", "host-a", "22", "web:1"])).code, 5);
    assert.equal((await run(["port", "map", "host-a", "eighty", "web:1"])).code, 2);
    await say("port", "unmap", "host-b", "8080");
  });

  it("port show tells who gets connections, and how many of a hundred", async () => {
    const member = (address: string, kind: "direct" | "child", buckets: number) => ({
      address,
      port: 80,
      kind,
      buckets,
    });
    const members = [
      member("172.17.0.2", "direct", 30),
      member("172.17.0.3", "direct", 0),
      member("10.0.0.2", "child", 10),
    ];
    const fetch: Given["fetch"] = () => Promise.resolve(Response.json([{ host: "host-a", port: 8080, members }]));
    assert.equal(
      done(await run(["port", "show", "host-a", "8080"], { fetch })),
      "MEMBER         KIND       SHARE\n" +
        "172.17.0.2:80  container  75.0 %\n" +
        "172.17.0.3:80  container  none\n" +
        "10.0.0.2:80    child      25.0 %\n",
    );
  });

  it("workload runs containers of an image, with a command, scales, pauses, starts, stops and removes them", async () => {
    assert.equal(await say("workload", "list"), "There is no workload.\n");
    const wanted = ["--memory", "256", "--cpus", "0.5", "--count", "2"];
    const command = ["--", "/run.sh", "--verbose"];
    const made = JSON.parse(
      await say("--json", "workload", "run", "host-a", "web", "web:1", ...wanted, ...command),
    ) as object;
    assert.deepEqual(made, { ...made, host: "host-a", name: "web", copies: 2, command: ["/run.sh", "--verbose"] });
    const shown = await say("workload", "run", "host-a", "web", "web:1", ...wanted, ...command);
    assert.match(shown, /^host-a is to run 2 of web:1 as web; /);
    await say("workload", "scale", "host-a", "web", "3");
    for (const [act, state] of [
      ["pause", "paused"],
      ["stop", "stopped"],
      ["start", "running"],
    ] as const) {
      assert.equal(await say("workload", act, "host-a", "web"), `web on host-a is to be ${state}.\n`);
      assert.match(
        await say("container", "list"),
        new RegExp(`^host-a +web +web:1 +3 +256 MB, 0\\.5 cores +${state} +not yet$`, "m"),
      );
    }
    assert.equal(await say("workload", "remove", "host-a", "web"), "web on host-a is removed.\n");
    assert.equal((await run(["workload", "pause", "host-a", "nothing"])).code, 4);
    for (const wrong of [
      ["--memory", "256", "--cpus", "0"],
      ["--memory", "lots", "--cpus", "1"],
      ["--cpus", "1"],
    ])
      assert.equal((await run(["workload", "run", "host-a", "web", "web:1", ...wrong])).code, 2);
  });

  it("instance lists, shows, extends and ends everybody's", async () => {
    const { id, host, port } = await create();
    const [heading, ...rows] = lines(await say("instance", "list"));
    assert.match(heading ?? "", /^ID +STATE +ADDRESS +HOST +HOLDER +CREATED +ENDS$/);
    assert.match(rows.join("\n"), new RegExp(`^${id} +running +${host}:${port} +host-[ab] +127\\.0\\.0\\.1 `, "m"));
    assert.match(await say("instance", "show", id), /^holder +127\.0\.0\.1$/m);
    assert.match(await say("instance", "extend", id, "2h"), /expires .*\(in 2 h\)|in 1 h 59 min/);
    assert.deepEqual(await json("instance", "end", id), { id, ended: true, later: false });
    assert.equal(api.service.states()[id], "ended, operator");
    assert.match(await say("instance", "list", "--state", "ended", "--text", id), / ago: operator$/m);
    const all = await json<{ id: string }[]>("instance", "list", "--state", "all");
    assert.ok(all.some((each) => each.id === id));
    assert.equal((await run(["instance", "end", "0000000000000000"])).code, 4);
  });

  it("instance acts for the holder where the holder's token is named, whatever the environment has", async () => {
    const { id, token } = await create();
    bed.files.set("token", token);
    const { code, stdout } = await run(["instance", "end", id, "--token-file", "token"]);
    assert.deepEqual([code, stdout], [0, `${id} has ended.\n`]);
    assert.equal(api.service.states()[id], "ended, owner");
  });

  it("instance list has as many as are asked for, from as many pages as it takes, and says how many there are", async () => {
    const pages: string[] = [];
    const instances = Array.from({ length: 2500 }, (_, index) => ({ id: String(index).padStart(16, "0") }));
    const fetch: Given["fetch"] = (request) => {
      const { searchParams } = new URL(request.url);
      pages.push(`${searchParams.get("after") ?? ""} ${searchParams.get("most") ?? ""}`);
      const from = instances.findIndex(({ id }) => id === searchParams.get("after")) + 1;
      const page = instances.slice(from, from + Number(searchParams.get("most")));
      return Promise.resolve(Response.json(page, { headers: { "total-count": "2500" } }));
    };
    const shown = done(await run(["instance", "list", "--limit", "2100", "--json"], { fetch }));
    assert.equal((JSON.parse(shown) as object[]).length, 2100);
    assert.deepEqual(pages, [" 1000", "0000000000000999 1000", "0000000000001999 100"]);
  });

  it("events tells the newest last, only those that are asked for, and in JSON as the API does", async () => {
    await say("switch", "pause", "scaling");
    await say("switch", "resume", "scaling");
    const [heading, ...rows] = lines(await say("events"));
    assert.match(heading ?? "", /^AT +BY +KIND +ABOUT +REASON$/);
    assert.match(rows.at(-1) ?? "", /^2026-01-01 \S+ +admin +resume +- +\S/);
    assert.match(rows.at(-2) ?? "", / pause /);
    const [only] = lines(await say("events", "--kind", "pause", "--limit", "1")).slice(1);
    assert.match(only ?? "", / pause /);
    assert.equal(await say("events", "--host", "host-z"), "There is no event like that.\n");
    assert.equal((await run(["events", "--limit", "201"])).code, 2);
  });

  it("events --follow goes on with what comes, each once, until Ctrl-C", async () => {
    const enough = new AbortController();
    let looks = 0;
    const { code, stdout } = await run(["events", "--follow", "--limit", "1", "--json"], {
      interrupted: enough.signal,
      fetch: async (request, init) => {
        looks++;
        if (looks === 2) await run(["switch", "pause", "scaling"]);
        if (looks === 3) await run(["switch", "resume", "scaling"]);
        const answer = await bed.overApi(request, init);
        if (looks === 4) enough.abort();
        return answer;
      },
    });
    const kinds = lines(stdout).map((line) => (JSON.parse(line) as { kind: string }).kind);
    assert.deepEqual([code, kinds.slice(1)], [130, ["pause", "resume"]]);
  });

  it("block shows what a network holds, blocks it for a time, and removes the block", async () => {
    assert.match(await say("block", "show", "198.51.100.7"), /^instances +0$/m);
    assert.equal(
      await say("block", "add", "198.51.100.0/24", "--reason", "Port scans", "--until", "2h"),
      "198.51.100.0/24 is blocked.\n",
    );
    assert.match(
      await say("block", "list"),
      /^198\.51\.100\.0\/24 +\S.* ago +in (2 h|1 h 59 min) +127\.0\.0\.1 +Port scans$/m,
    );
    assert.match(await say("block", "show", "198.51.100.7"), /^blocked by +198\.51\.100\.0\/24$/m);
    assert.equal(await say("block", "remove", "198.51.100.0/24"), "198.51.100.0/24 is not blocked any more.\n");
    assert.equal((await run(["block", "remove", "198.51.100.0/24"])).code, 4);
    assert.equal((await run(["block", "add", "0.0.0.0/0"])).code, 5);
    assert.deepEqual(await json("block", "add", "203.0.113.9", "--end-instances"), {
      address: "203.0.113.9",
      ended: 0,
    });
  });

  it("switch pauses hand-outs and resumes them, and knows no other name", async () => {
    assert.equal(await say("switch", "pause", "handouts"), "handouts are paused.\n");
    assert.match(await say("switch", "list"), /^handouts +paused +\d+ s ago$/m);
    const refused = await bed.run(["create", "--retry-for", "0"]);
    assert.equal(refused.code, 6);
    assert.equal(await say("switch", "resume", "handouts"), "handouts are resumed.\n");
    const unknown = await run(["switch", "pause", "everything"]);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /Allowed choices are handouts, scaling/);
  });

  it("job tells the last runs, and runs one now", async () => {
    assert.equal(await say("job", "list"), "No job has run yet.\n");
    await api.service.store.runs.begin("reap", api.service.time.clock());
    assert.match(await say("job", "list"), /^reap +\d+ s ago +still runs +never +-$/m);
    assert.equal(await say("job", "run", "reap"), "reap has been told to run.\n");
    assert.deepEqual(api.requestedRuns.at(-1), "reap");
    assert.equal((await run(["job", "run", "scale"])).code, 4);
  });

  it("operator creates one whose token works, changes and revokes it", async () => {
    const { token } = await json<{ token: string }>(
      "operator",
      "create",
      "alice",
      "--role",
      "viewer",
      "--expires",
      "30d",
    );
    const asAlice = { env: { GETAREDIS_OPS_TOKEN: token } };
    done(await run(["host", "list"], asAlice));
    const refused = await run(["host", "cordon", "host-a"], asAlice);
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /needs the role operator/);
    assert.match(
      await say("operator", "change", "alice", "--role", "operator", "--expires", "never"),
      /^alice is operator; the token never expires\.$/m,
    );
    done(await run(["host", "cordon", "host-a"], asAlice));
    done(await run(["host", "uncordon", "host-a"], asAlice));
    assert.match(await say("operator", "list"), /^alice +operator +\d+ s ago +admin +never +/m);
    assert.equal((await run(["operator", "create", "alice", "--role", "admin"])).code, 5);
    assert.equal((await run(["operator", "change", "alice"])).code, 2);
    assert.equal(await say("operator", "revoke", "alice"), "alice is no operator any more.\n");
    assert.equal((await run(["host", "list"], asAlice)).code, 3);
    assert.equal((await run(["operator", "create", "bob"])).code, 2);
  });

  it("operator create --save writes the token to a new file, and shows it nowhere", async () => {
    const shown = await say("operator", "create", "carol", "--role", "viewer", "--save", "carol-token");
    const token = (bed.files.get("carol-token") ?? "").trim();
    assert.match(token, /^gar_op_/);
    assert.ok(!shown.includes(token));
    done(await run(["switch", "list", "--ops-token-file", "carol-token"]));
    // Not over a file that is there, and no file where there is no operator.
    assert.equal((await run(["operator", "create", "dave", "--role", "viewer", "--save", "carol-token"])).code, 2);
    assert.equal((await run(["operator", "create", "carol", "--role", "viewer", "--save", "other-token"])).code, 5);
    assert.deepEqual([bed.files.get("carol-token"), bed.files.has("other-token")], [`${token}\n`, false]);
    const names = (await json<{ name: string }[]>("operator", "list")).map(({ name }) => name);
    assert.deepEqual(
      names.filter((name) => name === "dave"),
      [],
    );
  });

  it("notification and alarm tell the ways that are set up and what goes on", async () => {
    assert.match(await say("notification", "list"), /^No way is set up/);
    assert.equal((await run(["notification", "test", "mail"])).code, 5);
    assert.equal(await say("alarm", "list"), "No alarm goes on.\n");
  });

  it("figures tells each step in which something was kept, and all of it as JSON", async () => {
    const nothing = await run(["figures", "--span", "day"]);
    assert.equal(nothing.code, 0, nothing.stderr);
    const { clock } = api.service.time;
    const minute = minuteOf(clock());
    await api.service.store.figures.keepMinute(minute, "api", {
      handouts: { created: 3, "quota-exceeded": 2 },
      began: { warm: 2, cold: 1 },
      took: [{ boundSeconds: 0.05, count: 3 }],
      leases: 5,
      slots: { inUse: 5, all: 16 },
      hosts: { open: 2 },
    });
    const [heading, ...rows] = lines(await say("figures"));
    assert.match(heading ?? "", /^FROM +HANDED OUT +READY BEFORE +REFUSED +HALF WITHIN +99 OF 100 +INSTANCES +SLOTS/);
    assert.match(rows.at(-1) ?? "", /^\d{4}-\d\d-\d\d \d\d:\d\d +3 +2 +2 +0\.\d+ s +0\.\d+ s +5 +16 +2$/);
    const { times } = await json<{ times: number[] }>("figures", "--span", "week");
    assert.equal(times.length, 84);
    assert.equal((await run(["figures", "--span", "year"])).code, 2);
  });

  it("image send pipes an image to where hosts are reached from, and nothing that a shell would take for more", async () => {
    const piped: (readonly [readonly string[], readonly string[]])[] = [];
    let codes: readonly [number, number] = [0, 0];
    const remote: Given["remote"] = {
      pipe: (from, to) => {
        piped.push([from, to]);
        return Promise.resolve(codes);
      },
    };
    const send = (...args: string[]) => bed.run(["image", "send", ...args], { remote });
    assert.equal(done(await send("host-a", "web:1", "--through", "root@control")), "host-a has web:1.\n");
    done(await send("host-a", "registry.example.org/web@sha256:0123"));
    const [from, [ssh, machine, script = ""] = []] = piped[0] ?? [];
    assert.deepEqual(
      [from, ssh, machine, piped[1]?.[1][0]],
      [["docker", "save", "web:1"], "ssh", "root@control", "sh"],
    );
    assert.match(script, /exec \$sender host-a; exec sudo -n \$sender host-a; done;/);
    for (const args of [
      ["host-a; reboot", "web:1"],
      ["host-a", "$(reboot)"],
      ["host-a", "-web"],
      ["host-a", "web:1", "--through", "-oProxyCommand=reboot"],
    ])
      assert.equal((await send(...args)).code, 2, args.join(" "));
    assert.equal(piped.length, 2);
    codes = [1, 3];
    const failed = (await send("host-a", "web:1")).stderr;
    assert.match(failed, /docker save ended with 1, and the other side ended with 3; what was said is above\.$/m);
    codes = [0, 255];
    const away = await send("host-a", "web:1", "--through", "control");
    assert.equal(away.code, 5);
    assert.match(away.stderr, /ssh could not connect/);
  });

  it("status tells that the service is ready, and fails by its exit code when it is not", async () => {
    const ready = done(await bed.run(["status"]));
    assert.match(ready, /^ready +yes$/m);
    assert.match(ready, /^an instance +25 MB, 50 connections, 12 h \(1 min to 1 day\)$/m);
    const fetch: Given["fetch"] = (request, init) =>
      new URL(request.url).pathname === "/readyz"
        ? Promise.resolve(Response.json({ ready: false, checks: { mysql: "no answer" } }, { status: 503 }))
        : bed.overApi(request, init);
    const not = await bed.run(["status"], { fetch });
    assert.equal(not.code, 6);
    assert.match(not.stdout, /^ready +no\n {2}mysql +no answer$/m);
  });
});
