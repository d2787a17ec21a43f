import type { FastifyReply, FastifyRequest } from "fastify";
import { hashSecret, matchesHash } from "../../../lib/secrets.ts";
import type { Logins } from "../../../core/operator/contract.ts";
import { bearerToken } from "../../../lib/http/bearer-token.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problems } from "../../problems/problems.ts";

/** What sessions need. */
export type SessionPorts = {
  readonly store: { readonly logins: Logins };
  readonly clock: () => Date;
  readonly opsToken: string;
  readonly newSecret: () => string;
};

const COOKIE = "getaredis_ops";
const SESSION_SECONDS = 12 * 3600;
/** Sessions that a process knows at most; of others it asks the store. */
const MOST_KNOWN = 1000;

/** Who is the operator: who bears the operator's token, or holds the cookie of a session begun with it. */
export type OpsSessions = ReturnType<typeof createOpsSessions>;

/** Sessions kept in the store, so that they hold for all replicas and over restarts. */
export function createOpsSessions({ store, clock, opsToken, newSecret }: SessionPorts) {
  const opsTokenHash = hashSecret(opsToken);
  // Hashes of those seen open, in the order of their last use.
  const known = new Set<string>();

  /**
   * Begins a session with the operator's token: sets its cookie.
   * @throws ProblemError when the token is another
   */
  async function begin(token: string, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!isOwnPage(request)) throw new ProblemError(problems.crossSite());
    if (!matchesHash(token, opsTokenHash)) throw new ProblemError(problems.tokenWrong());
    const secret = newSecret();
    const now = clock();
    const hash = hashSecret(secret);
    await store.logins.begin(hash, opsTokenHash, now, new Date(now.getTime() + SESSION_SECONDS * 1000));
    remember(hash.toString("hex"), true);
    setCookie(request, reply, secret, SESSION_SECONDS);
  }

  /**
   * Ends the request's session, on all replicas. Until that is done the browser keeps its cookie: without it
   * nobody could try again.
   * @throws Unavailable when the store does not answer: the session goes on
   */
  async function end(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const secret = sessionSecret(request);
    if (secret !== undefined) await store.logins.end(hashSecret(secret));
    setCookie(request, reply, "", 0);
  }

  /** Whether the request comes with a session that goes on. */
  async function isOpen(request: FastifyRequest): Promise<boolean> {
    const secret = sessionSecret(request);
    if (secret === undefined) return false;
    const hash = hashSecret(secret);
    const isSession = await store.logins.isOpen(hash, opsTokenHash, clock());
    remember(hash.toString("hex"), isSession);
    return isSession;
  }

  function remember(name: string, isSession: boolean): void {
    known.delete(name);
    if (isSession) known.add(name);
    for (const oldest of [...known].slice(0, -MOST_KNOWN)) known.delete(oldest);
  }

  /**
   * Whether the request comes with the operator's token, or with a session that was open when it was last
   * asked about. Asks nobody, and admits nobody: it tells whose limit a call counts against.
   */
  function isKnown(request: FastifyRequest): boolean {
    const token = bearerToken(request);
    if (token !== undefined) return matchesHash(token, opsTokenHash);
    const secret = sessionSecret(request);
    return secret !== undefined && known.has(hashSecret(secret).toString("hex"));
  }

  /**
   * Lets nobody pass but the operator. A browser sends its cookie by itself: with it, what changes
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
    if (request.method !== "GET" && request.method !== "HEAD" && !isOwnPage(request))
      throw new ProblemError(problems.crossSite());
  }

  return { begin, end, isOpen, isKnown, admit };
}

/** Browsers name their page's site over https and to loopback; over plain http the Origin tells. Another port of ours is another page. */
function isOwnPage(request: FastifyRequest): boolean {
  const { "sec-fetch-site": site, origin } = request.headers;
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === request.host.toLowerCase());
}

function sessionSecret(request: FastifyRequest): string | undefined {
  const pairs = (request.headers.cookie ?? "").split(";").map((pair) => pair.trim());
  const value = pairs.find((pair) => pair.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
  return value !== undefined && /^[\w-]{20,100}$/.test(value) ? value : undefined;
}

function setCookie(request: FastifyRequest, reply: FastifyReply, value: string, seconds: number): void {
  const secure = request.protocol === "https" ? "; Secure" : "";
  reply.header("set-cookie", `${COOKIE}=${value}; Path=/ops; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`);
}
