import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gatewayEnvironment, gatewayPlanMark } from "../../../apps/core/settings/gateway-environment.ts";

describe("what a gateway on a droplet is told", () => {
  it("is the edge's settings as they are set, and its own; no secret of the control plane", () => {
    const told = gatewayEnvironment(
      {
        ...{ EDGE_DOMAIN: "redis.example.org", EDGE_PORT: "6379", EDGE_PLAIN_PORT: "", APP_RENDERER: "nginx" },
        ...{ SERVER_SECRET: "secret", MYSQL_URL: "mysql://a:b@c/d", OPS_TOKEN: "token", DIGITALOCEAN_TOKEN: "token" },
        ...{ EDGE_CERT_DIR: "/etc/letsencrypt", GATEWAY_NAME: "control", PATH: "/bin" },
      },
      { GATEWAY_NAME: "gar-x-gw-1" },
    );
    assert.equal(
      told,
      'EDGE_DOMAIN="redis.example.org"\nEDGE_PORT="6379"\nAPP_RENDERER="nginx"\nGATEWAY_NAME="gar-x-gw-1"\n',
    );
  });

  it("stays one line a setting, whatever stands in it", () => {
    assert.equal(gatewayEnvironment({ SERVICE_ZONES: 'a"b\\$c`' }), 'SERVICE_ZONES="a\\"b\\\\\\$c\\`"\n');
    assert.throws(() => gatewayEnvironment({ SERVICE_ZONES: "a\nMYSQL_URL=b" }), /SERVICE_ZONES has a character/);
  });

  it("has a mark that changes with each of its parts, and fits its column", () => {
    assert.match(gatewayPlanMark(["a", "b"]), /^[0-9a-f]{16}$/);
    assert.notEqual(gatewayPlanMark(["a", "b"]), gatewayPlanMark(["ab", ""]));
  });
});
