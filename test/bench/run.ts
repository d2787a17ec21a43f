import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The `npm bench` program: each measurement in a process of its own, one after the other. */
for (const name of [
  "cold-handout",
  "attack-egress",
  "attack-logs",
  "attack-redis",
  "attack-console",
  "attack-lockout",
  "attack-http",
  "attack-fill",
]) {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`${name}.ts`, import.meta.url))], { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) process.exit(code ?? 1);
}
