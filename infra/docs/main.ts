import { writeFile } from "node:fs/promises";
import { projectPath } from "../process/project-path.ts";
import { commandLinePage } from "./command-line-page.ts";
import { commandsPage } from "./commands-page.ts";
import { settingsPage } from "./settings-page.ts";

/** The `npm run docs` program: writes the pages under docs/ that are made from the code. */
for (const [file, text] of [
  ["docs/settings.md", settingsPage()],
  ["docs/commands.md", commandsPage()],
  ["docs/command-line.md", commandLinePage()],
] as const) {
  await writeFile(projectPath(file), text);
  console.log(`✓ ${file}`);
}
