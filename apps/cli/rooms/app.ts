import { hostname } from "node:os";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import {
  ANNOUNCEMENT_PREFIX,
  ANNOUNCER_NAME_PATTERN,
  announcerUserPrefix,
  LONGEST_LIFE_MS,
  readAnnouncement,
} from "../../core/balance/announcement.ts";
import { messageOf } from "../../lib/errors.ts";
import { answered } from "../api/answers.ts";
import type { Schemas } from "../api/client.ts";
import type { Context } from "../context.ts";
import { readSecret } from "../credentials/secrets.ts";
import { readSeconds } from "../input/durations.ts";
import type { Column, Tone } from "../output/table.ts";
import { stop, usage, type Stopped } from "../stopped.ts";
import type { World } from "../world.ts";

const REDIS = "GETAREDIS_REDIS";
const PASSWORD = "GETAREDIS_ANNOUNCER_PASSWORD";
const USUAL_LIFE = 30;
/** It is said again before it runs out, also where one try fails. */
const TIMES_IN_A_LIFE = 3;

/** `app`: applications that hosts announce to gateways. */
export function addAppRoom(program: CommandUnknownOpts, { operator, show, world }: Context): void {
  const room = program
    .command("app")
    .alias("apps")
    .description("See the applications that hosts announce to gateways, and announce those of this host.");

  room
    .command("list")
    .description("List what hosts announce now, what is wrong with it, and who does not get what another one owns.")
    .action(async () => {
      const announcements = await answered((await operator()).GET("/ops/api/announcements"));
      show.rows(linesOf(announcements), columns, "No host announces an application.", announcements);
    });

  room
    .command("announce")
    .description(
      "Announce applications of this host until Ctrl-C, then leave. The file is read again each time; of a bad one it is " +
        "told, and what was announced before stays. It needs no operator's token, but the password of an announcer.",
    )
    .argument("<file>", 'JSON such as {"address": "10.0.0.5", "applications": […]}, as docs/services.md tells')
    .option("--redis <url>", `the service's Redis, such as redis://10.0.0.2:6379 [${REDIS}]`)
    .option("--name <announcer>", "name of the announcer (default: this machine's)")
    .option("--password-file <file>", `file with the announcer's password, - for standard input [${PASSWORD}]`)
    .option("--life <time>", "how long it stays after this host is gone (default: 30 s)", readLife, USUAL_LIFE)
    .option("--once", "announce once, and end")
    .action(async (file, { redis, name = hostname().toLowerCase().replace(/\..*$/, ""), passwordFile, life, once }) => {
      if (!new RegExp(ANNOUNCER_NAME_PATTERN).test(name))
        throw usage(`${JSON.stringify(name)} is no name of an announcer.`);
      const url = readRedis(redis ?? world.env[REDIS] ?? "");
      const password = await readSecret(world, passwordFile, PASSWORD);
      if (password === undefined)
        throw stop(
          "notAllowed",
          "no-announcer-password",
          "An announcer's password is needed",
          `Set ${PASSWORD}, or ${PASSWORD}_FILE or --password-file to a file that holds it. ` +
            "getaredis announcer create makes one.",
        );
      const say = sayer(world, { url, user: `${announcerUserPrefix}${name}`, password });
      const key = `${ANNOUNCEMENT_PREFIX}${name}`;
      let text = await readApplications(world, file, name);
      const announce = async () => {
        const fault = await say(["SET", key, text, "EX", String(life)]);
        if (fault) throw fault;
      };
      await announce();
      show.next({ announcer: name, key, lifeSeconds: life }, `${name} announces what is in ${file}.\n`);
      if (once) return;
      const { interrupted } = world;
      for (;;) {
        const isOver = await world.delay((life * 1000) / TIMES_IN_A_LIFE, interrupted).then(
          () => false,
          () => true,
        );
        if (isOver) break;
        try {
          // Standard input can be read once.
          if (file !== "-") text = await readApplications(world, file, name);
        } catch (fault) {
          show.note(`What was announced before stays: ${messageOf(fault)}`);
        }
        await announce().catch((fault: unknown) => show.note(messageOf(fault)));
      }
      const fault = await say(["DEL", key]);
      if (fault) throw fault;
      show.next({ announcer: name, key, left: true }, `${name} announces nothing more.\n`);
    });
}

