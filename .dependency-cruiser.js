import { needOf, NEEDS } from "./test/needs.ts";

/**
 * Which room may import which, types included, and no circle anywhere. `npm run lint` holds the code to it.
 * @type {import("dependency-cruiser").IConfiguration}
 */
export default {
  forbidden: [
    {
      name: "no-circle",
      comment: "No file leads back to itself, not even by types.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "pure-tests-start-nothing",
      comment: "What test/needs.ts says to need nothing leads to no server, engine or machine of the test bed.",
      severity: "error",
      from: { path: filesThatNeed("nothing"), pathNot: filesThatNeed("machine") },
      to: {
        reachable: true,
        path: [
          "^test/bed/(services|service|engine-host|lab|host-lab|control-machine)[.]ts$",
          "^infra/lab/(lab|machines/room)[.]ts$",
          "^infra/servers/docker-engine[.]ts$",
        ],
      },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
    },
  },
};

/** Folders and files of test/needs.ts, as the beginnings of paths. */
function filesThatNeed(need) {
  return Object.keys(NEEDS)
    .filter((beginning) => beginning !== "test/" && needOf(beginning) === need)
    .map((beginning) => `^${beginning.replaceAll(".", "[.]")}`);
}
