import { writeFile } from "node:fs/promises";
import { projectPath } from "../process/project-path.ts";
import { commandsFile } from "./data-set.ts";
import { askCommands } from "./server-docs.ts";

/**
 * The `npm run commands` program: writes what the page's console knows of Redis's commands, as this machine's
 * redis-server tells it and as far as owners may run them. To be run when their rights have changed.
 */
const FILE = "public/assets/commands.json";
const { version, commands } = await askCommands();
await writeFile(projectPath(FILE), commandsFile(version, commands));
console.log(`✓ ${FILE}: ${Object.keys(commands).length} commands of Redis ${version}`);
