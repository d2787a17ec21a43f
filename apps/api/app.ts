import type { IncomingMessage, ServerResponse } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawServerDefault } from "fastify";
import type { Handout } from "../core/instances/handout.ts";
import type { Problem } from "../lib/http/problem.ts";

/** The application with its routes' types. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** What the homepage shows besides the button: the outcome of a form post. */
export type HomeContent = {
  readonly instance?: Handout;
  readonly problem?: Pick<Problem, "title" | "detail" | "status">;
};

/** The homepage: for visits, and as the answer to browsers that have posted its form without JavaScript. */
export type HomePage = {
  readonly render: (request: FastifyRequest, content: HomeContent) => Promise<string>;
  /** Path below which its files, and those of the dashboard, are served; it changes with any of them. */
  readonly assets: string;
};
