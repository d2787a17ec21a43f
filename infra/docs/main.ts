import { writeFile } from "node:fs/promises";
import { projectPath } from "../process/project-path.ts";
import { settingsPage } from "./settings-page.ts";

/** The `npm run docs` program: writes the pages under docs/ that are made from the code. */
await writeFile(projectPath("docs/settings.md"), settingsPage());
console.log("✓ docs/settings.md");