/** Says a command, and resolves to what is wrong; undefined when it was done. */
function sayer({ remote }: World, place: { readonly url: string; readonly user: string; readonly password: string }) {
  return async (command: readonly string[]): Promise<Stopped | undefined> => {
    let answer: string | undefined;
    try {
      [answer] = await remote.sayToRedis({ ...place, timeoutMs: 5000 }, [command]);
    } catch (cause) {
      const detail = `No answer from ${place.url}: ${messageOf(cause)}.`;
      return stop("noService", "unreachable", "The service's Redis cannot be reached", detail, { cause });
    }
    if (answer === undefined || !answer.startsWith("-")) return undefined;
    const isRefused = /^-(WRONGPASS|NOPERM|NOAUTH)/.test(answer);
    return stop(
      isRefused ? "notAllowed" : "refused",
      "announcement-refused",
      "Redis refuses it",
      `${answer.slice(1)}.${isRefused ? " Are name and password those of getaredis announcer create?" : ""}`,
    );
  };
}

/** The text of the announcement, when there is nothing wrong with it that can be known here. */
async function readApplications({ files, stdin }: World, file: string, host: string): Promise<string> {
  const text = file === "-" ? await stdin.read() : await files.read(file);
  if (text === undefined) throw usage(`There is no file ${file}.`);
  const { refused, applications } = readAnnouncement(host, text, LONGEST_LIFE_MS, {
    own: { ips: [], ports: [] },
    // Which ones the service has for applications, it alone knows.
    listenPorts: Array.from({ length: 65_535 }, (_, index) => index + 1),
    reservedDomains: [],
    allowedTo: () => undefined,
  });
  const [fault] = refused;
  if (fault)
    throw usage(
      `What is in ${file} cannot be announced: ${fault.application === null ? "" : `application ${fault.application}: `}${fault.reason}.`,
    );
  if (applications.length === 0) throw usage(`${file} names no application.`);
  return text;
}

function readRedis(text: string): string {
  if (text === "") throw usage(`Name the service's Redis by --redis or ${REDIS}, such as redis://10.0.0.2:6379.`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["redis:", "rediss:"].includes(url.protocol) || url.hostname === "")
    throw usage("--redis must be an address such as redis://10.0.0.2:6379.");
  if (url.username !== "" || url.password !== "")
    throw usage("--redis must not have a user or password in it. The password comes from the environment or a file.");
  return `${url.protocol}//${url.host}`;
}

function readLife(text: string): number {
  const seconds = readSeconds(text);
  if (seconds >= 3 && seconds * 1000 <= LONGEST_LIFE_MS) return seconds;
  throw usage("--life must be between 3 s and 1h.");
}

/** What a host announces, or what is wrong with it. */
type Line = {
  readonly host: string;
  readonly name: string;
  readonly port: string;
  readonly domains: string;
  readonly target: string;
  readonly state: string;
  readonly tone: Tone;
};

function linesOf({ hosts, conflicts }: Schemas["Announcements"]): Line[] {
  const lines = hosts.flatMap(({ host, applications, refused }): Line[] => [
    ...applications.map(({ name, listenPort, protocol, domains, target }): Line => {
      const lost = conflicts.filter((each) => each.application === name && each.hosts.includes(host));
      return {
        host,
        name,
        port: `${listenPort} ${protocol}`,
        domains: domains.join(" ") || "-",
        target,
        state: lost.length === 0 ? "served" : lost.map(({ claim, owner }) => `${claim} is ${owner}'s`).join("; "),
        tone: lost.length === 0 ? "good" : "bad",
      };
    }),
    ...refused.map(({ application, reason }): Line => ({
      host,
      name: application ?? "-",
      port: "-",
      domains: "-",
      target: "-",
      state: `left out: ${reason}`,
      tone: "bad",
    })),
  ]);
  return lines;
}

const columns: readonly Column<Line>[] = [
  { title: "HOST", of: ({ host }) => host },
  { title: "APPLICATION", of: ({ name }) => name },
  { title: "PORT", of: ({ port }) => port },
  { title: "DOMAINS", of: ({ domains }) => domains, isCut: true },
  { title: "SERVED AT", of: ({ target }) => target },
  { title: "STATE", of: ({ state }) => state, isCut: true, tone: ({ tone }) => tone },
];
