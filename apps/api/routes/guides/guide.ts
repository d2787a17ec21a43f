import { keptRecords, type RecordTimes } from "../../../core/operator/kept-records.ts";
import type { Handout } from "../../../core/instances/handout.ts";
import { refusedCommands } from "../../../core/services/refused-commands.ts";
import type { OperatorFacts } from "../../../core/settings/operator.ts";
import type { publicLimits } from "../public-limits.ts";

/** What the guides are made from: this service's own limits, operator and times. */
export type GuideFacts = {
  readonly limits: ReturnType<typeof publicLimits>;
  readonly operator: OperatorFacts;
  readonly records: RecordTimes;
};

/**
 * All that a program or an agent needs to use this service, in Markdown.
 * @param origin of this service as the caller reached it
 */
export function guide(facts: GuideFacts, origin: string): string {
  return `${title(facts)}
## Get a Redis

\`\`\`sh
curl --fail-with-body -sSX POST ${origin}/instances
\`\`\`

The answer is 201 with \`url\`, \`host\`, \`port\`, \`username\`, \`password\`, \`expiresAt\`, \`id\` and \`token\`. Password and
token are shown only once. The instance is ready when the answer comes.

- Other formats: \`Accept: text/plain\` gives the bare URL, \`Accept: text/markdown\` a text like this one,
  \`?format=env\` a line for a .env file.
- Another lifetime: \`-H 'Content-Type: application/json' -d '{"ttlSeconds": 600}'\`.
- From a shell with Node.js: \`npx --yes ${origin}/cli.tgz create --json\`; \`--help\` tells the other commands.
- Safe to repeat: with the header \`Idempotency-Key\` (16 characters or more that nobody guesses), a retry gets the
  same instance.

## Read, extend and end it

Authenticate with the Redis password or the token: \`-u default:PASSWORD\` or \`Authorization: Bearer TOKEN\`. In place of
the id, HOST:PORT of the URL will do.

\`\`\`sh
${acts("PASSWORD", `${origin}/instances/ID`)}
\`\`\`

End an instance that you no longer need: its place is free at once.

${limitsPart(facts)}
## Refusals

They are \`application/problem+json\` with a stable \`type\`, and \`detail\` says what to do. With 429 and 503, wait for
\`Retry-After\` seconds. \`urn:getaredis:proof-of-work-needed\` carries a \`challenge\`: ${origin}/docs has a client in ten
lines that solves it.

${about(facts)}
## More

${links(origin)}`;
}

/**
 * The text of /llms.txt: a title, a summary, what matters, and links.
 * @param origin of this service as the caller reached it
 */
export function llmsText(facts: GuideFacts, origin: string): string {
  return `${title(facts)}
- \`POST ${origin}/instances\` starts one and answers with its \`url\`; \`Accept: text/plain\` gives the URL alone.
- \`GET\`, \`PATCH {"ttlSeconds": n}\` and \`DELETE ${origin}/instances/HOST:PORT\` read, extend and end it, with
  \`-u default:PASSWORD\` of its URL.
- \`POST ${origin}/instances/HOST:PORT/console\` with \`{"command": "PING"}\` runs a command where there is no Redis client.
- ${limitsLine(facts)}

## Documentation

${links(origin)}`;
}

/**
 * A hand-out with what its holder needs to know, in Markdown.
 * @param origin of this service as the caller reached it
 */
export function handoutGuide(handout: Handout, facts: GuideFacts, origin: string): string {
  const { id, url, password, expiresAt, engine, version, token } = handout;
  return `# A Redis

- URL: \`${url}\`
- Expires: ${expiresAt}. Then it is deleted with all its data.
- Server: ${engine} ${version}
- Id: \`${id}\`
- Token: \`${token}\`

URL and token are shown only once. Client libraries take the URL as it is, and so does \`redis-cli -u\`.

## Read, extend and end it

\`\`\`sh
${acts(password, `${origin}/instances/${id}`)}
\`\`\`

End it when you no longer need it: its place is free at once.

${limitsPart(facts)}
More: ${origin}/llms.txt
`;
}

function title({ limits: { memoryMb, ttlSeconds, isEncrypted } }: GuideFacts): string {
  return `# Get a Redis

> One HTTP call starts a private Redis (or Valkey) with ${memoryMb} MB for ${duration(ttlSeconds)}, without a sign-up. It is for
> tests, trials and teaching: ${isEncrypted ? "" : "traffic is not encrypted, and "}all data is deleted at the end.
`;
}

function acts(password: string, address: string): string {
  return [
    `curl -u default:${password} ${address}`,
    `curl -u default:${password} -X PATCH -H 'Content-Type: application/json' -d '{"ttlSeconds": 3600}' ${address}  # it ends an hour from now`,
    `curl -u default:${password} -X DELETE ${address}`,
    "# A command, where there is no Redis client:",
    `curl -u default:${password} -X POST -H 'Content-Type: application/json' -d '{"command": "PING"}' ${address}/console`,
  ].join("\n");
}

function limitsPart({ limits }: GuideFacts): string {
  const { ttlSeconds, minTtlSeconds, maxTtlSeconds, perAddress, memoryMb, maxClients, isEncrypted } = limits;
  return `## Limits

- Lifetime: ${duration(ttlSeconds)} if you ask for none, ${duration(minTtlSeconds)} at least, ${duration(maxTtlSeconds)} at most with all extensions.
- ${memoryMb} MB of data in memory; a full instance refuses writes. ${maxClients} connections.
- ${perAddress} instances at a time for an IP address.
- ${isEncrypted ? "Encrypted by TLS" : "Not encrypted"}: do not put secrets or personal data into it${isEncrypted ? " all the same" : ""}.
- Refused commands: ${refusedCommands.flatMap(({ commands }) => commands).join(", ")}.
`;
}

function limitsLine({ limits }: GuideFacts): string {
  const { maxTtlSeconds, perAddress, maxClients } = limits;
  return `Limits: ${perAddress} instances at a time for an IP address, ${maxClients} connections, ${duration(maxTtlSeconds)} with extensions.`;
}

function about({ operator, records }: GuideFacts): string {
  const { name, contact, termsUrl, privacyUrl, sourceUrl } = operator;
  const known = [
    name === undefined ? undefined : `Run by ${name}.`,
    contact === undefined ? undefined : `Contact: ${contact}`,
    termsUrl === undefined ? undefined : `Terms of use: ${termsUrl}`,
    privacyUrl === undefined ? undefined : `Privacy: ${privacyUrl}`,
    sourceUrl === undefined ? undefined : `Source: ${sourceUrl}`,
  ].filter((line) => line !== undefined);
  return `## What is kept, and who runs this

${[...keptRecords(records), ...known].map((line) => `- ${line}`).join("\n")}
`;
}

function links(origin: string): string {
  return `- [API reference](${origin}/docs): every call, every error, examples
- [OpenAPI document](${origin}/docs/json): the same for programs
- [Limits and counts](${origin}/stats): as JSON
`;
}

/** Whole hours or minutes where they fit, else seconds. */
function duration(seconds: number): string {
  if (seconds % 3600 === 0) return seconds === 3600 ? "1 hour" : `${seconds / 3600} hours`;
  if (seconds % 60 === 0) return seconds === 60 ? "1 minute" : `${seconds / 60} minutes`;
  return `${seconds} seconds`;
}
