import { projectPath } from "../../../infra/process/project-path.ts";
import type { SystemCommand } from "../../../infra/servers/system-packages.ts";

/** What is tried with clients, and how docs/clients.md calls it. */
export const FEATURES = {
  big: "1 MB there and back",
  MULTI: "MULTI",
  "pub/sub": "pub/sub",
  pop: "a pop that waits",
  RESP3: "RESP3",
  queues: "queues",
} as const;

/** A client that is tried with the real edge: with nothing but an instance's URL, and the certificate verified. */
export interface EdgeClient {
  name: string;
  /** Where what is tried comes from. */
  from: "npm" | "Debian";
  /** npm package or Debian package. */
  package: string;
  /** Program, and its file beside this one. */
  command: readonly [program: string, ...args: string[]];
  /** What it prints that went well: all that the client has. */
  can: readonly (keyof typeof FEATURES)[];
}

const USUAL = ["big", "MULTI", "pub/sub", "pop"] as const;

export const CLIENTS: readonly EdgeClient[] = [
  { name: "ioredis", from: "npm", package: "ioredis", command: ["node", "ioredis.mjs"], can: [...USUAL, "RESP3"] },
  { name: "node-redis", from: "npm", package: "redis", command: ["node", "node-redis.mjs"], can: [...USUAL, "RESP3"] },
  { name: "iovalkey", from: "npm", package: "iovalkey", command: ["node", "iovalkey.mjs"], can: USUAL },
  { name: "BullMQ", from: "npm", package: "bullmq", command: ["node", "bullmq.mjs"], can: ["queues"] },
  {
    name: "redis-cli",
    from: "Debian",
    package: "redis-tools",
    command: ["node", "redis-cli.mjs"],
    can: [...USUAL, "RESP3"],
  },
  {
    name: "redis-py",
    from: "Debian",
    package: "python3-redis",
    command: ["/usr/bin/python3", "redis-py.py"],
    can: USUAL,
  },
  { name: "redis-rb", from: "Debian", package: "ruby-redis", command: ["/usr/bin/ruby", "redis-rb.rb"], can: USUAL },
  { name: "phpredis", from: "Debian", package: "php-redis", command: ["/usr/bin/php", "phpredis.php"], can: USUAL },
  { name: "Predis", from: "Debian", package: "php-predis", command: ["/usr/bin/php", "predis.php"], can: USUAL },
  {
    name: "redigo",
    from: "Debian",
    package: "golang-github-gomodule-redigo-dev",
    command: ["sh", "built.sh", "redigo"],
    can: USUAL,
  },
  {
    name: "go-redis",
    from: "Debian",
    package: "golang-gopkg-redis.v5-dev",
    command: ["sh", "built.sh", "go-redis"],
    can: USUAL,
  },
  { name: "hiredis", from: "Debian", package: "libhiredis-dev", command: ["sh", "built.sh", "hiredis"], can: USUAL },
];

/** What clients in other languages need that this machine may not have. */
export const CLIENT_PACKAGES: readonly SystemCommand[] = [
  "redis-cli",
  "gcc",
  "headers of C",
  "headers of OpenSSL",
  "go",
  "php",
  "ruby",
  "redis for C",
  "redis for Go",
  "the other redis for Go",
  "redis for PHP",
  "redis extension of PHP",
  "redis for Python",
  "redis for Ruby",
];

/** The words of the command that tries it, or with "steady" shows what it sees when its gateway dies. */
export function commandOf({ command: [program, file = "", ...args] }: EdgeClient, ...more: string[]): string[] {
  return [program, projectPath(`test/e2e/edge-clients/${file}`), ...args, ...more];
}

/** What a client prints that was steady, lost its gateway, and is back. */
export interface SeenByClient {
  /** Time without an answer. */
  backAfterMs: number;
  /** Each error that the program was told meanwhile: by its client's events, thrown, or returned. */
  errors: readonly string[];
}

/** What one that is steady has seen; undefined while it is not back. */
export function readSteady(said: string): SeenByClient | undefined {
  const [, told] = /^steady\n(\{.*\})\n/.exec(said) ?? [];
  return told === undefined ? undefined : (JSON.parse(told) as SeenByClient);
}

/** The table of all clients, in Markdown, as docs/clients.md has it. @param versions of the npm packages */
export function clientTable(versions: Readonly<Record<string, string>>): string {
  const features = Object.entries(FEATURES) as [keyof typeof FEATURES, string][];
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    row(["client", "tried", ...features.map(([, title]) => title)]),
    row(["client", "tried", ...features].map(() => "---")),
    ...CLIENTS.map((client) =>
      row([
        client.name,
        client.from === "npm"
          ? `${client.package} ${versions[client.package] ?? ""} (npm)`
          : `${client.package} (Debian)`,
        ...features.map(([feature]) => (client.can.includes(feature) ? "yes" : "-")),
      ]),
    ),
  ].join("\n");
}
