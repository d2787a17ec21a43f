import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FastifyRequest } from "fastify";
import { isFromOwnPage, requestOrigin } from "../../apps/api/callers/request-origin.ts";

const asked = (headers: Record<string, string>) => ({ headers, host: "redis.example:80" }) as unknown as FastifyRequest;
const cases: readonly [headers: Record<string, string>, origin: ReturnType<typeof requestOrigin>][] = [
  [{}, "no browser"],
  [{ origin: "http://redis.example:8080" }, "other site"],
  [{ origin: "https://redis.example:80" }, "own page"],
  [{ origin: "https://evil.example" }, "other site"],
  [{ origin: "null" }, "other site"],
  [{ origin: "no address" }, "other site"],
  [{ "sec-fetch-site": "same-origin" }, "own page"],
  [{ "sec-fetch-site": "none" }, "own page"],
  [{ "sec-fetch-site": "same-origin", origin: "https://redis.example:80" }, "own page"],
  [{ "sec-fetch-site": "same-origin", origin: "https://evil.example" }, "same site"],
  [{ "sec-fetch-site": "same-site", origin: "https://redis.example:80" }, "same site"],
  [{ "sec-fetch-site": "cross-site", origin: "https://redis.example:80" }, "other site"],
  [{ "sec-fetch-site": "a value of the future" }, "same site"],
];

describe("the origin of a request", () => {
  for (const [headers, origin] of cases)
    it(`is "${origin}" with ${JSON.stringify(headers)}`, () => assert.equal(requestOrigin(asked(headers)), origin));

  it("lets only our own page and programs make calls that a browser's address or cookie pays for", () => {
    const admitted = cases.filter(([headers]) => isFromOwnPage(asked(headers))).map(([, origin]) => origin);
    assert.deepEqual(new Set(admitted), new Set(["no browser", "own page"]));
  });
});
