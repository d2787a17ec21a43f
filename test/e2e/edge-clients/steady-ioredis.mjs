import { Redis } from "ioredis";
import { steady } from "./steady.mjs";

const redis = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: 100 });
let isLost = false;
redis.on("close", () => (isLost = true));
redis.on("error", () => undefined);
await steady(
  () => redis.incr("steady"),
  () => isLost,
);
