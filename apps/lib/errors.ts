/** The message of an error, for people. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // An error that stands for several has no message of its own: a connection that tried several addresses, an end
  // of which several steps failed.
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error.message;
}
