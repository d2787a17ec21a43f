import { judgeCommand } from "../../apps/core/console/command-rules.ts";
import { syntaxOf, type DocumentedArgument } from "./syntax.ts";

/** What Redis tells of a command: COMMAND DOCS. */
export type DocumentedCommand = {
  readonly summary: string;
  readonly since: string;
  readonly group: string;
  readonly arguments?: readonly DocumentedArgument[];
  /** By their full names, such as `client|list`. */
  readonly subcommands?: Readonly<Record<string, DocumentedCommand>>;
};

/**
 * A command for the page's console: what follows its name, what it does, its group, and the version that brought it;
 * with a fifth member, the console itself cannot run it.
 */
export type ConsoleCommand = readonly [syntax: string, summary: string, group: string, since: string, elsewhere?: 1];

/**
 * The commands that an instance's owner may run, by their names in capitals.
 * @param isAllowed tells it of a command's name, such as `client|list`
 */
export function consoleCommands(
  docs: Readonly<Record<string, DocumentedCommand>>,
  isAllowed: (name: string) => boolean,
): Readonly<Record<string, ConsoleCommand>> {
  const entries = Object.entries(docs)
    .flatMap(([name, command]) => Object.entries(command.subcommands ?? { [name]: command }))
    .filter(([name, { group }]) => isAllowed(name) && group !== "cluster" && !isHelpAlone(name, docs, isAllowed))
    .map(([name, command]): [string, ConsoleCommand] => {
      const words = name.toUpperCase().split("|");
      const { summary, group, since } = command;
      const syntax = syntaxOf(command.arguments ?? []);
      const about = [syntax, summary, group, since] as const;
      const isElsewhere = judgeCommand(words.map((word) => Buffer.from(word))).kind === "refuse";
      return [words.join(" "), isElsewhere ? [...about, 1] : about];
    })
    .sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries);
}

/** Everybody may ask for help with commands of which all others are refused. */
function isHelpAlone(
  name: string,
  docs: Readonly<Record<string, DocumentedCommand>>,
  isAllowed: (name: string) => boolean,
): boolean {
  const [container = "", second] = name.split("|");
  const others = Object.keys(docs[container]?.subcommands ?? {}).filter((each) => each !== name);
  return second === "help" && !others.some(isAllowed);
}

/** The file that pages load: JSON, with a line for each command. */
export function commandsFile(version: string, commands: Readonly<Record<string, ConsoleCommand>>): string {
  const lines = Object.entries(commands).map(
    ([name, command]) => `    ${JSON.stringify(name)}: ${JSON.stringify(command)}`,
  );
  const source = `COMMAND DOCS of Redis ${version}, BSD 3-Clause License`;
  return `{\n  "source": ${JSON.stringify(source)},\n  "commands": {\n${lines.join(",\n")}\n  }\n}\n`;
}
