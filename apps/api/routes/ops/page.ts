import { Eta } from "eta";
import { Type } from "typebox";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problems } from "../../problems/problems.ts";
import { publicFolder } from "../../public-folder.ts";
import type { OperatorLogins, Session } from "./logins.ts";
import type { App, HomePage } from "../../app.ts";
import { refusalsAndFaults } from "../schemas.ts";
import { OpsSession } from "./schemas.ts";

const LOGINS_PER_MINUTE = 10;

const tags = ["operator"];
const schemas = {
  read: {
    tags,
    summary: "Who is logged in on the dashboard",
    response: { 200: OpsSession, ...refusalsAndFaults },
  },
  logIn: {
    tags,
    summary: "Log in: the answer sets the login's cookie",
    body: Type.Object(
      { token: Type.String({ minLength: 1, maxLength: 500, description: "An operator's token" }) },
      { additionalProperties: false },
    ),
    response: { 200: OpsSession, ...refusalsAndFaults },
  },
  logOut: { tags, summary: "Log out", response: { 204: Type.Null(), ...refusalsAndFaults } },
};

/** `GET /ops`, which holds nothing secret, and logging in and out there. */
export function opsPageRoutes(logins: OperatorLogins, { assets }: Pick<HomePage, "assets">) {
  const eta = new Eta({ views: publicFolder, cache: true });

  return (app: App) => {
    app.get("/ops", { schema: { hide: true } }, async (request, reply) => {
      // While MySQL does not answer, whether a cookie's login is valid is unknown: the page shows that, and
      // asks again.
      const who = await logins.session(request).catch(() => "unknown" as const);
      return reply
        .type("text/html; charset=utf-8")
        .header("cache-control", "no-store")
        .send(
          eta.render("ops", {
            assets,
            session: who === "unknown" ? who : who ? "open" : "closed",
            caller: who === "unknown" ? undefined : who?.caller,
          }),
        );
    });

    app.get("/ops/api/session", { schema: schemas.read }, async (request, reply) => {
      const session = await logins.session(request);
      if (!session) throw new ProblemError(problems.opsTokenMissing());
      return reply.header("cache-control", "no-store").send(describe(session));
    });

    app.post(
      "/ops/api/session",
      {
        config: { rateLimit: { max: LOGINS_PER_MINUTE, timeWindow: "1 minute" } },
        schema: schemas.logIn,
      },
      async (request, reply) => {
        const session = await logins.begin(request.body.token, request, reply);
        request.log.info({ by: session.caller.name, address: request.ip }, "operator logged in");
        return reply.header("cache-control", "no-store").send(describe(session));
      },
    );

    app.delete("/ops/api/session", { schema: schemas.logOut }, async (request, reply) => {
      await logins.end(request, reply);
      return reply.code(204).send(null);
    });
  };
}

function describe({ caller, expiresAt }: Session): OpsSession {
  return { ...caller, expiresAt: expiresAt?.toISOString() ?? null };
}
