import { once } from "node:events";
import { Redis } from "ioredis";

const url = process.env.REDIS_URL;
const big = "x".repeat(1_000_000);
const [redis, listener, waiting] = [new Redis(url), new Redis(url), new Redis(url)];
await redis.set("ioredis", big);
const same = (await redis.get("ioredis")) === big;
const multi = await redis.multi().incr("ioredis-count").get("ioredis-count").exec();
await listener.subscribe("ioredis-news");
const message = once(listener, "message");
await redis.publish("ioredis-news", "hello");
const popped = waiting.blpop("ioredis-list", 10);
await redis.rpush("ioredis-list", "now");
console.log(JSON.stringify([same, multi, await message, await popped]));
for (const each of [redis, listener, waiting]) each.disconnect();
