import type { FastifyReply, FastifyRequest } from "fastify";
import { hashSecret, matchesHash } from "../../../lib/secrets.ts";
import type { Logins } from "../../../core/operator/contract.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { bearerToken } from "../../../lib/http/requests.ts";
import { isFromOwnPage } from "../../callers/request-origin.ts";
import { problems } from "../../problems/problems.ts";

/** What logins need. */
export type LoginPorts = {
  readonly store: { readonly logins: Logins };
  readonly clock: () => Date;
  readonly random: { readonly token: () => string };
  readonly settings: { readonly opsToken: string };
};

const COOKIE = "getaredis_ops";
const LOGIN_SECONDS = 12 * 3600;
/** Most logins that a process remembers; for others it asks the store. */
const MOST_KNOWN = 1000;

/** Recognises the operator: by the operator's token, or by the cookie of a login made with it. */
export type OperatorLogins = ReturnType<typeof createOperatorLogins>;

/** Logins kept in the store, so that they hold for all replicas and over restarts. */
export function createOperatorLogins({ store, clock, random, settings }: LoginPorts) {
  const opsTokenHash = hashSecret(settings.opsToken);
  // Hashes of those seen open, in the order of their last use.
  const known = new Set<string>();

  /**
   * Logs in with the operator's token: sets the login's cookie.
   * @throws ProblemError when the token is another
   */
  async function begin(token: string, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!isFromOwnPage(request)) throw new ProblemError(problems.crossSite());
    if (!matchesHash(token, opsTokenHash)) throw new ProblemError(problems.tokenWrong());
    const secret = random.token();
    const now = clock();
    const hash = hashSecret(secret);
    await store.logins.begin(hash, opsTokenHash, now, new Date(now.getTime() + LOGIN_SECONDS * 1000));
    remember(hash.toString("hex"), true);
    setCookie(reply, secret, LOGIN_SECONDS);
  }

  /**
   * Ends the request's login, on all replicas. Until that is done the browser keeps its cookie: without it,
   * logging out could not be tried again.
   * @throws Unavailable when the store does not answer: the login stays valid
   */
  async function end(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const secret = secretOf(request);
    if (secret !== undefined) await store.logins.end(hashSecret(secret));
    setCookie(reply, "", 0);
  }

  /** Whether the request comes with a valid login. */
  async function isOpen(request: FastifyRequest): Promise<boolean> {
    const secret = secretOf(request);
    if (secret === undefined) return false;
    const hash = hashSecret(secret);
    const isLogin = await store.logins.isOpen(hash, opsTokenHash, clock());
    remember(hash.toString("hex"), isLogin);
    return isLogin;
  }

  function remember(name: string, isLogin: boolean): void {
    known.delete(name);
    if (isLogin) known.add(name);
    for (const oldest of [...known].slice(0, -MOST_KNOWN)) known.delete(oldest);
  }

  /**
   * Whether the request comes with the operator's token, or with a login that was valid when it was last
   * checked. It asks no store and admits nobody: it only decides whose limit a call counts against.
   */
  function isKnown(request: FastifyRequest): boolean {
    const token = bearerToken(request);
    if (token !== undefined) return matchesHash(token, opsTokenHash);
    const secret = secretOf(request);
    return secret !== undefined && known.has(hashSecret(secret).toString("hex"));
  }

  /**
   * Admits only the operator. A browser sends its cookie by itself, so a request with a cookie that changes
   * something must come from our own page.
   * @throws ProblemError for everybody else
   */
  async function admit(request: FastifyRequest): Promise<void> {
    const token = bearerToken(request);
    if (token !== undefined) {
      if (!matchesHash(token, opsTokenHash)) throw new ProblemError(problems.tokenWrong());
      return;
    }
    if (!(await isOpen(request))) throw new ProblemError(problems.opsTokenMissing());
    if (request.method !== "GET" && request.method !== "HEAD" && !isFromOwnPage(request))
      throw new ProblemError(problems.crossSite());
  }

  return { begin, end, isOpen, isKnown, admit };
}

/** The secret in the request's cookie. A value of another shape is not ours: the store is not asked about it. */
function secretOf({ cookies }: FastifyRequest): string | undefined {
  const value = cookies[COOKIE];
  return value !== undefined && /^[\w-]{20,100}$/.test(value) ? value : undefined;
}

function setCookie(reply: FastifyReply, value: string, seconds: number): void {
  reply.setCookie(COOKIE, value, { path: "/ops", maxAge: seconds, httpOnly: true, sameSite: "strict", secure: "auto" });
}
