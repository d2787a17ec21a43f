import { PassThrough } from "node:stream";
import { Type } from "typebox";
import type { FastifyBaseLogger } from "fastify";
import type { KeptEvent } from "../../../core/events/event.ts";
import type { Events } from "../../../core/events/contract.ts";
import { readEdgeOverview, type EdgeOverviewPorts } from "../../../core/operator/edge-overview.ts";
import type { AnnouncedRules } from "../../../core/operator/read-announced.ts";
import { readOverview, type OverviewPorts, type OverviewRules } from "../../../core/operator/fleet-overview.ts";
import { seesVisitors, withoutVisitors } from "../../../core/operator/viewer.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { problems } from "../../problems/problems.ts";
import { createOverviewFeed, type FeedMessage, type StreamNews } from "./overview-feed.ts";
import type { OperatorLogins } from "./logins.ts";
import type { App } from "../../app.ts";
import { callerOf } from "./callers.ts";
import { describeEvent } from "./events.ts";
import { forViewer } from "./schemas.ts";

const LOOK_MS = 1_000;
const RECHECK_MS = 1_000;
const RETRY_MS = 1_000;
/**
 * Bytes that may wait for a viewer; a slower one is disconnected, connects again and gets the whole overview at
 * once.
 */
const MOST_WAITING = 4 * 1024 * 1024;
const EVENTS_TOLD = 100;
const ALARMS_TOLD = 20;
/** An alarm reported within this time counts as current. */
const ALARM_MS = 5 * 60_000;

/** What showing the fleet as it changes needs. */
export type OpsStreamParts = {
  readonly store: OverviewPorts["store"] &
    EdgeOverviewPorts["store"] & { readonly events: Pick<Events, "list" | "listAlarms"> };
  readonly edge?: EdgeOverviewPorts["edge"];
  readonly serviceReports: EdgeOverviewPorts["serviceReports"];
  readonly board: EdgeOverviewPorts["board"];
  readonly announcementRules: AnnouncedRules;
  readonly portMaps: EdgeOverviewPorts["portMaps"];
  readonly fleet: OverviewPorts["fleet"];
  readonly clock: () => Date;
  readonly logger: Pick<FastifyBaseLogger, "debug">;
  readonly settings: { readonly overview: OverviewRules; readonly operatorStreams: number };
};

/** `GET /ops/api/stream`: the fleet and its events as they change, as server-sent events. */
export function opsStreamRoutes(
  { store, fleet, clock, logger, settings, ...parts }: OpsStreamParts,
  logins: Pick<OperatorLogins, "recheck">,
) {
  const watch = createOverviewFeed(
    {
      draw: async () => {
        const [overview, edgeOverview] = await Promise.all([
          readOverview({ fleet, store, rules: settings.overview }, clock()),
          readEdgeOverview({ edge: undefined, ...parts, store }, parts.announcementRules),
        ]);
        return { ...overview, edge: edgeOverview };
      },
      listEvents: () => store.events.list({}, EVENTS_TOLD),
      listAlarms: () => store.events.listAlarms(new Date(clock().getTime() - ALARM_MS), ALARMS_TOLD),
      onFault: (fault) => logger.debug({ err: fault }, "fleet not drawn"),
    },
    LOOK_MS,
  );
  const streams = new Set<PassThrough>();
  const wordings = { whole: createWording((event) => event), withoutVisitors: createWording(withoutVisitors) };

  return (app: App) => {
    // They would keep the process from stopping.
    app.addHook("preClose", (done) => {
      for (const stream of streams) stream.end();
      done();
    });

    // A HEAD of it would never end.
    app.get(
      "/ops/api/stream",
      {
        exposeHeadRoute: false,
        schema: {
          ...forViewer,
          operationId: "followFleet",
          summary: "Follow the fleet and its events",
          description:
            "Sends server-sent events: `picture` (the whole fleet), `change` (what is new in it), `events`, `alarms` (those " +
            "that go on) and `silence` (the database does not answer).",
          produces: ["text/event-stream"],
          response: { 200: Type.Unsafe<PassThrough>(Type.String()) },
        },
      },
      async (request, reply) => {
        if (streams.size >= settings.operatorStreams)
          throw new ProblemError(problems.tooManyStreams(settings.operatorStreams));
        const caller = callerOf(request);
        const inWords = wordings[seesVisitors(caller.role) ? "whole" : "withoutVisitors"];
        const stream = new PassThrough();
        stream.write(`retry: ${RETRY_MS}\n\n`);
        streams.add(stream);
        const leave = watch.follow((news) => {
          if (stream.writableLength > MOST_WAITING) stream.destroy();
          // What has been ended is still read out: a write would break it off.
          else if (!stream.writableEnded) stream.write(inWords(news));
        });
        // A stream ends with its login, and when its reader's role changes. While that cannot be checked, it goes on.
        const recheck = setInterval(
          () => void logins.recheck(request, caller).catch((fault: unknown) => isRefusal(fault) && stream.end()),
          RECHECK_MS,
        );
        stream.once("close", () => {
          clearInterval(recheck);
          leave();
          streams.delete(stream);
        });
        return reply.type("text/event-stream; charset=utf-8").header("x-accel-buffering", "no").send(stream);
      },
    );
  };
}

/** Puts messages into words, each once for all streams that send it. */
function createWording(shown: (event: KeptEvent) => KeptEvent): (news: FeedMessage) => Buffer {
  const known = new WeakMap<FeedMessage, Buffer>();
  return (news) => {
    const words = known.get(news) ?? Buffer.from(worded(news, shown));
    known.set(news, words);
    return words;
  };
}

function worded(news: FeedMessage, shown: (event: KeptEvent) => KeptEvent): string {
  const { kind, data }: StreamNews =
    news.kind === "events" || news.kind === "alarms"
      ? { kind: news.kind, data: news.data.map(shown).map(describeEvent) }
      : news;
  return `event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
}

function isRefusal(fault: unknown): boolean {
  return fault instanceof ProblemError;
}
