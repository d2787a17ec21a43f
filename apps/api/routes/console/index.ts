import { Type } from "typebox";
import { readFigures } from "../../../core/console/read-figures.ts";
import { runCommand } from "../../../core/console/run-command.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { ownInstance } from "../../callers/own-instance.ts";
import { problemOfConsole } from "../../problems/problems.ts";
import type { App, ServerParts } from "../../server.ts";
import { InstanceId, ProblemBody } from "../schemas.ts";

/** Commands a minute that an address may send: more than anybody types. */
const COMMANDS_PER_MINUTE = 240;

const password = Type.String({
  minLength: 1,
  maxLength: 128,
  description: "Password of the instance; the service itself does not know it",
});
const database = Type.Integer({
  minimum: 0,
  maximum: 65_535,
  description: "Number of the selected database, as the last answer told it",
});
const transaction = Type.Enum(["none", "watched", "begun"], {
  description:
    "What the connection holds, as the last answer told it: while it is not none, nothing is run on another connection",
});
const Command = Type.Object(
  {
    password,
    command: Type.String({ maxLength: 8192, description: "A line as typed into redis-cli" }),
    session: Type.Optional(
      Type.String({
        minLength: 8,
        maxLength: 64,
        description:
          "Commands of the same session share a connection, so that SELECT, WATCH and MULTI work; the caller makes it up. Without it the connection serves one command",
      }),
    ),
    database: Type.Optional(database),
    transaction: Type.Optional(transaction),
  },
  { additionalProperties: false },
);
const Answer = Type.Object({
  text: Type.String({ description: "The reply as redis-cli prints it" }),
  tone: Type.Enum(["reply", "error", "note"], {
    description: "Whose word it is: the server's reply, its error, or the console's own",
  }),
  cutFromBytes: Type.Union([Type.Integer(), Type.Null()], {
    description: "Size of the whole reply where the text is only its beginning",
  }),
  database,
  transaction,
});
const FiguresRequest = Type.Object({ password }, { additionalProperties: false });
const Figures = Type.Object({
  memoryBytes: Type.Integer(),
  maxMemoryBytes: Type.Integer({ description: "What keys and values may take" }),
  keys: Type.Integer({ description: "Keys in all databases" }),
  clients: Type.Integer({ description: "Open connections, without the one that counts them" }),
  maxClients: Type.Integer(),
  opsPerSecond: Type.Integer(),
});

/** Commands and figures for an instance's owner. The password comes in the body, which nobody logs. */
export function consoleRoutes({ config, store, console }: ServerParts) {
  return (app: App) => {
    app.post(
      "/instances/:id/console",
      {
        config: {
          rateLimit: { max: Math.min(COMMANDS_PER_MINUTE, config.service.rateLimitPerMinute), timeWindow: "1 minute" },
        },
        schema: {
          tags: ["instances"],
          summary: "Run a command",
          description:
            "Logs in with the instance's password, so with its owner's rights. Long replies are cut, slow commands given up, and commands that turn the connection into a stream are refused.",
          security: [{ owner: [] }],
          params: InstanceId,
          body: Command,
          response: { 200: Answer, "4xx": ProblemBody, "5xx": ProblemBody },
        },
      },
      async (request, reply) => {
        const { command: line, password, session, database = 0, transaction = "none" } = request.body;
        const instance = await ownInstance(store, request, request.params.id);
        const name = `console ${session ?? request.id}`;
        const result = await runCommand(console, instance, {
          line,
          password,
          session: name,
          state: { database, transaction },
        });
        if (session === undefined) console.consoles.close(instance.id, name);
        if (result.kind !== "answered") throw new ProblemError(problemOfConsole(result));
        const { text, tone, cutFromBytes, state } = result;
        return reply
          .header("cache-control", "no-store")
          .send({ text, tone, cutFromBytes, database: state.database, transaction: state.transaction });
      },
    );

    app.post(
      "/instances/:id/figures",
      {
        // A count of its own: pages that look each second or two take nothing from other calls.
        config: { rateLimit: { max: config.service.rateLimitPerMinute, timeWindow: "1 minute" } },
        schema: {
          tags: ["instances"],
          summary: "Memory, keys, connections and commands a second, now",
          security: [{ owner: [] }],
          params: InstanceId,
          body: FiguresRequest,
          response: { 200: Figures, "4xx": ProblemBody, "5xx": ProblemBody },
        },
      },
      async (request, reply) => {
        const result = await readFigures(
          console,
          await ownInstance(store, request, request.params.id),
          request.body.password,
        );
        if (result.kind !== "read") throw new ProblemError(problemOfConsole(result));
        return reply.header("cache-control", "no-store").send(result.figures);
      },
    );
  };
}
