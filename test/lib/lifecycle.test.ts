import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, it } from "node:test";
import { messageOf } from "../../apps/lib/errors.ts";
import { createUndoList, inLog, runProgram, type Lifecycle, type ProcessPort } from "../../apps/lib/lifecycle.ts";

const never = () => new Promise<never>(() => undefined);
const broken = (message: string) => () => Promise.reject(new Error(message));

/** Runs a program in a process of the test's own, and keeps what it does and says, in order. */
function run(work: (life: Lifecycle, told: string[]) => Promise<void>) {
  const signals = new EventEmitter();
  const told: string[] = [];
  const exited = Promise.withResolvers<number>();
  const process: ProcessPort = {
    on: (signal, listener) => signals.on(signal, listener),
    exit: (code) => exited.resolve(code),
  };
  const narrator = {
    stopping: () => void told.push("stopping"),
    forced: () => void told.push("forced"),
    failed: (error: unknown) => void told.push(`failed: ${messageOf(error)}`),
    leftUndone: (error: unknown) => void told.push(`left: ${messageOf(error)}`),
    stopped: () => void told.push("stopped"),
  };
  const begun = Promise.withResolvers<true>();
  void runProgram(
    async (life) => {
      begun.resolve(true);
      await work(life, told);
    },
    narrator,
    process,
  );
  return {
    told,
    begun: begun.promise,
    exited: exited.promise,
    signal: (name = "SIGTERM") => signals.emit(name),
  };
}

