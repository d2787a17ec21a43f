import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { exitCodes } from "../../apps/cli/exit-codes.ts";
import { nowhere } from "../../apps/cli/nowhere.ts";
import { createProgram } from "../../apps/cli/program.ts";
import { createTwinApi, type TwinApi } from "../bed/twin-api.ts";
import { createCliBed, type Given } from "./bed.ts";

describe("getaredis", () => {
  let api: TwinApi;
  before(async () => {
    api = await createTwinApi({ hostNames: ["host-a", "host-with-a-name-of-some-length"] });
  });
  after(() => api.close());

  let bed: ReturnType<typeof createCliBed>;
  beforeEach(() => (bed = createCliBed(api)));
  const run = (args: readonly string[], given: Given = {}) =>
    bed.run(args, { ...given, env: { GETAREDIS_OPS_TOKEN: api.opsToken, ...given.env } });

  /** Every command with the words that lead to it. */
  const allCommands = () => {
    const { program } = createProgram(nowhere);
    const below = (command: CommandUnknownOpts, path: readonly string[]): [string[], CommandUnknownOpts][] =>
      command.commands.flatMap((each): [string[], CommandUnknownOpts][] => [
        [[...path, each.name()], each],
        ...below(each, [...path, each.name()]),
      ]);
    return below(program, []).filter(([path]) => path[0] !== "complete");
  };

  it("says what it can do, at each level, without asking the service", async () => {
    const { code, stdout } = await run([]);
    assert.equal(code, 0);
    for (const { code: each, meaning } of Object.values(exitCodes))
      assert.match(stdout, new RegExp(`^ {2}${each} +${meaning.replaceAll(/[.()]/g, "\\$&")}$`, "m"));
    assert.ok(stdout.includes(`(now ${api.origin})`));
    const commands = allCommands();
    assert.ok(commands.length > 30, `${commands.length} commands`);
    for (const [path, command] of commands) {
      assert.match(command.description(), /^[A-Z].*[^ .]\.?$/, path.join(" "));
      const help = await run([...path, "--help"]);
      assert.equal(help.code, 0);
      assert.ok(help.stdout.startsWith(`Usage: getaredis ${path.slice(0, -1).join(" ")}`), help.stdout);
      assert.match(help.stdout, /--json/);
      for (const { description } of command.registeredArguments) assert.notEqual(description, "", path.join(" "));
      for (const { description } of command.options) assert.notEqual(description, "", path.join(" "));
    }
    assert.deepEqual(bed.sent, []);
  });

  it("keeps to the terminal's width in its help", async () => {
    const { stdout } = await run(["--help"], { columns: 60 });
    const [own = ""] = stdout.split("\nExamples:");
    assert.deepEqual(
      own.split("\n").filter((line) => line.length > 60),
      [],
    );
  });

  it("tells its version", async () => {
    assert.deepEqual(await run(["--version"]), { code: 0, stdout: "1.2.3\n", stderr: "" });
  });

  it("says what is wrong with a command line, what was probably meant, and asks nothing", async () => {
    for (const [args, said] of [
      [["creat"], /Unknown command 'creat' \(Did you mean create\?\)/],
      [["host", "lits"], /Unknown command 'lits' \(Did you mean list\?\)/],
      [["create", "--tll", "2h"], /Unknown option '--tll' \(Did you mean --ttl\?\)/],
      [["end"], /Missing required argument 'instance'/],
      [["host", "list", "host-a"], /Too many arguments/],
      [["create", "--ttl", "soon"], /"soon" is no time\. Write seconds, or as in 90s/],
      [["--timeout", "0", "status"], /--timeout must be between 1 s and 1d/],
      [["block", "add", "192.0.2.1", "--until", "tomorrow"], /"tomorrow" is no moment/],
      [["--api", "redis.example.org:80", "status"], /--api must be an address such as https/],
      [["--api", "https://me:secret@redis.example.org", "status"], /--api must not have a user or password/],
    ] as const) {
      const { code, stdout, stderr } = await run(args);
      assert.deepEqual([code, stdout], [2, ""], args.join(" "));
      assert.match(stderr, /^getaredis: .*\n$/);
      assert.match(stderr, said);
      assert.ok(!stderr.includes("secret"));
    }
    const room = await run(["host"]);
    assert.deepEqual([room.code, room.stdout], [2, ""]);
    assert.match(room.stderr, /^Usage: getaredis host\|hosts \[options\] \[command\]/);
    assert.deepEqual(bed.sent, []);
  });

  it("prints outcomes as JSON and nothing else with --json, wherever it stands, and faults on standard error", async () => {
    for (const args of [
      ["--json", "host", "list"],
      ["host", "--json", "list"],
      ["host", "list", "--json"],
    ]) {
      const { stdout, stderr } = await run(args);
      assert.deepEqual([(JSON.parse(stdout) as object[]).length, stderr], [2, ""]);
    }
    const refused = await run(["host", "cordon", "host-z", "--json"]);
    const { type, status } = JSON.parse(refused.stderr) as { type: string; status: number };
    assert.deepEqual([refused.stdout, type, status], ["", "urn:getaredis:not-found", 404]);
    const wrong = await run(["host", "lits", "--json"]);
    assert.equal((JSON.parse(wrong.stderr) as { type: string }).type, "urn:getaredis:cli:usage");
  });

  it("draws tables that fit the terminal, and whole ones where there is none", async () => {
    for (let count = 0; count < 3; count++) await run(["create"]);
    const whole = await run(["instance", "list"]);
    const longest = Math.max(...whole.stdout.split("\n").map((line) => line.length));
    for (const columns of [longest, longest - 5, 80]) {
      const { stdout } = await run(["instance", "list"], { columns });
      const lines = stripVTControlCharacters(stdout).split("\n");
      assert.deepEqual(
        lines.filter((line) => line.length > columns),
        [],
      );
      assert.equal(stdout.includes("…"), columns < longest, `${columns}`);
    }
  });

  it("uses colour in a terminal alone, and not where NO_COLOR or a dumb terminal says otherwise", async () => {
    const inTerminal = (env: Record<string, string>) => run(["host", "list"], { columns: 120, env });
    const isColoured = ({ stdout }: { stdout: string }) => stdout !== stripVTControlCharacters(stdout);
    assert.equal(isColoured(await inTerminal({})), true);
    assert.equal(isColoured(await inTerminal({ NO_COLOR: "1" })), false);
    assert.equal(isColoured(await inTerminal({ TERM: "dumb" })), false);
    assert.equal(isColoured(await run(["host", "list"])), false);
  });

  it("shows people no control characters, whatever a host or another operator has written", async () => {
    const reason = "red \u001b[31malert\u001b]0;title\u0007\r\nbell \u009b2J \u202eback";
    const fetch: Given["fetch"] = () =>
      Promise.resolve(
        Response.json([{ address: "192.0.2.1", reason, blockedAt: "2026-01-01T00:00:00Z", until: null, by: null }]),
      );
    for (const columns of [undefined, 200]) {
      const { stdout } = await run(["block", "list"], {
        fetch,
        ...(columns !== undefined && { columns, env: { NO_COLOR: "1" } }),
      });
      assert.match(stdout, /red �\[31malert�\]0;title� bell �2J �back\n$/);
    }
    const problem = { type: "urn:getaredis:not-found", title: "Not found", status: 404, detail: reason };
    const { stderr } = await run(["host", "drain", "host-a"], {
      fetch: () => Promise.resolve(Response.json(problem, { status: 404 })),
    });
    assert.match(stderr, /^getaredis: Not found\. red �\[31malert/);
  });

  it("says so when something else answers, and follows no redirect with a token", async () => {
    for (const [answer, said] of [
      [
        () => new Response("<h1>It works!</h1>", { headers: { "content-type": "text/html" } }),
        /an answer that cannot be read/,
      ],
      [() => new Response("nope", { status: 404 }), /status 404 in a form that is not this service's/],
      [() => Response.json({ error: "nope" }, { status: 400 }), /status 400 in a form/],
      [
        () => new Response(null, { status: 301, headers: { location: "https://redis.example.org/" } }),
        /a redirect to https:\/\/redis\.example\.org\/: name that by --api/,
      ],
      [() => new Response("<h1>Bad Gateway</h1>", { status: 502 }), /A proxy before it answered with status 502/],
    ] as const) {
      let calls = 0;
      const { code, stdout, stderr } = await run(["host", "list", "--retry-for", "0"], {
        fetch: () => {
          calls++;
          return Promise.resolve(answer());
        },
      });
      assert.deepEqual([code, stdout, calls], [7, "", 1]);
      assert.match(stderr, said);
    }
  });

  it("ends with 130 at Ctrl-C, whatever it waits for", async () => {
    const interrupted = new AbortController();
    const { code, stdout } = await run(["host", "list"], {
      interrupted: interrupted.signal,
      fetch: (_request, { signal }) => {
        const broken = new Promise<never>((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        });
        interrupted.abort(new Error("interrupted"));
        return broken;
      },
    });
    assert.deepEqual([code, stdout], [130, ""]);
  });

  it("calls the service that is named by option, by environment, or by the package, in this order", async () => {
    const GETAREDIS_API = "https://by-environment.example/redis/";
    for (const [args, env, expected] of [
      [["status", "--api", "https://by-option.example"], { GETAREDIS_API }, "https://by-option.example/readyz"],
      [["status"], { GETAREDIS_API }, "https://by-environment.example/redis/readyz"],
      [["status"], {}, "https://by-package.example/readyz"],
    ] as const) {
      let called = "";
      await run(args, {
        env,
        service: "https://by-package.example",
        fetch: ({ url }) => {
          called ||= url;
          return Promise.resolve(new Response("", { status: 404 }));
        },
      });
      assert.equal(called, expected);
    }
  });

  it("completes commands, options and choices", async () => {
    for (const [words, found] of [
      [["h"], ["host", "help"]],
      [
        ["host", ""],
        ["list", "show", "cordon", "uncordon", "drain", "destroy", "help"],
      ],
      [["host", "dr"], ["drain"]],
      [["hosts", "destroy", "--l"], ["--lose-instances"]],
      [
        ["switch", "pause", ""],
        ["handouts", "scaling"],
      ],
      [["create", "--js"], ["--json"]],
      [["--ap"], ["--api"]],
      [["completion", "z"], ["zsh"]],
      [["host", "list", "nothing"], []],
    ] as const) {
      const { stdout } = await run(["complete", "--", ...words]);
      assert.deepEqual(stdout.split("\n").slice(0, -1), found, words.join(" "));
    }
    for (const shell of ["bash", "zsh", "fish"])
      assert.match((await run(["completion", shell])).stdout, /getaredis complete -- /);
  });
});
