import type { FastifyInstance } from "fastify";
import { sampleLogs, type LogSamples } from "../log-samples.ts";

/** Bounds the lines about refusals of the same kind, and logs each minute how many were left out of each kind. */
export function sampleRefusals(
  app: FastifyInstance,
  logger: { readonly info: (fields: object, message: string) => void },
  mostPerMinute: number,
): LogSamples {
  const samples = sampleLogs(mostPerMinute, (kind, suppressed) =>
    logger.info({ kind, suppressed }, "log lines left out"),
  );
  app.addHook("onClose", (_app, done) => {
    samples.stop();
    done();
  });
  return samples;
}
