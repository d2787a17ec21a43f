import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { redisService } from "../../../apps/core/services/redis.ts";
import { watchPassword } from "../../../apps/core/services/watch-user.ts";
import { handoutRules, instanceLimits } from "../../../apps/core/settings/instances.ts";
import { loadSettings } from "../../../apps/core/settings/load.ts";
import { keepWarmRules } from "../../../apps/core/settings/warm-pool.ts";
import { longestLifeMs, recipeOf, sealedPassword, warmingMs } from "../../../apps/core/warm-pool/recipe.ts";

const SECRET = "sixteen characters";
const nonce = Buffer.alloc(32, 7);
const settingsOf = (env: Readonly<Record<string, string>>) =>
  loadSettings({ INSTANCE_IMAGE: "redis:1", SERVER_SECRET: SECRET, ...env }, ["INSTANCE_IMAGE", "SERVER_SECRET"]);
const jobsRecipe = (env: Readonly<Record<string, string>>) => keepWarmRules(settingsOf(env)).recipe.toString("hex");
const handoutRecipe = (env: Readonly<Record<string, string>>) =>
  handoutRules(settingsOf(env)).warm?.recipe.toString("hex");

describe("the recipe of warm instances", () => {
  const changes: readonly Readonly<Record<string, string>>[] = [
    { INSTANCE_IMAGE: "redis:2" },
    { SERVER_SECRET: "another sixteen characters" },
    { INSTANCE_MEMORY_MB: "30" },
    { INSTANCE_MAX_CLIENTS: "99" },
    // The host would end an instance of before, in the middle of a longer lease.
    { LEASE_MAX_SECONDS: "172800" },
    { HANDOUT_TIMEOUT_SECONDS: "59" },
    { WARM_MAX_AGE_SECONDS: "7200" },
  ];
  for (const change of changes)
    it(`differs with another ${Object.keys(change).join()}`, () => {
      assert.notEqual(jobsRecipe(change), jobsRecipe({}));
      assert.equal(jobsRecipe(change), handoutRecipe(change), "hand-outs and the job agree");
    });

  it("is the same again and again, and whatever has no part in it", () => {
    assert.equal(jobsRecipe({}), handoutRecipe({}));
    assert.equal(jobsRecipe({ WARM_POOL_MAX: "9", QUOTA_PER_ADDRESS: "1", HOST_CAPACITY: "9" }), jobsRecipe({}));
  });

  it("cannot be made without the secret by who knows all the rest", () => {
    const service = redisService(instanceLimits(settingsOf({}).instances));
    const times = keepWarmRules(settingsOf({}));
    assert.notDeepEqual(recipeOf(service, "", times), recipeOf(service, SECRET, times));
  });

  it("is none for hand-outs when the pool is switched off", () => {
    assert.equal(handoutRules(settingsOf({ WARM_POOL_MAX: "0" })).warm, undefined);
  });
});

describe("the life of a warm instance's container", () => {
  it("covers the longest lease, handed out at the last moment at which it may be", () => {
    const settings = settingsOf({});
    const rules = keepWarmRules(settings);
    // Ready at its deadline, claimed at its greatest age, handed out at the end of the hand-out's time.
    const lastEnd =
      warmingMs(rules) +
      rules.maxAgeMs +
      settings.instances.handoutTimeoutMs +
      1000 * settings.instances.leaseMaxSeconds;
    assert.ok(longestLifeMs(rules) >= lastEnd);
  });
});

describe("the sealed password", () => {
  it("is 32 letters and digits, the same again, and another for another secret, nonce or instance", () => {
    const password = sealedPassword(SECRET, nonce, "one");
    assert.match(password, /^[0-9A-Za-z]{32}$/);
    assert.equal(sealedPassword(SECRET, nonce, "one"), password);
    for (const other of [
      sealedPassword("another secret", nonce, "one"),
      sealedPassword(SECRET, Buffer.alloc(32, 8), "one"),
      sealedPassword(SECRET, nonce, "two"),
      watchPassword(SECRET, "one"),
    ])
      assert.notEqual(other, password);
  });

  it("has its length whatever the nonce", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.string(), (bytes, id) =>
        /^[0-9A-Za-z]{32}$/.test(sealedPassword(SECRET, Buffer.from(bytes), id)),
      ),
    );
  });
});