describe("the lifecycle of a program", () => {
  it("undoes what was done in reverse order when it is told to stop, and exits with 0", async () => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
      const program = run(async ({ undoLater, untilTold }, told) => {
        for (const name of ["database", "server"]) undoLater(name, () => told.push(`undo ${name}`));
        await untilTold();
      });
      await program.begun;
      assert.ok(program.signal(signal));
      assert.equal(await program.exited, 0);
      assert.deepEqual(program.told, ["stopping", "undo server", "undo database", "stopped"]);
    }
  });

  it("undoes what was done when its work is over, and exits with 0", async () => {
    const program = run(({ undoLater }, told) => {
      undoLater("folder", () => told.push("undo folder"));
      return Promise.resolve();
    });
    assert.equal(await program.exited, 0);
    assert.deepEqual(program.told, ["undo folder", "stopped"]);
  });

  it("says why its start failed, undoes what was begun by then, and exits with 1", async () => {
    const program = run(async ({ undoLater }, told) => {
      undoLater("database", () => told.push("undo database"));
      await broken("port 80 is taken")();
      undoLater("server", () => told.push("undo server"));
    });
    assert.equal(await program.exited, 1);
    assert.deepEqual(program.told, ["failed: port 80 is taken", "undo database"]);
  });

  it("hears a signal from the first moment: a start breaks off where it looks, and exits with 0", async () => {
    const program = run(async ({ undoLater, ending }, told) => {
      undoLater("database", () => told.push("undo database"));
      await sleep(60_000, undefined, { signal: ending });
      told.push("went on");
    });
    program.signal();
    assert.equal(await program.exited, 0);
    assert.deepEqual(program.told, ["stopping", "undo database", "stopped"]);

    const looking = run(async ({ ending, untilTold }) => {
      await untilTold();
      ending.throwIfAborted();
    });
    looking.signal();
    assert.equal(await looking.exited, 0);
    assert.deepEqual(looking.told, ["stopping", "stopped"]);
  });

  it("takes a fault that comes while it is told to stop for a fault", async () => {
    const program = run(async ({ untilTold }) => {
      await untilTold();
      await broken("disk full")();
    });
    program.signal();
    assert.equal(await program.exited, 1);
    assert.deepEqual(program.told, ["stopping", "failed: disk full"]);
  });

  it("attempts all steps whatever comes of one, reports the first error first, and exits with 1", async () => {
    const program = run(({ undoLater }, told) => {
      undoLater("database", broken("gone"));
      undoLater("redis", () => told.push("undo redis"));
      undoLater("server", () => {
        throw new Error("stuck");
      });
      return Promise.resolve();
    });
    assert.equal(await program.exited, 1);
    assert.deepEqual(program.told, ["undo redis", "left: server: stuck; database: gone"]);
  });

  it("waits for a step no longer than its time, kills it, reports that, and goes on with the others", async () => {
    const program = run(({ undoLater }, told) => {
      undoLater("database", () => told.push("undo database"));
      undoLater("requests", never, {
        withinMs: 1,
        ifLate: "reconcile clears what they leave",
        kill: () => Promise.resolve(void told.push("kill requests")),
      });
      return Promise.resolve();
    });
    assert.equal(await program.exited, 1);
    assert.deepEqual(program.told, [
      "kill requests",
      "undo database",
      "left: requests did not finish in time (0.001 s); reconcile clears what they leave",
    ]);
  });

  it("kills what is at work and what is left, and exits with 1, when it is told to stop a second time", async () => {
    const isStopping = Promise.withResolvers<true>();
    const killed = Promise.withResolvers<true>();
    const program = run(async ({ undoLater, untilTold }, told) => {
      const kill = (name: string) => () => Promise.resolve(void told.push(`kill ${name}`));
      undoLater("firewall", () => told.push("undo firewall"));
      undoLater("database", never, { kill: kill("database") });
      undoLater("script", broken("cannot be stopped"), { kill: broken("nor killed") });
      undoLater(
        "server",
        () => {
          isStopping.resolve(true);
          return killed.promise;
        },
        {
          kill: () => {
            killed.resolve(true);
            return kill("server")();
          },
        },
      );
      await untilTold();
    });
    await program.begun;
    program.signal();
    await isStopping.promise;
    program.signal("SIGINT");
    program.signal("SIGINT");
    assert.equal(await program.exited, 1);
    assert.deepEqual(program.told, ["stopping", "forced", "kill database", "kill server"]);
  });

  it("is forced, too, while its start does not notice that it was told to stop", async () => {
    const program = run(async ({ undoLater }, told) => {
      undoLater("server", () => told.push("undo server"), { kill: () => Promise.resolve(void told.push("kill")) });
      await never();
    });
    await program.begun;
    program.signal();
    program.signal();
    assert.equal(await program.exited, 1);
    assert.deepEqual(program.told, ["stopping", "forced", "kill"]);
  });

  it("is told in the log of a service, failures with their error", () => {
    const lines: unknown[] = [];
    const logger = {
      info: (_fields: object, message: string) => lines.push(`info ${message}`),
      fatal: (fields: object, message: string) => lines.push([fields, message]),
    };
    const [start, end] = [new Error("port 80 is taken"), new AggregateError([new Error("a"), new Error("b")])];
    const narrator = inLog(logger);
    narrator.stopping();
    narrator.failed(start);
    narrator.leftUndone(end);
    narrator.stopped();
    assert.deepEqual(lines, [
      "info stopping",
      [{ err: start }, "port 80 is taken"],
      [{ err: end }, "a; b"],
      "info stopped",
    ]);
  });
});

describe("a list of what has to be undone", () => {
  it("does each step once, and a step that is added later at the next call", async () => {
    const done: string[] = [];
    const list = createUndoList();
    list.add("first", () => done.push("first"));
    await list.undoAll();
    list.add("second", () => done.push("second"));
    await list.undoAll();
    await list.undoAll();
    assert.deepEqual(done, ["first", "second"]);
  });

  it("keeps the errors themselves as causes", async () => {
    const list = createUndoList();
    const cause = new Error("gone");
    list.add("database", () => Promise.reject(cause));
    await assert.rejects(list.undoAll(), (error: Error) => error.cause === cause && error.message === "database: gone");
  });
});
