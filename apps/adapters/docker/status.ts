/** The HTTP status with which an engine refused a call; undefined when it did not answer. */
export function statusOf(fault: unknown): number | undefined {
  return typeof fault === "object" && fault !== null && "statusCode" in fault && typeof fault.statusCode === "number"
    ? fault.statusCode
    : undefined;
}
