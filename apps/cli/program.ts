import { Command, CommanderError, Option, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { API, createContext, OPS_TOKEN, type Context } from "./context.ts";
import { TOKEN } from "./credentials/holder.ts";
import { exitCodes, type Ending } from "./exit-codes.ts";
import { DURATION_FORM, readSeconds } from "./input/durations.ts";
import { stop, Stopped, usage } from "./stopped.ts";
import type { World } from "./world.ts";
import { addAlarmRoom } from "./rooms/alarm.ts";
import { addAnnouncerRoom } from "./rooms/announcer.ts";
import { addAppRoom } from "./rooms/app.ts";
import { addBlockRoom } from "./rooms/block.ts";
import { addCompletion } from "./rooms/completion.ts";
import { addDropletRoom } from "./rooms/droplet.ts";
import { addEvents } from "./rooms/events.ts";
import { addFigures } from "./rooms/figures.ts";
import { addGatewayRoom } from "./rooms/gateway.ts";
import { addHolderCommands } from "./rooms/holder.ts";
import { addHostRoom } from "./rooms/host.ts";
import { addImageRoom } from "./rooms/image.ts";
import { addInstanceRoom } from "./rooms/instance.ts";
import { addJobRoom } from "./rooms/job.ts";
import { addNotificationRoom } from "./rooms/notification.ts";
import { addOperatorRoom } from "./rooms/operator.ts";
import { addPoolRoom } from "./rooms/pool.ts";
import { addPortRoom } from "./rooms/port.ts";
import { addServiceRoom } from "./rooms/service.ts";
import { addStatus } from "./rooms/status.ts";
import { addSwitchRoom } from "./rooms/switch.ts";
import { addWorkloadRoom } from "./rooms/workload.ts";

/** The command line's rooms, one for each noun, in the order of the help. */
const HOLDERS = [addHolderCommands, addStatus];
const OPERATORS = [
  addHostRoom,
  addDropletRoom,
  addPortRoom,
  addWorkloadRoom,
  addImageRoom,
  addGatewayRoom,
  addServiceRoom,
  addPoolRoom,
  addAnnouncerRoom,
  addAppRoom,
  addInstanceRoom,
  addEvents,
  addFigures,
  addAlarmRoom,
  addBlockRoom,
  addSwitchRoom,
  addJobRoom,
  addOperatorRoom,
  addNotificationRoom,
];

const LONGEST_TIMEOUT = 86_400;

/** Carries out a command line, and tells how it ended. It throws nothing. */
export async function runCli(world: World): Promise<number> {
  const { program, context } = createProgram(world);
  try {
    if (world.args.length === 0) program.outputHelp();
    else await program.parseAsync(world.args, { from: "user" });
    return exitCodes.done.code;
  } catch (fault) {
    return exitCodes[endOf(fault, context)].code;
  }
}

/** All commands, and what they work with. */
export function createProgram(world: World): { program: CommandUnknownOpts; context: Context } {
  const program = new Command("getaredis")
    .description(
      "A private Redis from the command line; and, with an operator's token, the service that hands them out.",
    )
    .version(world.package.version, "-V, --version", "show the version")
    .option("--api <url>", `address of the service [${API}]`)
    .option("--json", "print JSON, as the service answers it")
    .addOption(
      new Option("--timeout <time>", "how long to wait for an answer")
        .default(60, "60 s")
        .argParser(inBounds("--timeout", 1)),
    )
    .addOption(
      new Option("--retry-for <time>", "how long to try again while the service is busy or away")
        .default(10, "10 s")
        .argParser(inBounds("--retry-for", 0)),
    )
    .addOption(
      new Option("--ops-token-file <file>", `file with the operator's token, - for standard input [${OPS_TOKEN}]`),
    )
    .helpOption("-h, --help", "show this help")
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 20, subcommandTerm: termOf })
    .exitOverride()
    .configureOutput({
      writeOut: world.stdout.write,
      // What is wrong with the command line is told as any other stop; only help comes here.
      writeErr: world.stderr.write,
      outputError: () => undefined,
      getOutHelpWidth: () => world.stdout.columns ?? 100,
      getErrHelpWidth: () => world.stderr.columns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showSuggestionAfterError(true);

  const context = createContext(world, () => program.opts());
  program.commandsGroup("For everybody:");
  for (const add of HOLDERS) add(program, context);
  program.commandsGroup("For operators:");
  for (const add of OPERATORS) add(program, context);
  program.commandsGroup("More:");
  program.helpCommand("help [command]", "Show the help of a command.");
  addCompletion(program, context);
  program.addHelpText("after", () => `\n${afterHelp(context)}`);
  return { program, context };
}

/** A command in a list of commands: its name and what it takes; its other name and its options are in its own help. */
function termOf(command: CommandUnknownOpts): string {
  const names = command.registeredArguments.map((each) => (each.required ? `<${each.name()}>` : `[${each.name()}]`));
  return [command.name(), ...names].join(" ");
}

/** Tells what stopped a command, unless it is told already. */
function endOf(fault: unknown, { world, show }: Context): Ending {
  if (world.interrupted.aborted) return "interrupted";
  if (fault instanceof CommanderError) {
    if (fault.exitCode === 0) return "done";
    // A room without a command has shown its help.
    if (fault.code !== "commander.help") show.problem(usage(sentence(fault.message)).problem);
    return "usage";
  }
  const stopped = fault instanceof Stopped ? fault : faulty(fault);
  show.problem(stopped.problem);
  if (world.env["GETAREDIS_DEBUG"] && fault instanceof Error) world.stderr.write(`${fault.stack ?? ""}\n`);
  return stopped.ending;
}

function faulty(fault: unknown): Stopped {
  const detail = `${fault instanceof Error ? fault.message : String(fault)}. GETAREDIS_DEBUG=1 shows where.`;
  return stop("fault", "fault", "getaredis has a fault", detail);
}

/** What the argument parser says, in our form. */
function sentence(message: string): string {
  const text = message.replace(/^error: (.)/, (_match, first: string) => first.toUpperCase()).replace(/\n\(/, " (");
  return /[.!?)]$/.test(text) ? text : `${text}.`;
}

function inBounds(option: string, least: number) {
  return (text: string): number => {
    const seconds = readSeconds(text);
    if (seconds >= least && seconds <= LONGEST_TIMEOUT) return seconds;
    throw usage(`${option} must be between ${least} s and 1d. Write ${DURATION_FORM}.`);
  };
}

function afterHelp({ service }: Context): string {
  const codes = Object.values(exitCodes).map(({ code, meaning }) => `  ${String(code).padEnd(4)}${meaning}`);
  return `Examples:
  getaredis create --ttl 2h             get a Redis for two hours
  redis-cli -u "$(getaredis create --url)"
  getaredis end 5sq9fsfr26iw58ze        end it
  getaredis host list --json            hosts for a script, with an operator's token

Environment:
  ${API.padEnd(24)}address of the service (now ${shown(service)})
  ${TOKEN.padEnd(24)}token or Redis password of an instance that was not created here
  ${OPS_TOKEN.padEnd(24)}token of an operator
  Each token can be in a file in place of the variable: ${TOKEN}_FILE, ${OPS_TOKEN}_FILE.
  NO_COLOR, NODE_EXTRA_CA_CERTS and XDG_STATE_HOME mean what they mean elsewhere.

Exit codes:
${codes.join("\n")}
`;
}

function shown(service: Context["service"]): string {
  try {
    return service().address;
  } catch {
    return "one that cannot be read";
  }
}
