import { Type } from "typebox";
import { Compile } from "typebox/compile";
import type { FastifyInstance } from "fastify";
import { actionJson, dropletJson, tagJson, tagsOf, vpcJson } from "./answers.ts";
import { catalogue, imageJson, regionJson, sizeJson } from "./catalogue.ts";
import type { Droplets, LabDroplet, PowerAction } from "./droplets.ts";
import type { Faults } from "./faults.ts";
import { createFirewalls } from "./firewalls.ts";
import { isTag, readOrder } from "./orders.ts";
import { pageOf } from "./paging.ts";
import { apiErrors } from "./api-error.ts";
import { occasionOf, urlOf } from "./server.ts";
import type { Vpc } from "./vpcs.ts";

/** What the API's routes work on. */
export type ApiParts = {
  readonly droplets: Droplets;
  readonly faults: Faults;
  readonly vpcs: readonly Vpc[];
  readonly sshKeys: readonly (string | number)[];
  readonly account: {
    readonly dropletLimit: number;
    readonly status: "active" | "warning" | "locked";
    readonly statusMessage: string;
  };
};

type ById = { Params: { id: string } };
type ByName = { Params: { name: string } };

const powerActions: readonly string[] = [
  "power_off",
  "power_on",
  "power_cycle",
  "shutdown",
  "reboot",
] satisfies PowerAction[];
const tagSchema = Compile(Type.Object({ name: Type.String() }));
const actionSchema = Compile(Type.Object({ type: Type.String() }));
const resourcesSchema = Compile(
  Type.Object({
    resources: Type.Array(Type.Object({ resource_id: Type.String(), resource_type: Type.Literal("droplet") })),
  }),
);

