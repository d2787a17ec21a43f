import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { exitCodes } from "../../apps/cli/exit-codes.ts";
import { nowhere } from "../../apps/cli/nowhere.ts";
import { createProgram } from "../../apps/cli/program.ts";

const HEAD = `# Command line

\`getaredis\` gets instances, extends and ends them, and operates the service. It calls the same API as the page and
\`/ops\`, so it can do what the token that it is given may do, and nothing else.

This page is made from \`apps/cli/\` by \`npm run docs\`.

## Get it

It needs Node.js 20.12 or later, and nothing else. The service itself serves it:

\`\`\`sh
npx --yes https://redis.example.org/cli.tgz create            # run it once
npm install --global https://redis.example.org/cli.tgz        # or keep it, as getaredis; --force over an older one
\`\`\`

It then calls the service that it came from. \`npx\` gets the service's own version each time, also after an upgrade. In a
checkout it is \`apps/cli/getaredis\`, which calls \`http://127.0.0.1:8080\`; a link to it from a folder on your PATH works.
\`--api\` or \`GETAREDIS_API\` names another service.

Behind a proxy with TLS, let the proxy pass on \`X-Forwarded-Proto\` and set \`TRUST_PROXY\` ([operating
it](operate.md#behind-a-proxy)); else the package names the service by \`http\`.

## Hold an instance

\`\`\`console
$ getaredis create --ttl 2h
url      redis://default:83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84@redis.example.org:20000
id       5sq9fsfr26iw58ze
server   redis 7.0.15
expires  2026-11-26 14:00:00 UTC (in 2 h)
$ getaredis show
ID                STATE    ADDRESS                  EXPIRES      SERVICE
5sq9fsfr26iw58ze  running  redis.example.org:20000  in 1 h 59 min  https://redis.example.org
$ getaredis extend 5sq9fsfr26iw58ze 4h
5sq9fsfr26iw58ze expires 2026-11-26 16:01:12 UTC (in 4 h).
$ getaredis end 5sq9fsfr26iw58ze
5sq9fsfr26iw58ze has ended.
\`\`\`

\`create --url\` prints the URL alone (\`redis-cli -u "$(getaredis create --url)"\`), \`create --env\` a line for a file of
settings. \`create\` keeps the instance's token, and never its password, in a file that only you can read, below
\`~/.local/state/getaredis\` (or \`XDG_STATE_HOME\`), until the instance has ended: so \`show\`, \`extend\` and \`end\` need no
token. With \`--no-keep\` it keeps nothing.

Of an instance that was not created here, give the token or the Redis password, or the URL:

\`\`\`sh
GETAREDIS_TOKEN_FILE=/run/secrets/token getaredis show 5sq9fsfr26iw58ze
getaredis end - < ~/my-app/.env                                # the first Redis URL in it
\`\`\`

While many want an instance, \`create\` finds the proof of work that the service asks for. All its tries carry one
\`Idempotency-Key\`: whatever is lost on the way, they get one instance.

## Operate the service

\`\`\`console
$ export GETAREDIS_OPS_TOKEN_FILE=.getaredis/ops-token         # where npm start keeps the first admin's
$ getaredis host list
NAME    STATE   STANDING  IN USE  READY  HEARTBEAT
host-a  active  open      12/40   3      there
host-b  active  open      0/40    0      there
$ getaredis host drain host-b
host-b takes no new instances any more; those on it run until their end.
$ getaredis events --limit 2
AT                   BY     KIND   ABOUT   REASON
2026-11-26 11:58:20  scale  join   host-b  its heartbeat has arrived
2026-11-26 12:00:03  alice  drain  host-b  the operator drains it
\`\`\`

Create an operator for each person and each script, with the role that it needs:

\`\`\`sh
getaredis operator create backup-check --role viewer --expires 365d --save backup-check.token
\`\`\`

- \`getaredis gateway check\` looks from where it runs, as clients do: whether names under \`EDGE_DOMAIN\` lead to the
  gateways that live, and of each one port, certificate and answer. It ends with 7 when something is wrong.
- \`getaredis figures --span day\` shows hand-outs, how long they took, instances, slots and hosts, step by step.
- \`getaredis image send host-a web:1 --through root@redis.example.org\` sends a host an image of this machine's Docker,
  by ssh and the control plane, for [workloads](ports.md#run-containers) whose image no registry has.
- \`getaredis app announce apps.json\` runs on a host that [announces applications](services.md), until Ctrl-C. It needs
  no operator's token, but the announcer's password (\`GETAREDIS_ANNOUNCER_PASSWORD_FILE\`) and the service's Redis
  (\`GETAREDIS_REDIS\`). \`getaredis app list\` shows what all of them announce.

With an operator's token \`instance show\`, \`extend\` and \`end\` act on everybody's instances, as the operator; the commands
\`show\`, \`extend\` and \`end\` act on your own alone.

## Tokens

| whose | from, the first that is there |
| --- | --- |
| an instance's | \`--token-file FILE\`; what \`create\` has kept; \`GETAREDIS_TOKEN\`; the file that \`GETAREDIS_TOKEN_FILE\` names |
| an announcer's password | \`--password-file FILE\`; \`GETAREDIS_ANNOUNCER_PASSWORD\`; the file that \`GETAREDIS_ANNOUNCER_PASSWORD_FILE\` names |
| an operator's | \`--ops-token-file FILE\`; \`GETAREDIS_OPS_TOKEN\`; the file that \`GETAREDIS_OPS_TOKEN_FILE\` names |

A file \`-\` is standard input. No option takes a token itself, since everybody on a machine can read the command lines of
all. A token is sent to the service alone that it is for: no redirect is followed, and what is kept of an instance goes
to the service that it is from. An operator's token that would cross a network in the clear is warned of.

## For scripts

- \`--json\`, before or after a command, prints what the API answers; without a terminal, tables are not cut and have no
  colour. Standard output has the outcome and nothing else. What stops a command is on standard error, with \`--json\` as
  the API's problem.
- Nothing is asked without a terminal. In a terminal, \`host destroy\` alone asks, for the name of a host with instances.
- \`--timeout\` bounds the wait for each answer, 60 s if you say nothing. For \`--retry-for\`, 10 s, it tries again while the
  service is busy or away, but only what may be sent twice: reads, and \`create\` by its key; of anything else, what has
  surely not been done.
- \`NO_COLOR\` is heeded. \`NODE_EXTRA_CA_CERTS=ca.pem\` has it trust an authority of your own.
- \`eval "$(getaredis completion bash)"\`, or \`zsh\` or \`fish\`, completes commands and options.

## Exit codes

| code | meaning |
| --- | --- |
`;

