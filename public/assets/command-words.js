/** @import { Commands, Suggestions } from "../home-types.ts" */

const MOST_SUGGESTED = 60;

/**
 * What can stand where the line ends: names of commands, or the words that the command's syntax knows; and what the
 * command takes.
 * @param {string} line
 * @param {Commands} commands
 * @returns {Suggestions}
 */
export function suggest(line, commands) {
  const start = line.length - line.trimStart().length;
  const typed = line.slice(start).toUpperCase();
  if (typed === "") return { from: start, words: [], about: "" };
  const name = nameIn(typed, commands);
  const command = name === undefined ? undefined : commands[name];
  if (name === undefined || !command) {
    const words = names(commands).filter((each) => each.startsWith(typed.replaceAll(/\s+/g, " ")));
    const [first] = words;
    const about = words.length === 1 && first ? aboutOf(first, commands) : "";
    return { from: start, words: words.slice(0, MOST_SUGGESTED), about };
  }
  const [syntax] = command;
  const from = line.search(/[^\s]*$/);
  const words = line.slice(start + name.length, from).trim();
  const count = words === "" ? 0 : words.split(/\s+/).length;
  const last = line.slice(from).toUpperCase();
  const isFree = count < leastArguments(syntax) || /["']/.test(line.slice(start + name.length));
  const taken = new Set(words.toUpperCase().split(/\s+/));
  const tokens = isFree ? [] : tokensOf(syntax).filter((word) => word.startsWith(last) && !taken.has(word));
  return { from, words: last !== "" && tokens.includes(last) ? [] : tokens, about: aboutOf(name, commands) };
}

/**
 * What HELP says of a command, or of those that begin with these words.
 * @param {string} topic
 * @param {Commands} commands
 */
export function helpOn(topic, commands) {
  const name = topic.trim().toUpperCase().replaceAll(/\s+/g, " ").slice(0, 100);
  const command = commands[name];
  if (command) {
    const [syntax, summary, group, since, isElsewhere] = command;
    return [
      `${name} ${syntax}`.trim(),
      `${summary.replace(/\.$/, "")}. Group: ${group}. Since Redis ${since}.`,
      ...(isElsewhere ? ["Not in this console: use redis-cli or a client."] : []),
    ].join("\n");
  }
  const parts = Object.keys(commands).filter((each) => each.startsWith(`${name} `));
  if (parts.length > 0) return `${name} has: ${parts.map((each) => each.slice(name.length + 1)).join(", ")}.`;
  return `No command ${name} is available here. All that Redis has: https://redis.io/commands`;
}

/**
 * The name of the command whose arguments are being typed: two words where they are one.
 * @param {string} typed
 * @param {Commands} commands
 */
function nameIn(typed, commands) {
  const words = /^(\S+)\s+(?:(\S+)\s+)?/.exec(typed);
  const [, first = "", second] = words ?? [];
  return [`${first} ${second ?? ""}`, first].find((name) => commands[name]);
}

/** @param {Commands} commands */
function names(commands) {
  return Object.keys(commands).filter((name) => !commands[name]?.[4]);
}

/**
 * @param {string} name
 * @param {Commands} commands
 */
function aboutOf(name, commands) {
  return `${name} ${commands[name]?.[0] ?? ""}`.trim();
}

/**
 * Words in capitals, which stand for themselves.
 * @param {string} syntax
 */
function tokensOf(syntax) {
  return [...new Set(syntax.match(/(?<![\w-])[A-Z][A-Z0-9-]+(?![\w-])/g))];
}

/**
 * How many arguments come before the first of these words can.
 * @param {string} syntax
 */
function leastArguments(syntax) {
  return /^(?:[a-z][\w-]* ?)*/.exec(syntax)?.[0].trim().split(" ").filter(Boolean).length ?? 0;
}
