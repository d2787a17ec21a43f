import type { FastifyReply, FastifyRequest } from "fastify";

/** What the holder of an instance knows and the service does not. */
export type HolderSecrets = { readonly token: string; readonly password: string };

const COOKIE = "getaredis_held";
/** The page of an instance says for so long that it has ended. */
const NEWS_SECONDS = 3600;

/** The page of an instance, for browsers without JavaScript. The id is no secret. */
export function heldPath(id: string): string {
  return `/held/${id}`;
}

/**
 * Has the browser keep the secrets of an instance for its page, since a browser without JavaScript can remember
 * nothing else. They are sent back to that page alone, never for a request from another site, and no script reads
 * them. They are not sealed: whoever has the cookie is shown them anyway.
 * @param expiresAt end of the instance's lease
 */
export function keepSecrets(
  reply: FastifyReply,
  id: string,
  { token, password }: HolderSecrets,
  expiresAt: Date,
  now: Date,
): void {
  reply.setCookie(COOKIE, `${token}.${password}`, {
    path: heldPath(id),
    maxAge: Math.ceil((expiresAt.getTime() - now.getTime()) / 1000) + NEWS_SECONDS,
    httpOnly: true,
    sameSite: "strict",
    secure: "auto",
  });
}

/** The secrets that a request for an instance's page comes with. A value of another shape is not ours. */
export function secretsOf({ cookies }: FastifyRequest): HolderSecrets | undefined {
  const [, token, password] = /^([\w-]{20,100})\.([\w-]{20,100})$/.exec(cookies[COOKIE] ?? "") ?? [];
  return token !== undefined && password !== undefined ? { token, password } : undefined;
}
