import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, it } from "node:test";
import { projectPath } from "../../infra/process/project-path.ts";

const PROGRAM = projectPath("apps/cli/main.ts");

describe("getaredis as a process", () => {
  let server: Server;
  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  /** Runs a command on a service that answers so. */
  const start = async (answer: RequestListener, command: string, args: readonly string[]) => {
    server = createServer(answer).listen(0, "127.0.0.1");
    await once(server, "listening");
    const GETAREDIS_API = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = { PATH: process.env["PATH"], HOME: "/nowhere", GETAREDIS_API, GETAREDIS_OPS_TOKEN: "token" };
    const child = spawn(command, args, { env });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => (said += part.toString()));
    const ended = once(child, "close").then(([code]) => code as number | null);
    return { child, ended, said: () => said };
  };
  const asJson =
    (value: unknown): RequestListener =>
    (_request, answer) => {
      answer.setHeader("content-type", "application/json").end(JSON.stringify(value));
    };

  it("ends with 130 at SIGINT while it waits for an answer", async () => {
    const asked = Promise.withResolvers<undefined>();
    const { child, ended, said } = await start(() => asked.resolve(undefined), process.execPath, [
      PROGRAM,
      "host",
      "list",
    ]);
    await asked.promise;
    child.kill("SIGINT");
    assert.deepEqual([await ended, said()], [130, ""]);
  });

  it("ends quietly when who reads it has had enough", async () => {
    const host = { state: "active", standing: "open", capacity: 8, inUse: 0, occupied: 0, warm: 0, heartbeat: null };
    const hosts = Array.from({ length: 20_000 }, (_, index) => ({
      name: `host-${index}`,
      ...host,
      heartbeatRefused: null,
    }));
    const words = `"${process.execPath}" "${PROGRAM}" host list | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { ended, said } = await start(asJson(hosts), "bash", ["-c", words]);
    await ended;
    assert.match(said(), /^NAME +STATE .*\n0\n$/);
  });

  it("asks in a terminal, and takes an end of the input for no", async () => {
    const problem = { type: "urn:getaredis:host-leased", title: "Instances are running there", status: 409 };
    const refuse: RequestListener = (_request, answer) => {
      answer.statusCode = 409;
      asJson({ ...problem, detail: "This host runs 3 instances." })(_request, answer);
    };
    for (const [typed, expected] of [
      ["host-b\n", /Not confirmed\. host-a is left as it is/],
      ["\u0004", /Not confirmed\. host-a is left as it is/],
    ] as const) {
      const words = `"${process.execPath}" "${PROGRAM}" host destroy host-a`;
      const { child, ended, said } = await start(refuse, "script", [
        "--quiet",
        "--return",
        "--command",
        words,
        "/dev/null",
      ]);
      child.stdout.on("data", () => {
        if (said().includes("leave it: ") && child.stdin.writable) child.stdin.end(typed);
      });
      assert.equal(await ended, 5, said());
      assert.match(said(), expected);
      server.close();
    }
  });
});
