import { Eta } from "eta";
import { Type } from "typebox";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problems } from "../../problems/problems.ts";
import { publicFolder } from "../../public-folder.ts";
import type { OperatorLogins, Session } from "./logins.ts";
import type { ProblemName } from "../../reference/refusal-responses.ts";
import type { App, HomePage } from "../../app.ts";
import { OpsSession } from "./schemas.ts";

const LOGINS_PER_MINUTE = 10;

const tags = ["operator"];
const schemas = {
  read: {
    tags,
    operationId: "readSession",
    summary: "Read who is logged in",
    description: "Tells whose login the cookie is.",
    security: [{ login: [] }],
    response: { 200: OpsSession },
    refusals: ["token-missing", "token-expired"] satisfies ProblemName[],
  },
  logIn: {
    tags,
    operationId: "logIn",
    summary: "Log in",
    description: "The answer sets a cookie, which the other calls take in place of the token.",
    body: Type.Object(
      { token: Type.String({ minLength: 1, maxLength: 500, description: "Token of an operator." }) },
      { additionalProperties: false, title: "LogIn", description: "The token to log in with." },
    ),
    response: {
      200: {
        description: "You are logged in.",
        headers: { "Set-Cookie": Type.String({ description: "The cookie of the login." }) },
        content: { "application/json": { schema: OpsSession } },
      },
    },
    refusals: ["token-wrong", "token-expired", "cross-site"] satisfies ProblemName[],
  },
  logOut: {
    tags,
    operationId: "logOut",
    summary: "Log out",
    description: "Ends the login of the cookie, on all replicas.",
    response: {
      204: {
        description: "You are logged out.",
        headers: { "Set-Cookie": Type.String({ description: "Removes the cookie." }) },
        type: "null",
      },
    },
  },
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
