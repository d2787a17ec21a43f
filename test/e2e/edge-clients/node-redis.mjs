import { createClient } from "redis";

const url = process.env.REDIS_URL;
const big = "x".repeat(1_000_000);
const said = [];
for (const RESP of [2, 3]) {
  const [client, listener, waiting] = await Promise.all([1, 2, 3].map(() => createClient({ url, RESP }).connect()));
  await client.set("node", big);
  const heard = new Promise(
    (resolve) => void listener.subscribe("node-news", resolve).then(() => client.publish("node-news", "hello")),
  );
  const popped = waiting.blPop("node-list", 10);
  await client.rPush("node-list", "now");
  said.push([
    RESP,
    (await client.get("node")) === big,
    await client.multi().set("node-count", "1").get("node-count").exec(),
    await heard,
    (await popped).element,
  ]);
  for (const each of [client, listener, waiting]) each.destroy();
}
console.log(JSON.stringify(said));
