/**
 * How Node.js runs our programs that keep running; the units in infra/deploy have the same. New objects get 12 MB rather
 * than up to 48 before they are cleared up: loading the modules fills them once, and the memory would be kept for good.
 */
export const nodeFlags = ["--max-semi-space-size=4"] as const;
