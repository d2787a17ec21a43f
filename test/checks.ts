/** What is checked without running anything: `npm run lint` alone, `npm test` beside the tests. */
export interface Check {
  name: string;
  /** A program of the npm packages, and its arguments; it runs in the project's folder. */
  program: string;
  args: readonly string[];
}

const KEPT = ".getaredis/checks";

export const CHECKS: readonly Check[] = [
  {
    name: "types",
    program: "tsc",
    args: ["--project", ".", "--incremental", "--tsBuildInfoFile", `${KEPT}/types.tsbuildinfo`],
  },
  {
    name: "types of the pages",
    program: "tsc",
    args: ["--project", "public", "--incremental", "--tsBuildInfoFile", `${KEPT}/page-types.tsbuildinfo`],
  },
  // Nothing kept from one run to the next: rules that look at types find other faults when another file changes.
  { name: "linter", program: "eslint", args: ["--max-warnings=0", "."] },
  { name: "imports", program: "depcruise", args: ["--config", ".dependency-cruiser.js", "apps", "infra", "test"] },
  {
    name: "format",
    program: "prettier",
    args: ["--check", "--log-level=warn", "--cache", "--cache-location", `${KEPT}/format`, "."],
  },
];
