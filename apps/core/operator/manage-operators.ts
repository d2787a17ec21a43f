import { hashSecret } from "../../lib/secrets.ts";
import type { Operators } from "./contract.ts";
import { noteAct, type NotePorts } from "./note-act.ts";
import { FIRST_ADMIN, operatorToken, type NewOperator, type Operator, type OperatorChange } from "./operators.ts";

/** What managing operators needs. */
export type ManageOperatorsPorts = NotePorts & {
  readonly store: { readonly operators: Pick<Operators, "add" | "change" | "remove"> };
  /** `password`: 128 random bits or more, in letters and digits. */
  readonly random: { readonly password: () => string };
};

/** An operator as an admin asks for one. */
export type WantedOperator = Pick<NewOperator, "name" | "role" | "expiresAt">;

/** Creates an operator. The token is in the result and nowhere else: only its hash is kept. */
export async function createOperator(
  ports: ManageOperatorsPorts,
  by: string,
  wanted: WantedOperator,
): Promise<{ readonly kind: "created"; readonly token: string } | { readonly kind: "name-taken" }> {
  const token = operatorToken(ports.random.password());
  const row = { ...wanted, createdBy: by, tokenHash: hashSecret(token) };
  if (wanted.name === FIRST_ADMIN.name || !(await ports.store.operators.add(row, ports.clock())))
    return { kind: "name-taken" };
  const { name, role, expiresAt } = wanted;
  await noteAct(ports, by, {
    kind: "add-operator",
    reason: `${name} was added as ${role}, ${endOf(expiresAt)}`,
    data: { operator: name, role, expiresAt: expiresAt?.toISOString() ?? null },
  });
  return { kind: "created", token };
}

/** Changes an operator's role or expiry. Another role ends the operator's logins. */
export async function changeOperator(
  ports: ManageOperatorsPorts,
  by: string,
  name: string,
  change: OperatorChange,
): Promise<
  | { readonly kind: "changed"; readonly operator: Operator }
  | { readonly kind: "unknown" }
  | { readonly kind: "first-admin" }
> {
  if (name === FIRST_ADMIN.name) return { kind: "first-admin" };
  const operator = await ports.store.operators.change(name, change);
  if (!operator) return { kind: "unknown" };
  const { role, expiresAt } = operator;
  await noteAct(ports, by, {
    kind: "change-operator",
    reason: `${name} is ${role} now, ${endOf(expiresAt)}`,
    data: { operator: name, role, expiresAt: expiresAt?.toISOString() ?? null },
  });
  return { kind: "changed", operator };
}

/** Revokes an operator's token, and ends the logins made with it. */
export async function revokeOperator(
  ports: ManageOperatorsPorts,
  by: string,
  name: string,
): Promise<"revoked" | "unknown" | "first-admin"> {
  if (name === FIRST_ADMIN.name) return "first-admin";
  if (!(await ports.store.operators.remove(name))) return "unknown";
  await noteAct(ports, by, {
    kind: "revoke-operator",
    reason: `the token of ${name} was revoked`,
    data: { operator: name },
  });
  return "revoked";
}

function endOf(expiresAt: Date | null): string {
  return expiresAt === null ? "without an expiry" : `until ${expiresAt.toISOString()}`;
}
