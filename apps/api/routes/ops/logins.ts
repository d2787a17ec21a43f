import type { FastifyReply, FastifyRequest } from "fastify";
import { hashSecret, matchesHash } from "../../../lib/secrets.ts";
import type { Logins, Operators } from "../../../core/operator/contract.ts";
import {
  firstAdmin,
  identify,
  isUseDue,
  looksLikeOperatorToken,
  mayAct,
  type Caller,
  type Identity,
  type Operator,
  type OperatorRole,
} from "../../../core/operator/operators.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { bearerToken } from "../../../lib/http/requests.ts";
import { isFromOwnPage } from "../../callers/request-origin.ts";
import { problems } from "../../problems/problems.ts";
import { noteCaller } from "./callers.ts";

/** What logins need. */
export type LoginPorts = {
  readonly store: { readonly logins: Logins; readonly operators: Pick<Operators, "find" | "noteUse"> };
  readonly clock: () => Date;
  readonly random: { readonly token: () => string };
  readonly settings: { readonly opsToken: string };
};

const COOKIE = "getaredis_ops";
const LOGIN_MS = 12 * 3_600_000;
/** Most tokens and logins that a process remembers; about others it asks the store. */
const MOST_KNOWN = 1000;

/** Recognises operators: by their tokens, or by the cookie of a login made with one. */
export type OperatorLogins = ReturnType<typeof createOperatorLogins>;

/** A caller, and when their token expires, if it does. */
export type Session = { readonly caller: Caller; readonly expiresAt: Date | null };

/** What a token or a login has led to. */
type Found = {
  readonly identity: Identity;
  readonly tokenHash?: Buffer;
  readonly operator?: Operator | undefined;
};

const unknown: Found = { identity: { kind: "unknown" } };

/**
 * Logins kept in the store, so that they hold for all replicas and over restarts. Each request is checked against the
 * rows of its login and its operator: what an admin changes counts from the next request on, everywhere.
 */
export function createOperatorLogins({ store, clock, random, settings }: LoginPorts) {
  const firstHash = hashSecret(settings.opsToken);
  // Hashes of those seen open, in the order of their last use.
  const known = new Set<string>();

  /**
   * Logs in with an operator's token: sets the login's cookie.
   * @throws ProblemError when the token is nobody's, or has expired
   */
  async function begin(token: string, request: FastifyRequest, reply: FastifyReply): Promise<Session> {
    if (!isFromOwnPage(request)) throw new ProblemError(problems.crossSite());
    const found = await findToken(token);
    const session = sessionOf(found.identity, problems.opsTokenWrong());
    const secret = random.token();
    const now = clock();
    const end = Math.min(now.getTime() + LOGIN_MS, session.expiresAt?.getTime() ?? Infinity);
    const hash = hashSecret(secret);
    await store.logins.begin(hash, hashSecret(token), now, new Date(end));
    await noteUse(found);
    remember(hash, true);
    setCookie(reply, secret, Math.ceil((end - now.getTime()) / 1000));
    return session;
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

  /** The request's login; undefined when there is none that is valid. */
  async function session(request: FastifyRequest): Promise<Session | undefined> {
    const { identity } = await findLogin(request);
    return identity.kind === "known" ? identity : undefined;
  }

  async function findToken(token: string): Promise<Found> {
    const tokenHash = hashSecret(token);
    if (matchesHash(token, firstHash)) return { identity: firstAdmin, tokenHash };
    if (!looksLikeOperatorToken(token)) return unknown;
    const operator = await store.operators.find(tokenHash);
    const identity = identify(operator, clock());
    remember(tokenHash, identity.kind === "known");
    return { identity, tokenHash, operator };
  }

  async function findLogin(request: FastifyRequest): Promise<Found> {
    const secret = secretOf(request);
    if (secret === undefined) return unknown;
    const hash = hashSecret(secret);
    const login = await store.logins.find(hash, clock());
    const identity = login?.tokenHash.equals(firstHash) ? firstAdmin : identify(login?.operator, clock());
    remember(hash, identity.kind === "known");
    return { identity, ...login };
  }

  /** Who makes a request. @throws ProblemError when that is nobody */
  async function find(request: FastifyRequest): Promise<Found & { readonly caller: Caller }> {
    const token = bearerToken(request);
    const found = token === undefined ? await findLogin(request) : await findToken(token);
    const nobody = token === undefined ? problems.opsTokenMissing() : problems.opsTokenWrong();
    return { ...found, caller: sessionOf(found.identity, nobody).caller };
  }

  function remember(hash: Buffer, isOpen: boolean): void {
    const name = hash.toString("hex");
    known.delete(name);
    if (isOpen) known.add(name);
    for (const oldest of [...known].slice(0, -MOST_KNOWN)) known.delete(oldest);
  }

  /**
   * Whether the request comes with a token or a login that was valid when it was last checked. It asks no store and
   * admits nobody: it only decides whose limit a call counts against.
   */
  function isKnown(request: FastifyRequest): boolean {
    const token = bearerToken(request);
    if (token !== undefined) return matchesHash(token, firstHash) || known.has(hashSecret(token).toString("hex"));
    const secret = secretOf(request);
    return secret !== undefined && known.has(hashSecret(secret).toString("hex"));
  }

  /**
   * Admits only operators whose role may do what needs `needed`, and notes who they are. A browser sends its cookie
   * by itself, so a request with a cookie that changes something must come from our own page.
   * @throws ProblemError for everybody else
   */
  async function admit(request: FastifyRequest, needed: OperatorRole): Promise<void> {
    const found = await find(request);
    const isByCookie = bearerToken(request) === undefined;
    if (isByCookie && request.method !== "GET" && request.method !== "HEAD" && !isFromOwnPage(request))
      throw new ProblemError(problems.crossSite());
    const { caller } = found;
    if (!mayAct(caller.role, needed)) throw new ProblemError(problems.roleNeeded(caller, needed));
    await noteUse(found);
    noteCaller(request, caller);
  }

  /**
   * Checks again somebody who was admitted, without counting that as a use.
   * @throws ProblemError when they would not be admitted now, or have another role
   */
  async function recheck(request: FastifyRequest, before: Caller): Promise<void> {
    const { caller } = await find(request);
    if (caller.role !== before.role) throw new ProblemError(problems.opsTokenMissing());
  }

  async function noteUse({ tokenHash, operator }: Found): Promise<void> {
    if (tokenHash && operator && isUseDue(operator, clock())) await store.operators.noteUse(tokenHash, clock());
  }

  return { begin, end, session, isKnown, admit, recheck };
}

function sessionOf(identity: Identity, unknown: ReturnType<typeof problems.opsTokenMissing>): Session {
  switch (identity.kind) {
    case "known":
      return identity;
    case "expired":
      throw new ProblemError(problems.opsTokenExpired(identity.name, identity.at));
    case "unknown":
      throw new ProblemError(unknown);
  }
}

/** The secret in the request's cookie. A value of another shape is not ours: the store is not asked about it. */
function secretOf({ cookies }: FastifyRequest): string | undefined {
  const value = cookies[COOKIE];
  return value !== undefined && /^[\w-]{20,100}$/.test(value) ? value : undefined;
}

function setCookie(reply: FastifyReply, value: string, seconds: number): void {
  reply.setCookie(COOKIE, value, { path: "/ops", maxAge: seconds, httpOnly: true, sameSite: "strict", secure: "auto" });
}
