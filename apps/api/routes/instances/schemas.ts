import { Type } from "typebox";
import { InstanceName, InstanceState, refusals, refusalsAndFaults } from "../schemas.ts";
import { REDIS_USERNAME } from "../../../core/services/redis.ts";

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

const Handout = Type.Object({
  id: Type.String(),
  host: Type.String(),
  port: Type.Integer(),
  username: Type.Literal(REDIS_USERNAME),
  password: Type.String({ description: "Shown in this answer and never again" }),
  url: Type.String({ description: "For redis-cli -u and client libraries" }),
  engine: Type.Enum(["redis", "valkey"], { description: "What runs in it" }),
  version: Type.String({ description: "Its version, such as 7.0.15" }),
  createdAt: Type.String({ format: "date-time" }),
  expiresAt: Type.String({ format: "date-time" }),
  token: Type.String({
    description: "Bearer token to read, extend and end the instance; shown in this answer and never again",
  }),
});
const ttlSeconds = Type.Integer({ description: "Lifetime in seconds" });
const Change = Type.Object({ ttlSeconds }, { additionalProperties: false });
/** People behind one address would give each other their instances with keys such as "test". */
const SHORTEST_KEY = 16;
const HandoutHeaders = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({
      minLength: SHORTEST_KEY,
      maxLength: 255,
      description:
        "Hard to guess, such as what uuidgen prints: whoever sends the same key from your address gets your instance. " +
        "The same key and body give the same instance while it runs",
    }),
  ),
  "proof-of-work": Type.Optional(
    Type.String({ maxLength: 100, description: "A solved challenge, where a refusal has asked for it" }),
  ),
});

/** What may be asked for of a new instance. */
export const HandoutRequest = Type.Object({ ttlSeconds: Type.Optional(ttlSeconds) }, { additionalProperties: false });

/** The form of its answer. */
export const HandoutFormat = Type.Object(
  { format: Type.Optional(Type.Enum(["json", "url", "env"], { description: "Overrides the Accept header" })) },
  { additionalProperties: false },
);

/** Schemas of the calls in this folder, for validation and for the API reference. */
export const schemas = {
  create: {
    tags: ["instances"],
    summary: "Get a Redis",
    description:
      "The answer comes once the instance has answered PONG to the password. " +
      "Accept: text/plain gives the bare URL, ?format=env a REDIS_URL= line.\n\n" +
      "While many want one, the answer is 429 with a `challenge` and a number of `bits`: send the request again " +
      "with the header `Proof-Of-Work: <challenge>:<n>`, where n is a number for which the SHA-256 of that value " +
      "begins with so many zero bits. In Python:\n\n" +
      `\`\`\`python\n${PYTHON_CLIENT}\`\`\``,
    consumes: ["application/json", "application/x-www-form-urlencoded"],
    produces: ["application/json", "text/plain", "text/html"],
    body: HandoutRequest,
    querystring: HandoutFormat,
    headers: HandoutHeaders,
    response: {
      201: Type.Union([Handout, Type.String()]),
      303: Type.Null({ description: "To a browser's form: Location is the page that shows the instance" }),
      ...refusalsAndFaults,
    },
  },
  read: {
    tags: ["instances"],
    summary: "State of an instance",
    security: [{ owner: [] }],
    params: InstanceName,
    response: { 200: InstanceState, ...refusals },
  },
  change: {
    tags: ["instances"],
    summary: "Extend or shorten the lease: it ends ttlSeconds from now",
    security: [{ owner: [] }],
    params: InstanceName,
    body: Change,
    response: { 200: InstanceState, ...refusals },
  },
  end: {
    tags: ["instances"],
    summary: "End an instance",
    description:
      "204 when it is gone; 202 when its lease has ended but its host does not answer: " +
      "it goes as soon as the host does.",
    security: [{ owner: [] }],
    params: InstanceName,
    response: { 202: Type.Null(), 204: Type.Null(), ...refusals },
  },
};
