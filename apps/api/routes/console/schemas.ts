import { Type, type Static } from "typebox";
import { InstanceName, refusalsAndFaults } from "../schemas.ts";

const password = Type.String({
  minLength: 1,
  maxLength: 128,
  description:
    "Password of the instance; the service itself does not know it. Not needed where the password is the bearer",
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
    password: Type.Optional(password),
    command: Type.String({ maxLength: 8192, description: "A line as typed into redis-cli" }),
    session: Type.Optional(
      Type.String({
        minLength: 8,
        maxLength: 64,
        description:
          "Commands of the same session share a connection, so that SELECT, WATCH and MULTI work; " +
          "the caller makes it up. Without it the connection serves one command",
      }),
    ),
    database: Type.Optional(database),
    transaction: Type.Optional(transaction),
  },
  { additionalProperties: false },
);
/** A line for the console, with the state of its connection. */
export type ConsoleCommand = Static<typeof Command>;
const Answer = Type.Object({
  text: Type.String({ description: "The reply as redis-cli prints it" }),
  tone: Type.Enum(["reply", "error", "note", "lost"], {
    description:
      "Whose words the text is: the server's reply, its error, or the console's own. With lost, the connection closed " +
      "before a reply came, and the command may have had an effect.",
  }),
  cutFromBytes: Type.Union([Type.Integer(), Type.Null()], {
    description: "Size of the whole reply where the text is only its beginning; at least so much with a warning",
  }),
  warning: Type.Union([Type.String(), Type.Null()], {
    description:
      "What became of the connection, where a reply was too long to be read to its end: the next command gets a new " +
      "one, so that nothing is watched any more",
  }),
  database,
  transaction,
});
/** The reply to a line, with the state of its connection after it. */
export type ConsoleAnswer = Static<typeof Answer>;
const FiguresRequest = Type.Object({ password: Type.Optional(password) }, { additionalProperties: false });
const Figures = Type.Object({
  memoryBytes: Type.Integer(),
  maxMemoryBytes: Type.Integer({ description: "What keys and values may take" }),
  keys: Type.Integer({ description: "Keys in all databases" }),
  clients: Type.Integer({ description: "Open connections, without the one that counts them" }),
  maxClients: Type.Integer(),
  opsPerSecond: Type.Integer(),
});
/** What an instance reports about itself. */
export type ConsoleFigures = Static<typeof Figures>;

/** Schemas of the calls in this folder, for validation and for the API reference. */
export const schemas = {
  run: {
    tags: ["instances"],
    summary: "Run a command",
    description:
      "Logs in with the instance's password, so with its owner's rights. Long replies are cut, slow commands " +
      "given up, and commands that turn the connection into a stream are refused. Replies are limited in requests and " +
      "in bytes, both a minute.",
    security: [{ owner: [] }],
    params: InstanceName,
    body: Command,
    response: { 200: Answer, ...refusalsAndFaults },
  },
  figures: {
    tags: ["instances"],
    summary: "Memory, keys, connections and commands a second, now",
    security: [{ owner: [] }],
    params: InstanceName,
    body: FiguresRequest,
    response: { 200: Figures, ...refusalsAndFaults },
  },
};
