import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { servedOrigin } from "../../apps/api/callers/served-origin.ts";
import { isServed } from "../../apps/api/callers/served-hosts.ts";
import { servedHosts } from "../../apps/core/settings/http.ts";
import { loadSettings } from "../../apps/core/settings/load.ts";

const serves = (name: string, env: Record<string, string> = {}, isFromProxy = false) =>
  isServed(name, servedHosts(loadSettings(env)), isFromProxy);

describe("the names that the API answers to", () => {
  it("are always addresses and localhost, which no other site can have lead here", () => {
    for (const name of ["127.0.0.1", "192.0.2.7", "[::1]", "[2001:db8::1]", "localhost", "LOCALHOST", "localhost."])
      for (const env of [{}, { ALLOWED_HOSTS: "redis.example" }]) assert.ok(serves(name, env), name);
    assert.ok(serves(""), "HTTP/1.0 without a Host header is no browser");
  });

  it("are no others when none is set, also those that look like an address or like localhost", () => {
    for (const name of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "0x7f.1", "[evil]", "box"])
      assert.equal(serves(name), false, name);
  });

  it("are those set for the service, in any case, and not those below them", () => {
    const env = { HOST: "Box", PUBLIC_HOST: "redis.example", ALLOWED_HOSTS: "a.example, B.example" };
    for (const name of ["box", "redis.example", "REDIS.example.", "a.example", "b.example"])
      assert.ok(serves(name, env), name);
    for (const name of ["x.a.example", "example", "evil.example"]) assert.equal(serves(name, env), false, name);
    assert.ok(serves("evil.example", { ALLOWED_HOSTS: "*" }));
  });

  it("are a trusted proxy's choice, unless some are set", () => {
    assert.ok(serves("redis.example", {}, true));
    assert.equal(serves("redis.example", { ALLOWED_HOSTS: "a.example" }, true), false);
  });

  it("are repeated in commands to paste as the caller used them, and never with what a shell would run", () => {
    const originFor = (host: string, protocol = "http") =>
      servedOrigin({ protocol, host, socket: { localAddress: "::1", localPort: 8080 } });
    for (const host of ["redis.example", "redis.example:8080", "127.0.0.1:8080", "[2001:db8::1]:8080", "LOCALHOST"])
      assert.equal(originFor(host), `http://${host}`);
    assert.equal(originFor("redis.example", "https"), "https://redis.example");
    for (const host of ["", "a$(id)", "a;id", "a`id`", "a'b", "a b", "a:1;id", "a\nb", "a:8080:1", "a&b"])
      assert.equal(originFor(host, "ftp"), "http://[::1]:8080", host);
  });

  it("are refused at the start when they are no names", () => {
    for (const ALLOWED_HOSTS of ["http://a.example", "a.example:80", "a.example,", "*.example"])
      assert.throws(() => loadSettings({ ALLOWED_HOSTS }), /ALLOWED_HOSTS is ".*": must be \* or names such as/);
  });
});
