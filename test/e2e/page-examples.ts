import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A line that a page shows, and the answer that it shows to it. */
export type PageExample = { readonly command: string; readonly answer: string };

/** The examples of the reference's page, out of its HTML. */
export function examplesOf(page: string): PageExample[] {
  return [
    ...page.matchAll(
      /<pre class="command"[^>]*><code>([^]*?)<\/code>[^]*?<pre class="answer"[^>]*><code>([^]*?)<\/code>/g,
    ),
  ].map(([, command = "", answer = ""]) => ({ command: plain(command), answer: plain(answer) }));
}

/** Runs a line in a shell with these variables, and gives what it prints. */
export async function runInShell(command: string, variables: Readonly<Record<string, string>>): Promise<string> {
  const { stdout } = await run("bash", ["-c", command], { env: { PATH: process.env["PATH"], ...variables } });
  return stdout;
}

/** The form of an answer: names and types of a JSON object, or a text without what differs from one to the next. */
export function shapeOf(answer: string): unknown {
  return answer.startsWith("{") ? typesOf(JSON.parse(answer)) : withoutValues(answer);
}

function typesOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(typesOf);
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, typesOf(each)]));
}

function withoutValues(text: string): string {
  return text
    .replaceAll(/https?:\/\/[^/\s]+/g, "<origin>")
    .replaceAll(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>")
    .replaceAll(/\b[\w-]{16,}\b/g, "<secret>")
    .replaceAll(/@[\w.-]+:\d+/g, "@<address>");
}

function plain(html: string): string {
  const signs: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  return html.replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => signs[name] ?? "");
}
