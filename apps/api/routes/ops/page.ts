import { fileURLToPath } from "node:url";
import { Eta } from "eta";
import { Type } from "typebox";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problems } from "../../problems/problems.ts";
import type { OpsSessions } from "./sessions.ts";
import type { App } from "../../server.ts";
import type { HomePage } from "../home/index.ts";
import { refusals } from "./schemas.ts";

const LOGINS_PER_MINUTE = 10;
const views = fileURLToPath(new URL("../../../../public", import.meta.url));

/** `GET /ops`, which holds nothing secret, and the sessions of those who log in there. */
export function opsPageRoutes(sessions: OpsSessions, home: HomePage) {
  const eta = new Eta({ views, cache: true });
  const tags = ["operator"];

  return (app: App) => {
    app.get("/ops", { schema: { hide: true } }, async (request, reply) => {
      // While MySQL does not answer, who has a cookie is unknown: the page says so, and asks again.
      const session = await sessions.isOpen(request).then(
        (isOpen) => (isOpen ? "open" : "closed"),
        () => "unknown",
      );
      return reply
        .type("text/html; charset=utf-8")
        .header("cache-control", "no-store")
        .send(eta.render("ops", { assets: home.assets, session }));
    });

    app.get(
      "/ops/api/session",
      { schema: { tags, summary: "Whether the dashboard is logged in", response: { 204: Type.Null(), ...refusals } } },
      async (request, reply) => {
        if (!(await sessions.isOpen(request))) throw new ProblemError(problems.opsTokenMissing());
        return reply.code(204).header("cache-control", "no-store").send(null);
      },
    );

    app.post(
      "/ops/api/session",
      {
        config: { rateLimit: { max: LOGINS_PER_MINUTE, timeWindow: "1 minute" } },
        schema: {
          tags,
          summary: "Log in: the answer sets the session's cookie",
          body: Type.Object(
            { token: Type.String({ minLength: 1, maxLength: 500, description: "The operator's token" }) },
            { additionalProperties: false },
          ),
          response: { 204: Type.Null(), ...refusals },
        },
      },
      async (request, reply) => {
        await sessions.begin(request.body.token, request, reply);
        request.log.info({ address: request.ip }, "operator logged in");
        return reply.code(204).send(null);
      },
    );

    app.delete(
      "/ops/api/session",
      { schema: { tags, summary: "Log out", response: { 204: Type.Null(), ...refusals } } },
      async (request, reply) => {
        await sessions.end(request, reply);
        return reply.code(204).send(null);
      },
    );
  };
}
