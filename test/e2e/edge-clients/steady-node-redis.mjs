import { createClient } from "redis";
import { steady } from "./steady.mjs";

const client = createClient({ url: process.env.REDIS_URL });
let isLost = false;
client.on("error", () => (isLost = true));
await client.connect();
await steady(
  () => client.incr("steady"),
  () => isLost,
);
