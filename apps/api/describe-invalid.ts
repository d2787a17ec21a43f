/** One sentence on what is wrong with a body, query or parameter. */
export function describeInvalid(fault: { instancePath: string; keyword: string; message?: string; params: Record<string, unknown> } | undefined, where: string): string {
  const field = `${where}${(fault?.instancePath ?? "").replaceAll("/", ".")}`;
  if (fault?.keyword === "additionalProperties") return `${field} has an unknown field ${JSON.stringify(fault.params["additionalProperty"])}`;
  if (fault?.keyword === "enum") return `${field} must be one of ${(fault.params["allowedValues"] as string[]).join(", ")}`;
  return `${field} ${fault?.message ?? "is not valid"}`;
}
