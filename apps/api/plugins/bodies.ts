import formbody from "@fastify/formbody";
import { readOutRefusedBodies, takeEmptyJson } from "../../lib/http/requests.ts";
import type { App } from "../app.ts";

/** Accepts bodies as JSON and as forms, and no others. */
export async function takeBodies(app: App): Promise<void> {
  readOutRefusedBodies(app);
  takeEmptyJson(app);
  app.removeContentTypeParser("text/plain");
  await app.register(formbody);
}
