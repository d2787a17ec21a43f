import type { IncomingMessage, ServerResponse } from "node:http";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawServerDefault } from "fastify";
import type { Handout } from "../core/instances/handout.ts";
import type { InstanceState } from "../core/instances/instance.ts";
import type { ServerVersion } from "../core/services/server-version.ts";
import type { Problem } from "../lib/http/problem.ts";

/** The application with its routes' types. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** What the homepage shows besides the button, without JavaScript: an instance, or the outcome of a form. */
export type HomeContent = {
  readonly held?: {
    readonly state: Exclude<InstanceState, "starting">;
    readonly endedAt: Date | null;
    readonly canExtend: boolean;
    /** Without what runs in it where that is not known. */
    readonly instance: Omit<Handout, "engine" | "version"> & {
      readonly [Name in keyof ServerVersion]: ServerVersion[Name] | undefined;
    };
  };
  readonly problem?: Pick<Problem, "title" | "detail" | "status">;
};

/** The homepage: for visits, and for browsers that have posted its forms without JavaScript. */
export type HomePage = {
  readonly render: (request: FastifyRequest, content: HomeContent) => Promise<string>;
  /** Path below which its files, and those of the dashboard, are served; it changes with any of them. */
  readonly assets: string;
};
