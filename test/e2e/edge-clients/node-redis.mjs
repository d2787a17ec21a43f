import { createClient } from "redis";
import { BIG, say } from "./said.mjs";
import { steady } from "./steady.mjs";

const url = process.env.REDIS_URL;
if (process.argv[2] === "steady") {
  const client = createClient({ url });
  const errors = [];
  client.on("error", (error) => errors.push(`event: ${error.message}`));
  await client.connect();
  await steady(() => client.sendCommand(["CLIENT", "ID"]), errors);
}
const all = {};
for (const RESP of [2, 3]) {
  const [client, listener, waiting] = await Promise.all([1, 2, 3].map(() => createClient({ url, RESP }).connect()));
  await client.set("text", BIG);
  const heard = new Promise(
    (resolve) => void listener.subscribe("news", resolve).then(() => client.publish("news", "hello")),
  );
  const popped = waiting.blPop("list", 10);
  await client.rPush("list", "now");
  const hello = await client.sendCommand(["HELLO"]);
  const found = {
    big: (await client.get("text")) === BIG,
    MULTI: JSON.stringify(await client.multi().set("count", "1").get("count").exec()) === '["OK","1"]',
    "pub/sub": (await heard) === "hello",
    pop: (await popped).element === "now",
    // Only RESP3 has a type for maps.
    ...(RESP === 3 && { RESP3: !Array.isArray(hello) }),
  };
  for (const [feature, isFine] of Object.entries(found)) all[feature] = isFine && all[feature] !== false;
  for (const each of [client, listener, waiting]) each.destroy();
}
say(all);
