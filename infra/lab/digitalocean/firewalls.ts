import { randomUUID } from "node:crypto";
import { Type, type Static } from "typebox";
import { Compile } from "typebox/compile";
import { timeText } from "./answers.ts";
import { apiErrors } from "./api-error.ts";

const Targets = Type.Object({
  addresses: Type.Optional(Type.Array(Type.String())),
  droplet_ids: Type.Optional(Type.Array(Type.Integer())),
  load_balancer_uids: Type.Optional(Type.Array(Type.String())),
  tags: Type.Optional(Type.Array(Type.String())),
});
const Rule = Type.Object({
  protocol: Type.Union([Type.Literal("tcp"), Type.Literal("udp"), Type.Literal("icmp")]),
  ports: Type.String({ pattern: "^(\\d+(-\\d+)?|all)$" }),
});
const Body = Type.Object({
  name: Type.String({ pattern: "^[a-zA-Z0-9][a-zA-Z0-9\\.-]+$" }),
  inbound_rules: Type.Optional(
    Type.Union([Type.Array(Type.Intersect([Rule, Type.Object({ sources: Targets })])), Type.Null()]),
  ),
  outbound_rules: Type.Optional(
    Type.Union([Type.Array(Type.Intersect([Rule, Type.Object({ destinations: Targets })])), Type.Null()]),
  ),
  droplet_ids: Type.Optional(Type.Union([Type.Array(Type.Integer()), Type.Null()])),
  tags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
});
const bodySchema = Compile(Body);

type Firewall = { readonly id: string; readonly createdAt: number; body: Static<typeof Body> };

/** The account's firewalls. They are kept and reported; nothing in the lab enforces them. */
export function createFirewalls(hasTag: (name: string) => boolean) {
  const firewalls = new Map<string, Firewall>();

  function create(body: unknown): object {
    const firewall = { id: randomUUID(), createdAt: Date.now(), body: check(body, undefined) };
    firewalls.set(firewall.id, firewall);
    return json(firewall);
  }

  function update(id: string, body: unknown): object {
    const firewall = find(id);
    firewall.body = check(body, id);
    return json(firewall);
  }

  function find(id: string): Firewall {
    const firewall = firewalls.get(id);
    if (!firewall) throw apiErrors.notFound();
    return firewall;
  }

  function remove(id: string): void {
    find(id);
    firewalls.delete(id);
  }

  function check(body: unknown, id: string | undefined): Static<typeof Body> {
    if (!bodySchema.Check(body)) throw apiErrors.badRequest();
    if ((body.inbound_rules ?? []).length + (body.outbound_rules ?? []).length === 0)
      throw apiErrors.unprocessable("a firewall must have at least one rule");
    if ([...firewalls.values()].some((other) => other.id !== id && other.body.name === body.name))
      throw apiErrors.duplicateName();
    const stranger = (body.tags ?? []).find((tag) => !hasTag(tag));
    if (stranger !== undefined) throw apiErrors.unprocessable(`tag ${stranger} does not exist`);
    return body;
  }

  return { create, update, get: (id: string) => json(find(id)), remove, list: () => [...firewalls.values()].map(json) };
}

function json({ id, createdAt, body }: Firewall): object {
  const { name, inbound_rules = [], outbound_rules = [], droplet_ids = [], tags = [] } = body;
  return {
    id,
    name,
    status: "succeeded",
    inbound_rules: (inbound_rules ?? []).map(withPorts),
    outbound_rules: (outbound_rules ?? []).map(withPorts),
    created_at: timeText(createdAt),
    droplet_ids: droplet_ids ?? [],
    tags: tags ?? [],
    pending_changes: [],
  };
}

/** All ports are reported as "0", however they were ordered. */
function withPorts<Rule extends { ports: string }>(rule: Rule): Rule {
  return rule.ports === "1-65535" ? { ...rule, ports: "0" } : rule;
}
