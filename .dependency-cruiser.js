import { needOf, NEEDS } from "./test/needs.ts";

/**
 * Which room may import which, types included, and no circle anywhere; `npm run lint` holds the code to it.
 * Imports run one way: programs → core → lib. Adapters and twins satisfy the contracts of core, and only a
 * program's main.ts picks them.
 */
const PROGRAMS = "api|jobs|enrolment|gateway|cli";
/** Rooms of core, the lower ones first: each may import those before it. */
const ROOMS = [
  "services",
  "events",
  "balance",
  "edge",
  "fleet",
  "ports",
  "admission",
  "instances",
  "console",
  "figures",
  "operator",
  "notifications",
  "settings",
];

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    forbid("no-circle", "No file leads back to itself, not even by types.", {}, { circular: true }),
    forbid(
      "lib-is-at-the-bottom",
      "lib is what all share: it knows nobody.",
      from("apps/lib"),
      to("apps/(?!lib/)", "infra", "test"),
    ),
    forbid(
      "core-knows-no-outside",
      "core knows lib, but no server and no outside system.",
      from("apps/core"),
      to("apps/(?!core/|lib/)", "apps/lib/http", "infra", "test"),
    ),
    ...ROOMS.map((room, index) =>
      forbid(
        `room-${room}`,
        "A room of core knows only the rooms below it.",
        from(`apps/core/${room}`),
        to(...ROOMS.slice(index + 1).map((above) => `apps/core/${above}`), "apps/core/store.ts"),
      ),
    ),
    forbid(
      "adapters-know-contracts",
      "An adapter or twin knows the contracts and rules of core, and lib.",
      from("apps/(adapters|twins)"),
      to("apps/(?!core/|lib/|adapters/|twins/)", "apps/core/settings", "apps/lib/http", "infra", "test"),
    ),
    forbid(
      "adapters-are-apart",
      "One room an outside system: adapters do not know each other.",
      { path: "^apps/adapters/([^/]+)/" },
      { path: "^apps/(adapters|twins)/", pathNot: "^apps/adapters/$1/" },
    ),
    forbid(
      "twins-are-apart",
      "A twin stands in for an adapter, and knows none.",
      from("apps/twins"),
      to("apps/adapters"),
    ),
    forbid(
      "main-picks-adapters",
      "Only a program's main.ts picks adapters.",
      { path: `^apps/(${PROGRAMS})/`, pathNot: "/main\\.ts$" },
      to("apps/adapters", "apps/twins"),
    ),
    forbid(
      "programs-are-apart",
      "Programs do not know each other.",
      { path: `^apps/(${PROGRAMS})/` },
      { path: `^apps/(${PROGRAMS})/`, pathNot: "^apps/$1/" },
    ),
    forbid("apps-know-no-infra", "apps know neither infra nor test.", from("apps"), to("infra", "test")),
    forbid("infra-knows-no-test", "infra knows no test.", from("infra"), to("test")),
    forbid(
      "process-is-at-the-bottom",
      "infra/process starts and ends processes, whatever they are.",
      from("infra/process"),
      to("infra/(?!process/)", "apps/(?!lib/)"),
    ),
    forbid(
      "servers-are-below",
      "infra/servers is used by start, lab and tests, and knows none of them.",
      from("infra/servers"),
      to("infra/(?!process/|servers/)"),
    ),
    forbid(
      "plugins-know-no-routes",
      "Plugins serve all routes alike.",
      from("apps/api/plugins"),
      to("apps/api/routes"),
    ),
    forbid(
      "pure-tests-start-nothing",
      "What test/needs.ts says to need nothing leads to no server, engine or machine of the test bed.",
      { path: filesThatNeed("nothing"), pathNot: filesThatNeed("machine") },
      {
        reachable: true,
        path: [
          "^test/bed/(services|service|engine-host|lab|host-lab|control-machine)[.]ts$",
          "^infra/lab/(lab|machines/room)[.]ts$",
          "^infra/servers/docker-engine[.]ts$",
        ],
      },
    ),
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

/** A rule as dependency-cruiser takes it. */
function forbid(name, comment, from, to) {
  return { name, comment, severity: "error", from, to };
}

function from(folder) {
  return { path: `^${folder}/` };
}

function to(...folders) {
  return {
    path: folders
      .map((folder) => `^${folder}${folder.includes(".") ? "$" : "(/|$)"}`)
      .map((path) => path.replace("/)(/|$)", "/)")),
  };
}

/** Folders and files of test/needs.ts, as the beginnings of paths. */
function filesThatNeed(need) {
  return Object.keys(NEEDS)
    .filter((beginning) => beginning !== "test/" && needOf(beginning) === need)
    .map((beginning) => `^${beginning.replaceAll(".", "[.]")}`);
}
