import type { RecordTimes } from "../../../core/operator/kept-records.ts";
import type { OperatorFacts } from "../../../core/settings/operator.ts";
import { pathOf } from "../../../lib/http/requests.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import type { App } from "../../app.ts";
import { servedOrigin } from "../../callers/served-origin.ts";
import { problems } from "../../problems/problems.ts";
import { publicLimits, type PublicRules } from "../public-limits.ts";
import { guide, llmsText, type GuideFacts } from "./guide.ts";
import { securityText } from "./security-txt.ts";

/** What the guides need. */
export type GuideParts = {
  readonly rules: PublicRules;
  readonly clock: () => Date;
  readonly settings: { readonly operator: OperatorFacts; readonly records: RecordTimes };
};

/** Pages that agents may ask for as Markdown. */
const PAGES: readonly string[] = ["/", "/docs"];

/** The facts of this service that its guides tell. */
export function guideFacts({ rules, settings: { operator, records } }: Omit<GuideParts, "clock">): GuideFacts {
  return { limits: publicLimits(rules), operator, records };
}

/** Answers calls for pages by the guide where the caller prefers Markdown to HTML. Called before the pages' routes. */
export function answerInMarkdown(app: App, parts: GuideParts): void {
  const facts = guideFacts(parts);
  // After the rate limits, which are hooks of the routes.
  app.addHook("preHandler", (request, reply, done) => {
    if (!["GET", "HEAD"].includes(request.method) || !PAGES.includes(pathOf(request))) {
      done();
      return;
    }
    reply.header("vary", "Accept");
    if (request.accepts().type(["text/html", "text/markdown"]) !== "text/markdown") done();
    else
      reply
        .type("text/markdown; charset=utf-8")
        .header("cache-control", "no-store")
        .send(guide(facts, servedOrigin(request)));
  });
}

/** `/llms.txt` and `/.well-known/security.txt`: for agents, and for those who have found a vulnerability. */
export function guideRoutes(parts: GuideParts) {
  const facts = guideFacts(parts);
  const { contact } = parts.settings.operator;

  return (app: App) => {
    app.get("/llms.txt", { schema: { hide: true } }, (request, reply) =>
      reply
        .type("text/plain; charset=utf-8")
        .header("cache-control", "no-store")
        .send(llmsText(facts, servedOrigin(request))),
    );

    app.get("/.well-known/security.txt", { schema: { hide: true } }, (request, reply) => {
      const text = securityText(contact, servedOrigin(request), parts.clock());
      if (text === undefined) throw new ProblemError(problems.noSecurityText());
      return reply.type("text/plain; charset=utf-8").header("cache-control", "no-store").send(text);
    });
  };
}
