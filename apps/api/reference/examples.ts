/** A line for a shell, and what it prints. A test runs each of them and compares the two. */
export type Example = {
  readonly title: string;
  /** What it is for, where the title does not say it. */
  readonly about?: string;
  readonly command: string;
  readonly answer: string;
};

/**
 * The examples of the reference, in the order in which they run. The later ones use ID, TOKEN and PASSWORD of the first
 * one's answer.
 * @param origin of this service as the reader has reached it
 */
export function curlExamples(origin: string): readonly Example[] {
  const asHolder = `-H "Authorization: Bearer $TOKEN"`;
  const asJson = "-H 'Content-Type: application/json'";
  return [
    {
      title: "Get a Redis",
      command: `curl -sX POST ${origin}/instances`,
      answer: json({
        id: "5sq9fsfr26iw58ze",
        host: "redis.example.org",
        port: 20000,
        username: "default",
        password: "83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84",
        url: "redis://default:83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84@redis.example.org:20000",
        engine: "redis",
        version: "7.0.15",
        createdAt: "2026-01-31T07:31:54.033Z",
        expiresAt: "2026-01-31T19:31:54.579Z",
        token: "I3vJ77DJzM951wdOR2_1ydJ4MQeq40UR",
      }),
    },
    {
      title: "Get the URL alone",
      about: "redis-cli -u and the usual clients take it as it is.",
      command: `curl -sX POST -H 'Accept: text/plain' ${origin}/instances`,
      answer: "redis://default:q0Yw4N2TtqQ7yEJ8hBv5rXc3uLkZm1Ds@redis.example.org:20001\n",
    },
    {
      title: "Get a line for a .env file",
      command: `curl -sX POST '${origin}/instances?format=env'`,
      answer: [
        "REDIS_URL=redis://default:pM7sVf2nKd9tXa4jRz8bGw1cQy6hUe3L@redis.example.org:20002",
        "# expires 2026-01-31T19:32:01.210Z",
        `# to end it: curl -u default:pM7sVf2nKd9tXa4jRz8bGw1cQy6hUe3L -X DELETE ${origin}/instances/9q2w4e6r8t0y1u3i`,
        "",
      ].join("\n"),
    },
    {
      title: "Get a Redis for ten minutes",
      about: "A key that uuidgen has made lets you repeat the line: a retry gets the same Redis.",
      command:
        `curl -sX POST ${asJson} -H "Idempotency-Key: $(uuidgen)" \\\n` +
        `  -d '{"ttlSeconds": 600}' ${origin}/instances`,
      answer: json({
        id: "0b7k2m9x4v1q8s3t",
        host: "redis.example.org",
        port: 20003,
        username: "default",
        password: "aT5xW0pJ3mN8yC6vB2rK9sD4fG7hL1qZ",
        url: "redis://default:aT5xW0pJ3mN8yC6vB2rK9sD4fG7hL1qZ@redis.example.org:20003",
        engine: "redis",
        version: "7.0.15",
        createdAt: "2026-01-31T07:32:10.120Z",
        expiresAt: "2026-01-31T07:42:10.498Z",
        token: "Zk3bQ8wE1rT6yU2iO5pA9sD4fG7hJ0lX",
      }),
    },
    {
      title: "Read its state",
      command: `curl -s ${asHolder} ${origin}/instances/$ID`,
      answer: json(state("2026-01-31T19:31:54.579Z")),
    },
    {
      title: "Let it end an hour from now",
      command: `curl -sX PATCH ${asHolder} ${asJson} \\\n  -d '{"ttlSeconds": 3600}' ${origin}/instances/$ID`,
      answer: json(state("2026-01-31T08:35:00.000Z")),
    },
    {
      title: "Run a command in it",
      command:
        `curl -sX POST ${asHolder} ${asJson} \\\n` +
        `  -d '{"password": "'$PASSWORD'", "command": "SET greeting hello"}' \\\n  ${origin}/instances/$ID/console`,
      answer: json({ text: "OK", tone: "reply", cutFromBytes: null, warning: null, database: 0, transaction: "none" }),
    },
    {
      title: "Read its memory, keys and connections",
      command:
        `curl -sX POST ${asHolder} ${asJson} \\\n` +
        `  -d '{"password": "'$PASSWORD'"}' ${origin}/instances/$ID/figures`,
      answer: json({
        memoryBytes: 936744,
        maxMemoryBytes: 26214400,
        keys: 1,
        clients: 0,
        maxClients: 50,
        opsPerSecond: 3,
      }),
    },
    {
      title: "End it",
      about: "The answer has no body; this line prints its status.",
      command: `curl -sX DELETE -w '%{http_code}\\n' ${asHolder} ${origin}/instances/$ID`,
      answer: "204\n",
    },
    {
      title: "Read a refusal",
      about: "This one comes because the request has no token.",
      command: `curl -s ${origin}/instances/$ID`,
      answer: json({
        type: "urn:getaredis:token-missing",
        title: "A token or password is needed",
        status: 401,
        detail: "Send the token or the Redis password that came with the instance: …",
      }),
    },
    {
      title: "Read counts and limits",
      command: `curl -s ${origin}/stats`,
      answer: json({
        running: 12,
        startedEver: 4711,
        limits: {
          ttlSeconds: 43200,
          minTtlSeconds: 60,
          maxTtlSeconds: 86400,
          perAddress: 3,
          memoryMb: 25,
          maxClients: 50,
        },
      }),
    },
  ];
}

function state(expiresAt: string): object {
  return {
    id: "5sq9fsfr26iw58ze",
    host: "redis.example.org",
    port: 20000,
    username: "default",
    createdAt: "2026-01-31T07:31:54.033Z",
    expiresAt,
    state: "running",
    transfer: { sentBytes: 0, limitBytes: 10_000_000_000, throttled: false },
    endedAt: null,
    endCause: null,
    engine: "redis",
    version: "7.0.15",
    lastRestart: null,
  };
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
