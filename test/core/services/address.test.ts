import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { edgePassword, idOfName, idOfPassword, shownAddress } from "../../../apps/core/services/address.ts";

const edge = { domain: "redis.example.org", port: 6379 };
const instance = { id: "5sq9fsfr26iw58ze", publicHost: "203.0.113.7", port: 20_003 };

describe("the address of an instance", () => {
  it("is its host's without an edge", () => {
    assert.deepEqual(shownAddress(undefined, instance), { host: "203.0.113.7", port: 20_003, isTls: false });
  });

  it("is a name of its own at the edge, whatever its host", () => {
    assert.deepEqual(shownAddress(edge, instance), {
      host: "5sq9fsfr26iw58ze.redis.example.org",
      port: 6379,
      isTls: true,
    });
  });

  it("leads back to the instance, in capitals too, and nothing else does", () => {
    assert.equal(idOfName(edge, "5sq9fsfr26iw58ze.redis.example.org"), instance.id);
    assert.equal(idOfName(edge, "5SQ9FSFR26IW58ZE.Redis.Example.ORG"), instance.id);
    for (const name of [
      "redis.example.org",
      ".redis.example.org",
      "5sq9fsfr26iw58z.redis.example.org",
      "a.5sq9fsfr26iw58ze.redis.example.org",
      "5sq9fsfr26iw58ze.redis.example.org.evil.example",
      "5sq9fsfr26iw58ze.xredis.example.org",
      "5sq9fsfr26iw58ze",
    ])
      assert.equal(idOfName(edge, name), undefined, name);
  });
});

describe("the password of an instance behind an edge", () => {
  it("names its instance, before a secret that is as long as ever", () => {
    const password = edgePassword(instance.id, "83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84");
    assert.equal(password, "5sq9fsfr26iw58ze83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84");
    assert.equal(idOfPassword(password), instance.id);
  });

  it("names none when it is too short, or begins with what is no id", () => {
    for (const password of [
      "",
      "5sq9fsfr26iw58z",
      "5sq9fsfr26iw58ze",
      "83YZWLXCS7HLUpVBDGl7K4UX1fE2Ye84",
      "né".repeat(20),
    ])
      assert.equal(idOfPassword(password), undefined, password);
  });
});
