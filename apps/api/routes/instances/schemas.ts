import { Type } from "typebox";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import { asHolder, endAnswers, instanceFields, InstanceName, InstanceState, NewLease, ttlSeconds } from "../schemas.ts";

/** A client that works where it must; it takes the service's address as its argument. */
export const PYTHON_CLIENT = `import hashlib, itertools, json, sys, urllib.error, urllib.request

def get_redis(headers={}):
    try:
        call = urllib.request.Request(sys.argv[1] + "/instances", method="POST", headers=headers)
        return json.load(urllib.request.urlopen(call))
    except urllib.error.HTTPError as refusal:
        work = json.load(refusal)
        if "challenge" not in work: sys.exit(work["detail"])
        proofs = (f'{work["challenge"]}:{n}' for n in itertools.count())
        digest = lambda proof: int.from_bytes(hashlib.sha256(proof.encode()).digest(), "big")
        return get_redis({"Proof-Of-Work": next(p for p in proofs if digest(p) >> (256 - work["bits"]) == 0)})

print(get_redis()["url"])
`;

const Handout = Type.Object(
  {
    ...instanceFields,
    password: Type.String({ description: "Password of the Redis. Only this answer shows it." }),
    url: Type.String({ description: "URL for redis-cli -u and for client libraries." }),
    engine: Type.Enum(["redis", "valkey"], { description: "Server in the instance." }),
    version: Type.String({ description: "Version of the server, such as 7.0.15." }),
    token: Type.String({
      description: "Bearer token to read, extend and end the instance. Only this answer shows it.",
    }),
  },
  { title: "Handout", description: "A new instance with its password and token." },
);
/** People behind one address would give each other their instances with keys such as "test". */
const SHORTEST_KEY = 16;
const answerHeaders = {
  Sunset: Type.String({ description: "When the instance ends by itself, as an HTTP date (RFC 8594)." }),
  "Idempotent-Replayed": Type.Optional(
    Type.Literal("true", { description: "A retry got the instance of the first request." }),
  ),
};
const HandoutHeaders = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({
      minLength: SHORTEST_KEY,
      maxLength: 255,
      description:
        "A key that nobody can guess, such as uuidgen prints. A retry with the same key and body from your IP address " +
        "gets the same instance while it runs.",
    }),
  ),
  "proof-of-work": Type.Optional(
    Type.String({ maxLength: 100, description: "The solved challenge, if a refusal has asked for a proof of work." }),
  ),
});

/** What may be asked for of a new instance. */
export const HandoutRequest = Type.Object(
  { ttlSeconds: Type.Optional(ttlSeconds) },
  { additionalProperties: false, title: "NewInstance", description: "What you may ask for." },
);

/** The form of its answer. */
export const HandoutFormat = Type.Object(
  {
    format: Type.Optional(
      Type.Enum(["json", "url", "env"], { description: "Format of the answer, over the Accept header." }),
    ),
  },
  { additionalProperties: false },
);

/** Schemas of the calls in this folder, for validation and for the API reference. */
export const schemas = {
  create: {
    operationId: "createInstance",
    tags: ["instances"],
    summary: "Get a Redis",
    description:
      "Starts an instance and answers once it has answered PONG to its password.\n\n" +
      "`Accept: text/plain` or `?format=url` gives the bare URL, and `?format=env` a line `REDIS_URL=…` for a .env " +
      "file, with comments that tell how to end the instance. `Accept: text/markdown` gives an agent all that it needs. A form in a browser is led to a page.\n\n" +
      "While many people want an instance, the answer is 429 with a `challenge` and a number of `bits`. Find a number " +
      "n for which the SHA-256 of `<challenge>:<n>` begins with so many zero bits, and send the request again with " +
      "the header `Proof-Of-Work: <challenge>:<n>`. In Python:\n\n" +
      `\`\`\`python\n${PYTHON_CLIENT}\`\`\``,
    consumes: ["application/json", "application/x-www-form-urlencoded"],
    body: HandoutRequest,
    querystring: HandoutFormat,
    headers: HandoutHeaders,
    response: {
      201: {
        description: "The instance runs and has answered.",
        headers: {
          Location: Type.String({ description: "Path of the instance, for the calls below." }),
          ...answerHeaders,
        },
        content: {
          "application/json": { schema: Handout },
          "text/plain": { schema: Type.String({ description: "The URL, or the lines for a .env file." }) },
          "text/markdown": { schema: Type.String({ description: "The instance, and how to use and end it." }) },
        },
      },
      303: {
        description: "With `Accept: text/html`: the instance runs, and its page shows it.",
        headers: {
          Location: Type.String({ description: "Path of the page." }),
          "Set-Cookie": Type.String({ description: "Password and token, for that page alone." }),
          ...answerHeaders,
        },
        type: "null",
      },
    },
    refusals: [
      "quota-exceeded",
      "network-quota-exceeded",
      "address-blocked",
      "cross-site",
      "not-acceptable",
      "idempotency-key-reused",
      "starts-exceeded",
      "proof-of-work-needed",
      "busy",
      "paused",
      "no-capacity",
      "kept-for-newcomers",
      "idempotency-key-in-progress",
    ] satisfies ProblemName[],
  },
  read: {
    operationId: "readInstance",
    tags: ["instances"],
    summary: "Read an instance",
    description: "Tells the state of an instance. It never tells the password.",
    security: asHolder,
    params: InstanceName,
    response: { 200: InstanceState },
  },
  change: {
    operationId: "changeLease",
    tags: ["instances"],
    summary: "Extend or shorten an instance",
    description: "The instance ends `ttlSeconds` from now. It cannot run longer in all than GET /stats tells.",
    security: asHolder,
    params: InstanceName,
    body: NewLease,
    response: { 200: InstanceState },
    refusals: ["instance-ended"] satisfies ProblemName[],
  },
  end: {
    operationId: "endInstance",
    tags: ["instances"],
    summary: "End an instance",
    description: "Deletes the instance with all its data. Ending it a second time does no harm.",
    security: asHolder,
    params: InstanceName,
    response: endAnswers,
  },
};
