import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { loadSettings } from "../../apps/core/settings/load.ts";
import { hostIn } from "../../apps/lib/url-host.ts";
import { takeEnvFile } from "../start/env-file.ts";
import { projectPath } from "../process/project-path.ts";
import { runTerminalProgram } from "../process/terminal-program.ts";
import { ensurePki, type PkiOptions } from "./ensure-pki.ts";

const USAGE = `npm run pki -- [folder] [--enrolment-name <name or address>]…
               [--rotate-client | --rotate-ca | --retire-old-ca]

Makes the certificates of the control plane, or renews those that end within 30 days. Without a folder:
PKI_DIR, or .getaredis/pki. The enrolment's name is that of ENROLMENT_URL or ENROLMENT_HOST, and all
that are given. infra/pki/README.md tells what the files are and when to rotate.`;

const signs = { done: "✓", kept: "= kept", warning: "!" };

await runTerminalProgram(({ ending }) => main(ending), { forced: "The folder is as it was before, or complete." });

async function main(ending: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      "enrolment-name": { type: "string", multiple: true, default: [] },
      "rotate-client": { type: "boolean" },
      "rotate-ca": { type: "boolean" },
      "retire-old-ca": { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const changes = (["rotate-client", "rotate-ca", "retire-old-ca"] as const).filter((name) => values[name]);
  if (positionals.length > 1 || changes.length > 1) throw new Error(USAGE);
  for (const warning of await takeEnvFile(projectPath(".env"))) console.log(`! ${warning}`);
  const { service, enrolment } = loadSettings(process.env);
  const dir = positionals[0] ?? enrolment.pkiDir ?? join(resolve(projectPath("."), service.stateDir), "pki");
  const ownName = enrolment.url === undefined ? enrolment.host : hostIn(enrolment.url);
  await report(dir, { enrolmentNames: [ownName, ...values["enrolment-name"]], change: changes[0], ending });
}

async function report(dir: string, options: Omit<PkiOptions, "now">): Promise<void> {
  const notes = await ensurePki(dir, { ...options, now: new Date() });
  for (const { kind, text } of notes) console.log(`${signs[kind]} ${text}`);
  console.log(
    `\nCertificates are in ${resolve(dir)}: set PKI_DIR to it. Its keys open every host: guard them, and ` +
      "keep a backup.",
  );
}
