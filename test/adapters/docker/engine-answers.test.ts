import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { createDockerEngines, type DockerEngines } from "../../../apps/adapters/docker/engines.ts";
import { labels, networkOf, type ContainerSpec } from "../../../apps/core/services/container.ts";
import { EngineFault, type EngineFaultReason } from "../../../apps/core/fleet/engine-fault.ts";
import type { EngineHost } from "../../../apps/core/fleet/host.ts";
import { reap } from "../../../apps/core/instances/reap.ts";
import { reconcile } from "../../../apps/core/instances/reconcile.ts";
import { createTwinService } from "../../bed/twin-service.ts";

const TIMEOUT_MS = 300;
/** Where silence is not the subject. */
const PATIENCE_MS = 60_000;
const MB = 1024 * 1024;
const deployment = "testtesttest";
const id = "0123456789abcdef";
const never = new AbortController().signal;

const json = (body: unknown, status = "200 OK") =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ` +
  `${Buffer.byteLength(JSON.stringify(body))}\r\n\r\n${JSON.stringify(body)}`;

/** An engine as it should be, as far as starts, pulls and lists ask it. */
const answers = (request: string): string => {
  if (request.startsWith("GET /networks")) return json([{ Name: networkOf(deployment).name }]);
  if (request.startsWith("POST /containers/create")) return json({ Id: id }, "201 Created");
  if (request.startsWith("POST")) return "HTTP/1.1 204 No Content\r\n\r\n";
  return json([]);
};

/** Beginnings of answers, after which nothing comes but the end of the connection. */
const cuts: Record<string, (socket: Socket) => void> = {
  "of a known length": (socket) =>
    socket.end("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n[{"),
  "in chunks": (socket) =>
    socket.end(
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n[{"a":1}\r\n',
    ),
};

describe("answers of an engine that is broken, or no engine of ours any more", () => {
  const sockets = new Set<Socket>();
  let answer: (socket: Socket, request: string) => void;
  let server: Server;
  let engines: DockerEngines;
  let place: EngineHost;
  before(async () => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => sockets.delete(socket));
      socket.on("data", (request) => answer(socket, request.toString()));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    place = { name: "host-a", engineUrl: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, deployment };
  });
  beforeEach(() => {
    engines = createDockerEngines(TIMEOUT_MS);
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
  });
  after(() => server.close());

  const fails =
    (...reasons: EngineFaultReason[]) =>
    (fault: unknown) => {
      assert.ok(fault instanceof EngineFault, String(fault));
      assert.ok(reasons.includes(fault.reason), `${fault.reason}: ${fault.message}`);
      return true;
    };
  const start = () => engines.startContainer(place, { name: "redis-x" } as ContainerSpec, never);
  const isHealthy = () => {
    answer = (socket, request) => socket.write(answers(request));
  };

  for (const [what, cut] of Object.entries(cuts)) {
    it(`one ${what}, cut in its middle by an orderly end, ends every call at its time-out`, async () => {
      answer = cut;
      await Promise.all([
        assert.rejects(engines.ping(place), fails("timeout")),
        assert.rejects(engines.listContainers(place), fails("timeout")),
        assert.rejects(engines.removeContainer(place, id), fails("timeout")),
        assert.rejects(engines.ensureImage(place, "redis:8", undefined, TIMEOUT_MS), fails("timeout")),
        assert.rejects(start(), fails("timeout")),
      ]);
    });
  }

  it(
    "none to whether it has the image ends at an ordinary call's time-out, not at that of a whole transfer",
    { timeout: 60_000 },
    async () => {
      for (const silence of [() => undefined, ...Object.values(cuts)]) {
        answer = silence;
        await assert.rejects(engines.ensureImage(place, "redis:8", undefined, 3_600_000), fails("timeout"));
      }
    },
  );

  it("none ends a call within its caller's time, when that is the shorter one", { timeout: 60_000 }, async () => {
    answer = () => undefined;
    const patient = createDockerEngines(3_600_000);
    await Promise.all([
      assert.rejects(patient.ping(place, 50), fails("timeout")),
      assert.rejects(patient.listContainers(place, 50), fails("timeout")),
      assert.rejects(patient.removeContainer(place, id, 50), fails("timeout")),
    ]);
  });

  it("one cut in its middle by a reset ends the call as well", async () => {
    engines = createDockerEngines(PATIENCE_MS);
    answer = (socket) =>
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{", () =>
        setImmediate(() => socket.resetAndDestroy()),
      );
    await assert.rejects(engines.listContainers(place), fails("unreachable"));
  });

  it("a pull's that is cut in its middle ends the call", async () => {
    let asked = 0;
    answer = (socket, request) => {
      asked += Number(request.startsWith("POST /images/create"));
      if (request.startsWith("GET")) socket.write(json({ message: "no such image" }, "404 Not Found"));
      else socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n{"status":"Pulling"}\r\n');
    };
    await assert.rejects(engines.ensureImage(place, "redis:8", undefined, TIMEOUT_MS), fails("timeout", "unreachable"));
    assert.equal(asked, 1);
  });

  it("cut in their middle keep no place of the engine's, no network and no image for ever", async () => {
    answer = (socket) => cuts["in chunks"]?.(socket);
    const starts = Array.from({ length: 9 }, start);
    await Promise.all([
      ...starts.map((one) => assert.rejects(one, fails("timeout"))),
      assert.rejects(engines.ensureImage(place, "redis:8", undefined, TIMEOUT_MS), fails("timeout")),
    ]);
    isHealthy();
    await start();
    await engines.ensureImage(place, "redis:8", undefined, TIMEOUT_MS);
  });

  it("that do not end are cut off before they fill the memory", async () => {
    engines = createDockerEngines(PATIENCE_MS);
    answer = (socket) => {
      const chunk = Buffer.concat([Buffer.from("100000\r\n"), Buffer.alloc(MB, " "), Buffer.from("\r\n")]);
      const flood = () => {
        while (socket.writable && socket.write(chunk));
      };
      socket.on("drain", flood);
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
      flood();
    };
    await assert.rejects(engines.listContainers(place), /answer of more than 16777216 bytes/);
  });

  it("are bounded one by one, not over the connection's whole life", async () => {
    engines = createDockerEngines(PATIENCE_MS);
    const long = json([{ Labels: { [labels.instance]: id, filler: "x".repeat(9 * MB) }, State: "running" }]);
    const callers = new Set<Socket>();
    answer = (socket) => {
      callers.add(socket);
      socket.write(long);
    };
    for (let call = 0; call < 3; call++)
      assert.deepEqual(await engines.listContainers(place), [{ instanceId: id, running: true }]);
    assert.equal(callers.size, 1);
  });

  it("that lead elsewhere are refused and not followed", async () => {
    engines = createDockerEngines(PATIENCE_MS);
    for (const elsewhere of [
      `${place.engineUrl.replace("tcp:", "http:")}/elsewhere`,
      "http://127.0.0.1:1/",
      "gopher://127.0.0.1/",
    ]) {
      const requests: string[] = [];
      answer = (socket, request) => {
        requests.push(request);
        socket.write(`HTTP/1.1 307 Temporary Redirect\r\nLocation: ${elsewhere}\r\nContent-Length: 0\r\n\r\n`);
      };
      await assert.rejects(engines.listContainers(place), fails("refused"));
      await assert.rejects(engines.ping(place), fails("refused"));
      assert.deepEqual(
        requests.filter((request) => request.includes("elsewhere")),
        [],
      );
      assert.equal(requests.length, 2);
    }
  });

  it("that are no list are no empty list", async () => {
    engines = createDockerEngines(PATIENCE_MS);
    for (const text of ["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", json({}), json(null), json([null])]) {
      answer = (socket) => socket.write(text);
      await assert.rejects(engines.listContainers(place), fails("unreachable"), text);
    }
  });

  it("name as containers of ours only what has an instance's label", async () => {
    engines = createDockerEngines(PATIENCE_MS);
    const listed = [
      id,
      "",
      "short",
      `${id}0`,
      "0123456789ABCDEF",
      "0123456789abcde/",
      "../../etc/passwd",
      `${id}\n`,
      undefined,
    ].map((instance) => ({ Labels: { [labels.instance]: instance }, State: "running" }));
    answer = (socket) => socket.write(json([...listed, { Labels: {}, State: "running" }]));
    assert.deepEqual(await engines.listContainers(place), [{ instanceId: id, running: true }]);
  });

  it("from many hosts that swallow every question hold up neither the others nor the run", async () => {
    const service = createTwinService();
    const asked: string[] = [];
    const swallower = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("data", () => asked.push("silent"));
    });
    swallower.listen(0, "127.0.0.1");
    await once(swallower, "listening");
    const urlOf = (each: Server) => `tcp://127.0.0.1:${(each.address() as AddressInfo).port}`;
    try {
      answer = (socket, request) => {
        asked.push("heard");
        socket.write(request.startsWith("DELETE") ? "HTTP/1.1 204 No Content\r\n\r\n" : answers(request));
      };
      for (let index = 0; index < 40; index++) {
        await service.addHost(`silent-${index}`, { engineUrl: urlOf(swallower) });
        service.discovery.remove(`silent-${index}`);
        await service.addInstance(`gone-${index}`, `silent-${index}`, "ending", { container: false });
      }
      await service.addHost("heard", { engineUrl: urlOf(server) });
      await service.addInstance("here", "heard", "ending", { container: false });
      // An engine may take ten minutes: with the full time for each, no run of these would end in a test.
      const patient = { ...service, engines: createDockerEngines(600_000), clock: () => new Date() };
      for (const name of ["heard"]) service.discovery.beat(name, {}, 3_000_000);
      const limits = { concurrency: 4, hostBudgetMs: 600_000 };
      const reaped = await reap(patient, limits);
      assert.deepEqual([reaped.ended, reaped.waiting.length], [1, 40]);
      const { unseen } = await reconcile(patient, limits);
      assert.equal(unseen.length, 40);
      const firstSilent = asked.indexOf("silent");
      assert.ok(firstSilent > 0 && asked.slice(0, firstSilent).every((each) => each === "heard"));
      assert.equal(asked.filter((each) => each === "silent").length, 80);
    } finally {
      for (const socket of sockets) socket.destroy();
      swallower.close();
    }
  });
});
