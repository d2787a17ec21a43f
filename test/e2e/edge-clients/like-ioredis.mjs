import { once } from "node:events";
import { BIG, say } from "./said.mjs";
import { steady } from "./steady.mjs";

/** Uses ioredis, or what has the same interface. @param protocols none where it knows one alone */
export async function useLikeIoredis(Redis, protocols = [undefined]) {
  const connect = (protocol) => new Redis(process.env.REDIS_URL, protocol === undefined ? {} : { protocol });
  if (process.argv[2] === "steady") {
    const [, , , query] = process.argv;
    const redis = query === undefined ? connect() : new Redis(`${process.env.REDIS_URL}?${query}`);
    const errors = [];
    redis.on("error", (error) => errors.push(`event: ${error.message}`));
    await steady(() => redis.client("ID"), errors);
  }
  const all = {};
  for (const protocol of protocols) {
    const clients = [1, 2, 3].map(() => connect(protocol));
    const found = await tryAll(...clients);
    if (protocol === 3) found.RESP3 = Object.values(found).every(Boolean) && (await speaksThree(clients[0]));
    for (const [feature, isFine] of Object.entries(found)) all[feature] = isFine && all[feature] !== false;
    for (const each of clients) each.disconnect();
  }
  say(all);
}

async function tryAll(redis, listener, waiting) {
  await redis.set("text", BIG);
  const big = (await redis.get("text")) === BIG;
  await redis.del("count");
  const multi = await redis.multi().incr("count").get("count").exec();
  await listener.subscribe("news");
  const message = once(listener, "message");
  await redis.publish("news", "hello");
  const popped = waiting.blpop("list", 10);
  await redis.rpush("list", "now");
  return {
    big,
    MULTI: JSON.stringify(multi) === '[[null,1],[null,"1"]]',
    "pub/sub": (await message)[1] === "hello",
    pop: (await popped)[1] === "now",
  };
}

async function speaksThree(redis) {
  const told = await redis.call("HELLO");
  return told[told.indexOf("proto") + 1] === 3;
}
