import { setTimeout as delay } from "node:timers/promises";
import { Queue, QueueEvents, Worker } from "bullmq";
import { say } from "./said.mjs";
import { back } from "./steady.mjs";

const connection = { url: process.env.REDIS_URL, maxRetriesPerRequest: null };
const errors = [];
const listen = (part) => part.on("error", (error) => errors.push(`event: ${error.message}`));
const queue = listen(new Queue("edge", { connection }));
const worker = listen(new Worker("edge", (job) => Promise.resolve(job.data.n * 2), { connection }));
await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);

if (process.argv[2] === "steady") {
  let [isLost, isAddedSince] = [false, false];
  for (const part of [queue, worker]) part.on("ioredis:close", () => (isLost = true));
  let doneAt;
  worker.on("completed", () => {
    if (doneAt === undefined) console.log("steady");
    else if (isLost && isAddedSince) back(performance.now() - doneAt, errors);
    doneAt = performance.now();
  });
  for (; ; await delay(10)) {
    const wasLost = isLost;
    await queue.add("double", { n: 21 }, { removeOnComplete: true });
    isAddedSince = wasLost;
  }
}
const events = new QueueEvents("edge", { connection });
await events.waitUntilReady();
const job = await queue.add("double", { n: 21 });
const delayed = await queue.add("later", { n: 1 }, { delay: 50 });
const done = [await job.waitUntilFinished(events, 10_000), await delayed.waitUntilFinished(events, 10_000)];
say({ queues: JSON.stringify(done) === "[42,2]" });
await Promise.all([worker.close(), events.close(), queue.close()]);
