import type { FastifyInstance } from "fastify";
import { wholeName, type Domains } from "./domains.ts";
import { pageOf } from "./paging.ts";
import { urlOf } from "./server.ts";

type OfDomain = { Params: { domain: string } };
type OfRecord = { Params: { domain: string; id: string } };

/** Domains and their records. */
export function domainRoutes(app: FastifyInstance, domains: Domains): void {
  app.get("/v2/domains", (request) => pageOf("domains", domains.list(), urlOf(request)));
  app.post("/v2/domains", (request, reply) => reply.code(201).send({ domain: domains.create(request.body) }));
  app.get<OfDomain>("/v2/domains/:domain", (request) => ({ domain: domains.get(request.params.domain) }));
  app.delete<OfDomain>("/v2/domains/:domain", (request, reply) => {
    domains.remove(request.params.domain);
    return reply.code(204).send();
  });

  app.get<OfDomain>("/v2/domains/:domain/records", (request) => {
    const url = urlOf(request);
    const { domain } = request.params;
    const [type, name] = [url.searchParams.get("type"), url.searchParams.get("name")];
    const found = domains
      .recordsOf(domain)
      .filter(
        (record) => (type === null || record.type === type) && (name === null || wholeName(record, domain) === name),
      );
    return pageOf("domain_records", found, url);
  });
  app.post<OfDomain>("/v2/domains/:domain/records", (request, reply) =>
    reply.code(201).send({ domain_record: domains.createRecord(request.params.domain, request.body) }),
  );
  app.get<OfRecord>("/v2/domains/:domain/records/:id", ({ params }) => ({
    domain_record: domains.findRecord(params.domain, Number(params.id)),
  }));
  app.put<OfRecord>("/v2/domains/:domain/records/:id", ({ params, body }) => ({
    domain_record: domains.updateRecord(params.domain, Number(params.id), body),
  }));
  app.patch<OfRecord>("/v2/domains/:domain/records/:id", ({ params, body }) => ({
    domain_record: domains.updateRecord(params.domain, Number(params.id), body),
  }));
  app.delete<OfRecord>("/v2/domains/:domain/records/:id", (request, reply) => {
    domains.removeRecord(request.params.domain, Number(request.params.id));
    return reply.code(204).send();
  });
}
