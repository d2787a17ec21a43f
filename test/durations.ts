import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { projectPath } from "../infra/process/project-path.ts";

const FILE = projectPath(".getaredis/test-durations.json");
/** Seconds that the longest took when this was written, for a checkout without durations of its own. */
const LONGEST: Readonly<Record<string, number>> = {
  "test/infra/single-box.test.ts": 380,
  "test/infra/deploy.test.ts": 215,
  "test/e2e/bad-moments.test.ts": 210,
  "test/e2e/fleet.test.ts": 195,
  "test/e2e/console.test.ts": 150,
  "test/e2e/dashboard.test.ts": 145,
  "test/e2e/homepage.test.ts": 115,
  "test/e2e/dashboard-bad-moments.test.ts": 110,
  "test/e2e/container.test.ts": 105,
  "test/infra/host/host-faults.test.ts": 100,
  "test/e2e/crash-points.test.ts": 100,
  "test/e2e/homepage-looks.test.ts": 85,
  "test/e2e/dashboard-lists.test.ts": 80,
  "test/infra/lab/command.test.ts": 75,
  "test/e2e/dashboard-fleet.test.ts": 65,
  "test/infra/lab/machines.test.ts": 60,
  "test/e2e/api-on-real-parts.test.ts": 55,
  "test/infra/host/set-up.test.ts": 55,
  "test/e2e/homepage-form.test.ts": 50,
  "test/adapters/docker/engines.contract.test.ts": 40,
  "test/e2e/host-races.test.ts": 90,
};
const OTHERS_SECONDS = 20;

/** How long test files take: as measured when they ran last here, else a guess. */
export interface Durations {
  /** Of files that run in one process, in seconds. */
  of: (files: readonly string[]) => number;
  /** Notes what files in one process took now, in seconds; `keep` writes it down. */
  note: (files: readonly string[], seconds: number) => void;
  keep: () => Promise<void>;
}

/** Reads what is kept; nothing kept, or nothing that can be read, is none. */
export async function readDurations(): Promise<Durations> {
  const text = await readFile(FILE, "utf8").catch(() => "{}");
  let kept: Record<string, number> = {};
  try {
    kept = JSON.parse(text) as Record<string, number>;
  } catch {
    // Written again at the end of this run.
  }
  return {
    of: (files) =>
      kept[files.join(" ")] ?? files.reduce((sum, file) => sum + (kept[file] ?? LONGEST[file] ?? OTHERS_SECONDS), 0),
    note: (files, seconds) => (kept[files.join(" ")] = Math.round(seconds)),
    keep: async () => {
      await mkdir(dirname(FILE), { recursive: true });
      await writeFile(`${FILE}.new`, `${JSON.stringify(kept, undefined, 1)}\n`);
      await rename(`${FILE}.new`, FILE);
    },
  };
}
