import { PassThrough } from "node:stream";
import { Type } from "typebox";
import { readOverview } from "../../../core/operator/fleet-overview.ts";
import { ProblemError } from "../../../lib/http/problem.ts";
import { createOverviewFeed, type FeedMessage } from "./overview-feed.ts";
import type { OpsSessions } from "./sessions.ts";
import type { App } from "../../server.ts";
import { describeEvent } from "./events.ts";
import { forOperator, refusals } from "./schemas.ts";
import type { OpsParts } from "./index.ts";

const LOOK_MS = 1_000;
const RECHECK_MS = 5_000;
const RETRY_MS = 1_000;
/** Bytes that may wait for a viewer; one that is slower comes anew, and gets the whole at once. */
const MOST_WAITING = 4 * 1024 * 1024;
const EVENTS_TOLD = 100;
const ALARMS_TOLD = 20;
/** An alarm said within this time counts as one that goes on. */
const ALARM_MS = 5 * 60_000;

/** `GET /ops/api/stream`: the fleet and its events as they change, as server-sent events. */
export function opsStreamRoutes({ config, store, fleet, create, logger }: OpsParts, sessions: OpsSessions) {
  const rules = {
    isFleet: config.cloud !== undefined,
    standbys: config.fleet.standbys,
    cap: config.fleet.cap,
    bootTimeoutSeconds: config.fleet.bootTimeoutMs / 1000,
  };
  const watch = createOverviewFeed(
    {
      draw: () => readOverview({ fleet, store, rules }, create.clock()),
      listEvents: () => store.events.list({}, EVENTS_TOLD),
      listAlarms: () => store.events.listAlarms(new Date(create.clock().getTime() - ALARM_MS), ALARMS_TOLD),
      onFault: (fault) => logger.debug({ err: fault }, "fleet not drawn"),
    },
    LOOK_MS,
  );
  const streams = new Set<PassThrough>();

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
          ...forOperator,
          summary: "The fleet and its events as they change",
          description:
            "Server-sent events: picture (all of it), change (what is new in it), events, alarms (those that go on), silence (MySQL does not answer).",
          produces: ["text/event-stream"],
          response: { 200: Type.Unsafe<PassThrough>(Type.String()), ...refusals },
        },
      },
      async (request, reply) => {
        const stream = new PassThrough();
        stream.write(`retry: ${RETRY_MS}\n\n`);
        streams.add(stream);
        const leave = watch.follow((news) => {
          if (stream.writableLength > MOST_WAITING) stream.destroy();
          else stream.write(worded(news));
        });
        // Who logs out, or whose session is over, sees no more; that it cannot be asked now ends nothing.
        const recheck = setInterval(
          () => void sessions.admit(request).catch((fault: unknown) => isRefusal(fault) && stream.end()),
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

function worded(news: FeedMessage): string {
  const data = news.kind === "events" || news.kind === "alarms" ? news.data.map(describeEvent) : news.data;
  return `event: ${news.kind}\ndata: ${JSON.stringify(data)}\n\n`;
}

function isRefusal(fault: unknown): boolean {
  return fault instanceof ProblemError;
}
