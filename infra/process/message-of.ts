/** What an error says to a person. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Connections that tried several addresses say nothing themselves.
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join(", ");
  return error.message;
}
