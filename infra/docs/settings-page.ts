import type { Setting } from "../../apps/core/settings/declaration.ts";
import { rooms } from "../../apps/core/settings/settings.ts";

const HEAD = `# Settings

Set them in the environment, or in a file \`.env\` in the folder that \`npm start\` runs in. A service that was
installed for good reads the file that its guide names; see [infra/deploy](../infra/deploy/README.md). All
settings are checked at the start; a wrong one stops the program, and every fault is reported at once.

This page is made from the declarations in \`apps/core/settings/\` by \`npm run docs\`.
`;

/** Each room's heading, and what its settings are about in a sentence. */
const HEADINGS: Readonly<Record<keyof typeof rooms, readonly [title: string, about: string]>> = {
  service: ["Service", "Where it listens, which servers it uses, and its secrets."],
  operator: ["Operator", "Who runs it, what visitors are told, who is kept out, and what counts as misuse."],
  notifications: ["Notifications", "How the operator is told of alarms, see [notifications](notifications.md)."],
  http: ["HTTP", "Names that the API answers to, connections and request sizes."],
  instances: ["Instances", "Lifetimes, quotas, the image, and the limits of an instance."],
  warmPool: ["Warm pool", "Instances that are started ahead, see [how it works](how-it-works.md)."],
  admission: ["Admission", "Budgets for networks, the rate for all, and proof of work."],
  consoles: ["Console", "How much of a reply the console in the page reads."],
  hosts: ["Hosts", "Slots, ports, heartbeats and time-outs; for a single box and for droplets."],
  balance: ["Services", "What gateways carry besides instances, see [services and applications](services.md)."],
  edge: ["Edge", "One encrypted address for each instance, carried by gateways; see [how it works](how-it-works.md)."],
  ports: ["Ports and workloads", "Ports that hosts balance over containers, see [ports and workloads](ports.md)."],
  cloud: ["DigitalOcean", "With a token the service runs its own fleet of droplets."],
  fleet: ["Fleet", "Size of the fleet, kind of the droplets, and when they are ordered and destroyed."],
  enrolment: ["Enrolment", "How new droplets join the fleet."],
  jobs: ["Jobs", "When each job runs, and how long history is kept."],
};

/** The text of docs/settings.md: a table for each room, a row for each setting, in the order of declaration. */
export function settingsPage(): string {
  const parts = (Object.keys(rooms) as (keyof typeof rooms)[]).map((name) => {
    const [title, about] = HEADINGS[name];
    const rows = Object.values<Setting>(rooms[name]).map(row);
    return [
      `## ${title}`,
      "",
      about,
      "",
      "| setting | default | unit | meaning |",
      "| --- | --- | --- | --- |",
      ...rows,
    ];
  });
  return [HEAD, ...parts.map((lines) => `${lines.join("\n")}\n`)].join("\n");
}

function row({ name, kind, default: fallback, meaning }: Setting): string {
  const cells = [`\`${name}\``, fallback === "" ? "" : `\`${fallback}\``, kind.unit, meaning];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
