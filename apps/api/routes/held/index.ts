import type { FastifyRequest } from "fastify";
import { changeLease, type ChangeLeasePorts } from "../../../core/instances/change-lease.ts";
import type { Leases } from "../../../core/instances/contract.ts";
import { endInstance, type EndPorts } from "../../../core/instances/end-instance.ts";
import { longestExtension, shownState, type Instance, type LeaseBounds } from "../../../core/instances/instance.ts";
import type { Service } from "../../../core/services/service.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { matchesHash } from "../../../lib/secrets.ts";
import type { App, HomeContent, HomePage } from "../../app.ts";
import { isFromOwnPage } from "../../callers/request-origin.ts";
import { problems } from "../../problems/problems.ts";
import { InstanceId } from "../schemas.ts";
import { heldPath, keepSecrets, secretsOf, type HolderSecrets } from "./cookie.ts";

/** What the page of an instance needs. */
export type HeldRouteParts = ChangeLeasePorts &
  EndPorts & {
    readonly store: { readonly leases: Pick<Leases, "find" | "findContainer"> };
    readonly rules: {
      readonly lease: LeaseBounds;
      readonly service: Pick<Service, "username" | "addressOf" | "urlOf">;
    };
  };

const schema = { hide: true, params: InstanceId };

/** An instance and what its holder alone knows. */
type Holding = { readonly instance: Instance; readonly secrets: HolderSecrets };

/**
 * `/held/:id`: an instance on a page that needs no JavaScript, with forms that extend and end it. The form that gets
 * an instance leads here, so that a reload gets no second one. Each answer to a form leads back, too.
 */
export function heldRoutes(parts: HeldRouteParts, home: Pick<HomePage, "render">) {
  const { store, rules, clock } = parts;

  return (app: App) => {
    app.get("/held/:id", { schema }, async (request, reply) => {
      const { instance, secrets } = await holdingOf(request, request.params.id);
      return reply
        .type("text/html; charset=utf-8")
        .header("cache-control", "no-store")
        .send(await home.render(request, { held: shown(instance, secrets) }));
    });

    app.post("/held/:id/extend", { schema }, async (request, reply) => {
      const { instance, secrets } = await holdingOf(request, request.params.id);
      const { id } = instance;
      const result = await changeLease(parts, instance, longestExtension(instance, rules.lease.usual, clock()));
      // Else it has ended, or reached its longest lease, since the page was made: the page says so now.
      if (result.kind === "changed") {
        const { expiresAt } = result.instance;
        request.log.info({ instance: id, expiresAt }, "lease changed");
        keepSecrets(reply, id, secrets, expiresAt, clock());
      }
      return reply.redirect(heldPath(id), 303);
    });

    app.post("/held/:id/end", { schema }, async (request, reply) => {
      const { instance } = await holdingOf(request, request.params.id);
      const place = await store.leases.findContainer(instance.id);
      if (!place) throw new ProblemError(problems.notHeld());
      const result = await endInstance(parts, place, "owner");
      if (result.kind === "ended") request.log.info({ instance: instance.id }, "instance ended by its owner");
      else
        request.log.warn(
          { instance: instance.id, host: result.fault.hostName, err: result.fault },
          "container not removed yet",
        );
      return reply.redirect(heldPath(instance.id), 303);
    });
  };

  /**
   * The instance of a request, for the browser that got it.
   * @throws ProblemError for any other; and for a form of another site, though browsers send none of them the cookie
   */
  async function holdingOf(request: FastifyRequest, id: string): Promise<Holding> {
    if (request.method === "POST" && !isFromOwnPage(request)) throw new ProblemError(problems.crossSite());
    const secrets = secretsOf(request);
    const instance = secrets && (await store.leases.find(id));
    if (!instance || !matchesHash(secrets.token, instance.tokenHash)) throw new ProblemError(problems.notHeld());
    return { instance, secrets };
  }

  function shown(instance: Instance, { token, password }: HolderSecrets): NonNullable<HomeContent["held"]> {
    const { id, server, createdAt, expiresAt, endedAt } = instance;
    const address = rules.service.addressOf(instance);
    const now = clock();
    const state = shownState(instance, now);
    return {
      state: state === "starting" ? "running" : state,
      endedAt,
      canExtend: state === "running" && longestExtension(instance, rules.lease.usual, now) > 0,
      instance: {
        id,
        host: address.host,
        port: address.port,
        username: rules.service.username,
        password,
        url: rules.service.urlOf(address, password),
        engine: server?.engine,
        version: server?.version,
        createdAt: createdAt.toISOString(),
        expiresAt: (expiresAt ?? instance.deadline).toISOString(),
        token,
      },
    };
  }
}
