import { Type, type Static } from "typebox";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import { asHolder, InstanceName } from "../schemas.ts";

const password = Type.String({
  minLength: 1,
  maxLength: 128,
  description:
    "Password of the Redis. The service itself does not keep it. You can leave it out if it is the bearer in place of the token.",
  examples: ["83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84"],
});
const database = Type.Integer({
  minimum: 0,
  maximum: 65_535,
  description: "Number of the selected database, as the last answer told it.",
  examples: [0],
});
const transaction = Type.Enum(["none", "watched", "begun"], {
  description:
    "What the connection holds, as the last answer told it. While it is not none, nothing runs on another connection.",
});
const Command = Type.Object(
  {
    password: Type.Optional(password),
    command: Type.String({
      maxLength: 8192,
      description: "The command as typed into redis-cli.",
      examples: ["SET greeting hello"],
    }),
    session: Type.Optional(
      Type.String({
        minLength: 8,
        maxLength: 64,
        description:
          "A name that you make up. Commands of the same session share a connection, so that SELECT, WATCH and MULTI " +
          "work. Without it, the connection serves one command.",
        examples: ["my-session"],
      }),
    ),
    database: Type.Optional(database),
    transaction: Type.Optional(transaction),
  },
  { additionalProperties: false, title: "ConsoleCommand", description: "A command to run." },
);
/** A line for the console, with the state of its connection. */
export type ConsoleCommand = Static<typeof Command>;
const Answer = Type.Object(
  {
    text: Type.String({ description: "The reply as redis-cli prints it." }),
    tone: Type.Enum(["reply", "error", "note", "lost"], {
      description:
        "Who speaks: the server with a reply or an error, or the console itself with a note. With lost, the connection " +
        "closed before a reply came, and the command may have had an effect.",
    }),
    cutFromBytes: Type.Union([Type.Integer(), Type.Null()], {
      description:
        "Size of the whole reply, if the text is only its beginning. With a warning it is the least that it can be.",
    }),
    warning: Type.Union([Type.String(), Type.Null()], {
      description:
        "What became of the connection, if the reply was too long to be read to its end. The next command gets a new " +
        "connection, which watches nothing.",
    }),
    database,
    transaction,
  },
  { title: "ConsoleAnswer", description: "The reply to a command, and the state of its connection." },
);
/** The reply to a line, with the state of its connection after it. */
export type ConsoleAnswer = Static<typeof Answer>;
const FiguresRequest = Type.Object(
  { password: Type.Optional(password) },
  { additionalProperties: false, title: "FiguresRequest", description: "The password to ask with." },
);
const Figures = Type.Object(
  {
    memoryBytes: Type.Integer({ description: "Memory that keys and values take." }),
    maxMemoryBytes: Type.Integer({ description: "Memory that keys and values may take." }),
    keys: Type.Integer({ description: "Keys in all databases." }),
    clients: Type.Integer({ description: "Open connections, without the one that counts them." }),
    maxClients: Type.Integer({ description: "Connections that may be open." }),
    opsPerSecond: Type.Integer({ description: "Commands a second." }),
  },
  { title: "InstanceFigures", description: "What the instance tells about itself." },
);
/** What an instance reports about itself. */
export type ConsoleFigures = Static<typeof Figures>;

/** Schemas of the calls in this folder, for validation and for the API reference. */
export const schemas = {
  run: {
    operationId: "runCommand",
    tags: ["instances"],
    summary: "Run a command",
    description:
      "Runs a command with the password of the instance, so with the rights of its holder. Long replies are cut, and " +
      "slow commands are given up. Commands that turn the connection into a stream are refused.",
    security: asHolder,
    params: InstanceName,
    body: Command,
    response: { 200: Answer },
    refusals: [
      "password-wrong",
      "instance-ended",
      "replies-spent",
      "console-busy",
      "script-running",
      "instance-silent",
    ] satisfies ProblemName[],
  },
  figures: {
    operationId: "readFigures",
    tags: ["instances"],
    summary: "Read memory, keys, connections and commands a second",
    description: "Asks the instance about itself, now.",
    security: asHolder,
    params: InstanceName,
    body: FiguresRequest,
    response: { 200: Figures },
    refusals: [
      "password-wrong",
      "instance-ended",
      "console-busy",
      "script-running",
      "instance-silent",
    ] satisfies ProblemName[],
  },
};
