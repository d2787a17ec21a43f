/** An argument of a command, as Redis's COMMAND DOCS tells it. */
export type DocumentedArgument = {
  readonly name: string;
  readonly type: string;
  /** A word that stands before it, or that it is. */
  readonly token?: string;
  readonly flags?: readonly ("optional" | "multiple" | "multiple_token")[];
  /** Of those that are made of others. */
  readonly arguments?: readonly DocumentedArgument[];
};

/** What follows a command's name, as redis-cli and redis.io write it: `key value [NX | XX] [EX seconds]`. */
export function syntaxOf(these: readonly DocumentedArgument[]): string {
  return these.map(partOf).join(" ");
}

function partOf(argument: DocumentedArgument): string {
  const { type, token, flags = [] } = argument;
  const isOptional = flags.includes("optional");
  const value = valueOf(argument, isOptional && token === undefined && !flags.includes("multiple"));
  const named = token === undefined || type === "pure-token" ? value : `${token} ${value}`;
  const again = flags.includes("multiple_token") ? named : value;
  const part = flags.includes("multiple") ? `${named} [${again} ...]` : named;
  return isOptional ? `[${part}]` : part;
}

/** @param isEnclosed whether brackets are around it already */
function valueOf({ type, name, token, arguments: parts = [] }: DocumentedArgument, isEnclosed: boolean): string {
  if (type === "pure-token") return token ?? name;
  if (type === "block") return syntaxOf(parts);
  if (type !== "oneof") return name;
  const choices = parts.map(partOf).join(" | ");
  return isEnclosed ? choices : `<${choices}>`;
}
