import { refusedCommands } from "../../apps/core/services/refused-commands.ts";

const HEAD = `# Commands of an instance

An instance runs all commands of its server but those in the table, which it refuses with \`NOPERM\`. A command with
subcommands, such as \`CONFIG\`, stands for all of them but \`HELP\`.

This page is made from \`apps/core/services/refused-commands.ts\` by \`npm run docs\`, and a test compares the list with
what a running instance refuses.

## Refused

| commands | why |
| --- | --- |
`;

const TAIL = `
Settings of the server are fixed, so keyspace notifications (\`notify-keyspace-events\`) are off.

## Allowed, and worth knowing

| commands | what to know |
| --- | --- |
| \`CLIENT KILL\`, \`CLIENT UNBLOCK\` | all connections of an instance are its holder's, so try your clients' reconnecting with them. The page's console and figures are among those connections, and come back by themselves |
| \`FUNCTION\`, \`FCALL\` | functions count as data. They are gone with a restart of the server, as all data is; \`FLUSHALL\` leaves them |
| \`DUMP\`, \`FUNCTION DUMP\` | for copies to a server of your own; reading them back is refused, see above |
| \`EVAL\`, \`SCRIPT KILL\`, \`FUNCTION KILL\` | a script or function that runs for longer than 5 s can be killed unless it has written |
| \`FLUSHALL\`, \`FLUSHDB\`, \`SWAPDB\`, \`KEYS\`, \`SORT\`, \`INFO\`, \`ROLE\` | Redis counts them as dangerous for those who share a server; nobody shares yours |
| \`SUBSCRIBE\`, \`PSUBSCRIBE\`, \`SSUBSCRIBE\`, \`HELLO\`, \`CLIENT REPLY\` | for clients; the console on the page does not follow them |
`;

/** The text of docs/commands.md: what an instance refuses and why, and what is allowed where it is not usual. */
export function commandsPage(): string {
  const rows = refusedCommands.map(
    ({ commands, why }) => `| ${commands.map((command) => `\`${command}\``).join(", ")} | ${why} |`,
  );
  return `${HEAD}${rows.join("\n")}\n${TAIL}`;
}
