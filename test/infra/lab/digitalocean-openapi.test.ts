import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { createDigitalOceanCloud } from "../../../apps/adapters/digitalocean/index.ts";
import { CloudFault } from "../../../apps/core/fleet/cloud.ts";
import { startDigitalOcean, type LabCloud } from "../../../infra/lab/digitalocean/index.ts";
import { listenBetween } from "../../bed/between.ts";
import { openContract, type Exchange } from "../../contracts/openapi.ts";

const TOKEN = "dop_v1_0123456789abcdef";
const documentPath = process.env["DIGITALOCEAN_OPENAPI"];
const skip =
  documentPath === undefined ? "DIGITALOCEAN_OPENAPI names no file with DigitalOcean's OpenAPI document" : false;
const order = { name: "host-1", region: "fra1", size: "s-1vcpu-2gb", image: "debian-12-x64", tags: ["ours"] };

describe("the stand-in for DigitalOcean, against its OpenAPI document", { skip }, () => {
  let lab: LabCloud;
  let between: Awaited<ReturnType<typeof listenBetween>>;
  let url: string;
  let contract: ReturnType<typeof openContract>;
  let exchanges: Exchange[];

  before(async () => {
    contract = openContract(JSON.parse(await readFile(documentPath ?? "", "utf8")));
    lab = await startDigitalOcean({
      token: TOKEN,
      sshKeys: [512190],
      times: { activeMs: 20, tagLagMs: 0, deleteMs: 20, actionMs: 20 },
    });
    between = await listenBetween(lab.url);
    ({ exchanges } = between);
    url = `${between.origin}/v2`;
  });
  after(async () => {
    between.close();
    await lab.stop();
  });

  const ask = async (
    method: string,
    path: string,
    body?: unknown,
    token = TOKEN,
  ): Promise<{ status: number; body: unknown }> => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const content = await answer.text();
    return { status: answer.status, body: content === "" ? undefined : JSON.parse(content) };
  };
  /** That all exchanges so far agree with the document, and that there were this many at least. */
  const assertAgreed = (atLeast: number) => {
    assert.ok(exchanges.length >= atLeast, `${exchanges.length} exchanges`);
    assert.deepEqual(
      exchanges.splice(0).flatMap((exchange) => contract.differences(exchange)),
      [],
    );
  };

  it("agrees in all that the adapter asks and is answered", async () => {
    const cloud = createDigitalOceanCloud({ token: TOKEN, url, timeoutMs: 5_000 });
    const rules = [{ protocol: "tcp", ports: "20000-20039", sources: ["0.0.0.0/0", "::/0"] }] as const;
    await cloud.ensureTag("ours");
    await cloud.ensureFirewall({ name: "ours", tag: "ours", inbound: rules });
    await cloud.ensureFirewall({
      name: "ours",
      tag: "ours",
      inbound: [...rules, { protocol: "tcp", ports: "2376", sources: ["10.0.0.0/8"] }],
    });
    await cloud.readAccount();
    assert.deepEqual(
      await cloud.checkOffer({ region: "fra1", sizes: ["s-1vcpu-2gb"], image: "debian-12-x64", vpc: undefined }),
      [],
    );
    const made = await cloud.createDroplet({
      name: "host-1",
      tag: "ours",
      region: "fra1",
      size: "s-1vcpu-2gb",
      image: "debian-12-x64",
      vpc: undefined,
      sshKeys: ["512190"],
      userData: "#!/bin/sh\n",
    });
    await cloud.getDroplet(made.id);
    await lab.settle();
    await cloud.getDroplet(made.id);
    await cloud.listDroplets("ours");
    await cloud.findDroplets("host-1");
    for (let number = 0; number < 210; number++) lab.add({ name: `many-${number}`, tags: ["many"] });
    assert.equal((await cloud.listDroplets("many")).length, 210);
    for (let number = 0; number < 210; number++) await lab.remove(`many-${number}`);
    assert.equal(await cloud.deleteDroplet(made.id), "deleting");
    await lab.settle();
    assert.equal(await cloud.deleteDroplet(made.id), "gone");
    assert.equal(await cloud.getDroplet(made.id), undefined);
    await assert.rejects(
      cloud.createDroplet({
        name: "host_1",
        tag: "ours",
        region: "fra1",
        size: "s-1vcpu-2gb",
        image: "debian-12-x64",
        vpc: undefined,
        sshKeys: [],
        userData: "",
      }),
      CloudFault,
    );
    assertAgreed(20);
  });

  it("agrees in the rest of what it answers", async () => {
    const { body } = (await ask("POST", "/droplets", order)) as { body: { droplet: { id: number } } };
    await lab.settle();
    const droplet = `/droplets/${body.droplet.id}`;
    const statuses = [
      await ask("GET", "/droplets?per_page=1"),
      await ask("POST", `${droplet}/actions`, { type: "power_off" }),
      await ask("POST", `${droplet}/actions`, { type: "power_on" }),
      await ask("GET", `${droplet}/actions`),
      await ask("GET", "/tags"),
      await ask("GET", "/tags/ours"),
      await ask("POST", "/tags", { name: "no spaces" }),
      await ask("POST", "/tags/ours/resources", {
        resources: [{ resource_id: String(body.droplet.id), resource_type: "droplet" }],
      }),
      await ask("DELETE", "/tags/ours/resources", {
        resources: [{ resource_id: String(body.droplet.id), resource_type: "droplet" }],
      }),
      await ask("GET", "/images?type=application"),
      await ask("GET", "/vpcs?page=2"),
      await ask("POST", "/droplets", "{"),
      await ask("POST", "/droplets", { ...order, vpc_uuid: "nowhere" }),
      await ask("GET", "/account", undefined, "another token"),
      await ask("DELETE", "/tags/ours"),
      await ask("DELETE", "/tags/ours"),
    ].map(({ status }) => status);
    assert.deepEqual(statuses, [200, 201, 422, 200, 200, 200, 400, 204, 204, 200, 200, 400, 422, 401, 204, 404]);
    await lab.settle();
    const { body: listed } = (await ask("GET", `${droplet}/actions`)) as {
      body: { actions: { id: number; status: string }[] };
    };
    assert.equal(listed.actions[0]?.status, "completed");
    await ask("GET", `/actions/${listed.actions[0].id}`);
    const { body: found } = (await ask("GET", "/firewalls")) as { body: { firewalls: { id: string }[] } };
    const [firewall] = found.firewalls;
    await ask("GET", `/firewalls/${firewall?.id ?? ""}`);
    assert.equal(
      (
        await ask("POST", "/firewalls", {
          name: "ours",
          outbound_rules: [{ protocol: "udp", ports: "53", destinations: { addresses: ["::/0"] } }],
        })
      ).status,
      409,
    );
    assert.equal((await ask("DELETE", `/firewalls/${firewall?.id ?? ""}`)).status, 204);
    assertAgreed(20);
  });

  it("agrees in the form of its faults", async () => {
    for (const kind of ["rate-limit", "server-error", "droplet-limit", "out-of-stock"] as const) {
      lab.faults.add({ kind, times: 1, retryAfterSeconds: 1 });
      assert.ok((await ask("POST", "/droplets", order)).status >= 422);
    }
    assertAgreed(4);
  });

  it("would be found out, were an answer of another form", async () => {
    await ask("GET", "/droplets?per_page=1");
    const [exchange] = exchanges.splice(0);
    assert.ok(exchange);
    const whole = JSON.parse(exchange.body) as { droplets: { id: unknown; status: unknown }[]; meta: unknown };
    const spoilt = [
      { ...whole, meta: undefined },
      { ...whole, droplets: [{ ...whole.droplets[0], id: "1" }] },
      { ...whole, droplets: [{ ...whole.droplets[0], status: "broken" }] },
      { ...whole, droplets: [{ ...whole.droplets[0], networks: undefined }] },
    ];
    for (const body of spoilt)
      assert.equal(contract.differences({ ...exchange, body: JSON.stringify(body) }).length, 1);
    assert.equal(contract.differences({ ...exchange, url: "/v2/droplets?per_page=201" }).length, 1);
    assert.equal(contract.differences({ ...exchange, status: 204 }).length, 1);
  });
});
