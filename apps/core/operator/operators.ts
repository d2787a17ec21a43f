/** What an operator may do; each may do what those before it may. */
export const operatorRoles = ["viewer", "operator", "admin"] as const;

export type OperatorRole = (typeof operatorRoles)[number];

/** Who makes a call of the operators'. */
export type Caller = { readonly name: string; readonly role: OperatorRole };

/** An operator with a token of their own. */
export type Operator = Caller & {
  readonly createdAt: Date;
  /** Name of the operator who created this one. */
  readonly createdBy: string;
  /** When the token expires; null when it does not. */
  readonly expiresAt: Date | null;
  /** When the token, or a login made with it, was used last, to about a minute. */
  readonly lastUsedAt: Date | null;
};

/** An operator to be created. */
export type NewOperator = Caller & Pick<Operator, "createdBy" | "expiresAt"> & { readonly tokenHash: Buffer };

/** What an admin may change of an operator; what is not given stays. */
export type OperatorChange = { readonly role?: OperatorRole; readonly expiresAt?: Date | null };

/** A login of the dashboard: what its token hashes to, and the operator whose token that is, if they have one. */
export type Login = { readonly tokenHash: Buffer; readonly operator: Operator | undefined };

/** What a token or a login turns out to be. */
export type Identity =
  | { readonly kind: "known"; readonly caller: Caller; readonly expiresAt: Date | null }
  | { readonly kind: "expired"; readonly name: string; readonly at: Date }
  | { readonly kind: "unknown" };

/** The operator whose token is `OPS_TOKEN`. It is no row: nobody can lock everybody out. */
export const FIRST_ADMIN: Caller = { name: "admin", role: "admin" };

/** Makes a token known as one of ours wherever it turns up. */
const TOKEN_PREFIX = "gar_op_";
/** How long a use is not noted again, in milliseconds. */
const USE_NOTED_MS = 60_000;

/** The pattern of an operator's name. */
export const OPERATOR_NAME_PATTERN = "^[a-z0-9][a-z0-9._@-]{0,31}$";

/** Whether a role may do what needs `needed`. */
export function mayAct(role: OperatorRole, needed: OperatorRole): boolean {
  return operatorRoles.indexOf(role) >= operatorRoles.indexOf(needed);
}

/** An operator's token. @param secret of 128 random bits or more, in letters and digits */
export function operatorToken(secret: string): string {
  return TOKEN_PREFIX + secret;
}

/** Whether a text may be an operator's token: others are not looked up. */
export function looksLikeOperatorToken(text: string): boolean {
  return new RegExp(`^${TOKEN_PREFIX}[0-9A-Za-z]{22,64}$`).test(text);
}

/** Who the operator of a token is at `now`. */
export function identify(operator: Operator | undefined, now: Date): Identity {
  if (!operator) return { kind: "unknown" };
  const { name, role, expiresAt } = operator;
  if (expiresAt !== null && expiresAt <= now) return { kind: "expired", name, at: expiresAt };
  return { kind: "known", caller: { name, role }, expiresAt };
}

/** The identity of `OPS_TOKEN`. */
export const firstAdmin: Identity = { kind: "known", caller: FIRST_ADMIN, expiresAt: null };

/** Whether a use at `now` is to be noted: once a minute is enough. */
export function isUseDue({ lastUsedAt }: Pick<Operator, "lastUsedAt">, now: Date): boolean {
  return lastUsedAt === null || now.getTime() - lastUsedAt.getTime() >= USE_NOTED_MS;
}
