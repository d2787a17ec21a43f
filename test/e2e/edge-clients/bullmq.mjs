import { Queue, QueueEvents, Worker } from "bullmq";

const connection = { url: process.env.REDIS_URL, maxRetriesPerRequest: null };
const queue = new Queue("edge", { connection });
const events = new QueueEvents("edge", { connection });
const worker = new Worker("edge", (job) => Promise.resolve(job.data.n * 2), { connection });
await Promise.all([queue.waitUntilReady(), events.waitUntilReady(), worker.waitUntilReady()]);
const job = await queue.add("double", { n: 21 });
const delayed = await queue.add("later", { n: 1 }, { delay: 50 });
console.log(
  JSON.stringify([await job.waitUntilFinished(events, 10_000), await delayed.waitUntilFinished(events, 10_000)]),
);
await Promise.all([worker.close(), events.close(), queue.close()]);