/** The text of docs/command-line.md: how the command line is used, and a row for each command, option and exit code. */
export function commandLinePage(): string {
  const { program } = createProgram(nowhere);
  const codes = Object.values(exitCodes).map(({ code, meaning }) => `| ${code} | ${cell(meaning)} |`);
  return (
    [
      `${HEAD}${codes.join("\n")}`,
      "## Commands",
      ["| command | what it does |", "| --- | --- |", ...below(program).map(row)].join("\n"),
      "Every command also takes these options, and `--help`:",
      ["| option | meaning |", "| --- | --- |", ...optionsOf(program)].join("\n"),
      "",
    ]
      .join("\n\n")
      .trimEnd() + "\n"
  );
}

/** The commands that do something, each with the words that lead to it. */
function below(
  command: CommandUnknownOpts,
  path: readonly string[] = [],
): [path: readonly string[], CommandUnknownOpts][] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== "help")
    .flatMap((each): [readonly string[], CommandUnknownOpts][] => {
      const words = [...path, each.name()];
      return each.commands.length > 0 ? below(each, words) : [[words, each]];
    });
}

function row([path, command]: [readonly string[], CommandUnknownOpts]): string {
  const taken = command.registeredArguments.map((each) => (each.required ? `<${each.name()}>` : `[${each.name()}]`));
  const options = ownOptions(command).map(({ flags }) => `\`${flags}\``);
  const also = options.length === 0 ? "" : ` ${options.join(", ")}`;
  return `| \`${cell([...path, ...taken].join(" "))}\` | ${cell(command.description())}${also} |`;
}

function optionsOf(command: CommandUnknownOpts): string[] {
  return ownOptions(command).map(({ flags, description, defaultValueDescription: usual }) => {
    const unless = usual === undefined ? "" : ` (default: ${usual})`;
    return `| \`${flags}\` | ${cell(description + unless)} |`;
  });
}

function ownOptions(command: CommandUnknownOpts) {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter(({ long }) => long !== "--help" && long !== "--version");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
