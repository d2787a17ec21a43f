/** What is checked without running anything: `npm run lint` alone, `npm test` beside the tests. */
export interface Check {
  name: string;
  /** A program below node_modules, and its arguments; it runs in the project's folder. */
  program: string;
  args: readonly string[];
}

const KEPT = ".getaredis/checks";
/** TypeScript as a native program: half the processor time of the one in JavaScript, which the linter works with. */
export const TSC = "typescript-native/bin/tsc";

export const CHECKS: readonly Check[] = [
  {
    name: "types",
    program: TSC,
    args: ["--project", ".", "--incremental", "--tsBuildInfoFile", `${KEPT}/types.tsbuildinfo`],
  },
  {
    name: "types of the pages",
    program: TSC,
    args: ["--project", "public", "--incremental", "--tsBuildInfoFile", `${KEPT}/page-types.tsbuildinfo`],
  },
  // Nothing kept from one run to the next: rules that look at types find other faults when another file changes.
  { name: "linter", program: ".bin/eslint", args: ["--max-warnings=0", "."] },
  { name: "imports", program: ".bin/depcruise", args: ["--config", ".dependency-cruiser.js", "apps", "infra", "test"] },
  {
    name: "format",
    program: ".bin/prettier",
    args: ["--check", "--log-level=warn", "--cache", "--cache-location", `${KEPT}/format`, "."],
  },
];