/** The part of DigitalOcean's API v2 that a fleet of droplets needs. */
export function apiRoutes(app: FastifyInstance, { droplets, faults, vpcs, sshKeys, account }: ApiParts): void {
  const tags = new Set<string>();
  const firewalls = createFirewalls((name) => tags.has(name));
  const taggedWith = (name: string) => droplets.list().filter((droplet) => tagsOf(droplet, Date.now()).includes(name));

  app.get("/v2/account", () => ({
    account: {
      droplet_limit: account.dropletLimit,
      floating_ip_limit: 3,
      email: "lab@example.org",
      name: "Lab",
      uuid: "b6f00c2a9d1e4f7a8b3c5d6e7f809a1b2c3d4e5f",
      email_verified: true,
      status: account.status,
      status_message: account.statusMessage,
    },
  }));

  app.get("/v2/droplets", (request) => {
    const url = urlOf(request);
    const tag = url.searchParams.get("tag_name");
    const name = url.searchParams.get("name");
    if (tag !== null && name !== null) throw apiErrors.unprocessable("tag_name and name can not be combined");
    const found =
      tag !== null
        ? taggedWith(tag)
        : droplets.list().filter((droplet) => name === null || droplet.name.toLowerCase() === name.toLowerCase());
    return pageOf(
      "droplets",
      found.map((droplet) => dropletJson(droplet, Date.now())),
      url,
    );
  });
  app.post("/v2/droplets", (request, reply) => {
    const occasion = occasionOf(request, droplets);
    if (faults.strike(occasion, "droplet-limit")) throw apiErrors.dropletLimit();
    if (faults.strike(occasion, "out-of-stock")) throw apiErrors.outOfStock();
    const order = readOrder(request.body, { vpcs, sshKeys });
    const { droplet, action } = droplets.create(order, occasion);
    for (const tag of order.tags) tags.add(tag);
    const links = {
      actions: [{ id: action.id, rel: "create", href: `${urlOf(request).origin}/v2/actions/${action.id}` }],
    };
    return reply.code(202).send({ droplet: dropletJson(droplet, Date.now()), links });
  });
  app.get<ById>("/v2/droplets/:id", (request) => ({ droplet: dropletJson(dropletOf(request.params.id), Date.now()) }));
  app.delete<ById>("/v2/droplets/:id", (request, reply) => {
    droplets.remove(dropletOf(request.params.id).id, occasionOf(request, droplets));
    return reply.code(204).send();
  });
  app.get<ById>("/v2/droplets/:id/actions", (request) =>
    pageOf("actions", droplets.actionsOf(dropletOf(request.params.id).id).map(actionJson), urlOf(request)),
  );
  app.post<ById>("/v2/droplets/:id/actions", (request, reply) => {
    if (!actionSchema.Check(request.body)) throw apiErrors.badRequest();
    const { type } = request.body;
    if (!isPowerAction(type)) throw apiErrors.unprocessable(`the lab knows no action ${type}`);
    return reply.code(201).send({ action: actionJson(droplets.power(dropletOf(request.params.id).id, type)) });
  });
  app.get<ById>("/v2/actions/:id", (request) => ({ action: actionJson(droplets.action(Number(request.params.id))) }));

  app.get("/v2/tags", (request) =>
    pageOf(
      "tags",
      [...tags].map((name) => tagJson(name, taggedWith(name), urlOf(request).origin)),
      urlOf(request),
    ),
  );
  app.post("/v2/tags", (request, reply) => {
    if (!tagSchema.Check(request.body)) throw apiErrors.badRequest();
    const { name } = request.body;
    if (!isTag(name)) {
      const error = `Error validating resource tag: "tag-name ${JSON.stringify(name)} contains invalid characters"`;
      return reply
        .code(400)
        .send({ error, messages: null, root_causes: [`rpc error: code = InvalidArgument desc = ${error}`] });
    }
    tags.add(name);
    return reply.code(201).send({ tag: tagJson(name, taggedWith(name), urlOf(request).origin) });
  });
  app.get<ByName>("/v2/tags/:name", (request) => ({
    tag: tagJson(tagOf(request.params.name), taggedWith(request.params.name), urlOf(request).origin),
  }));
  app.delete<ByName>("/v2/tags/:name", (request, reply) => {
    const name = tagOf(request.params.name);
    for (const droplet of droplets.all()) droplet.tags.delete(name);
    tags.delete(name);
    return reply.code(204).send();
  });
  app.post<ByName>("/v2/tags/:name/resources", (request, reply) => {
    const name = tagOf(request.params.name);
    for (const droplet of resourcesOf(request.body)) droplet.tags.add(name);
    return reply.code(204).send();
  });
  app.delete<ByName>("/v2/tags/:name/resources", (request, reply) => {
    const name = tagOf(request.params.name);
    for (const droplet of resourcesOf(request.body)) droplet.tags.delete(name);
    return reply.code(204).send();
  });

  app.get("/v2/firewalls", (request) => pageOf("firewalls", firewalls.list(), urlOf(request)));
  app.post("/v2/firewalls", (request, reply) => reply.code(202).send({ firewall: firewalls.create(request.body) }));
  app.get<ById>("/v2/firewalls/:id", (request) => ({ firewall: firewalls.get(request.params.id) }));
  app.put<ById>("/v2/firewalls/:id", (request) => ({ firewall: firewalls.update(request.params.id, request.body) }));
  app.delete<ById>("/v2/firewalls/:id", (request, reply) => {
    firewalls.remove(request.params.id);
    return reply.code(204).send();
  });

  app.get("/v2/regions", (request) => pageOf("regions", catalogue.regions.map(regionJson), urlOf(request)));
  app.get("/v2/sizes", (request) => pageOf("sizes", catalogue.sizes.map(sizeJson), urlOf(request)));
  app.get("/v2/images", (request) => {
    const url = urlOf(request);
    // The lab has no applications, and no images of the account's own.
    const isOfOthers = url.searchParams.get("type") === "application" || url.searchParams.get("private") === "true";
    return pageOf("images", isOfOthers ? [] : catalogue.images.map(imageJson), url);
  });
  app.get("/v2/vpcs", (request) => pageOf("vpcs", vpcs.map(vpcJson), urlOf(request)));

  function dropletOf(id: string): LabDroplet {
    return droplets.get(Number(id));
  }

  function tagOf(name: string): string {
    if (!tags.has(name)) throw apiErrors.notFound();
    return name;
  }

  function resourcesOf(body: unknown): LabDroplet[] {
    if (!resourcesSchema.Check(body)) throw apiErrors.badRequest();
    return body.resources.map((resource) => dropletOf(resource.resource_id));
  }
}

function isPowerAction(type: string): type is PowerAction {
  return powerActions.includes(type);
}
