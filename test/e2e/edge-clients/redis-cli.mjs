import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { BIG, say } from "./said.mjs";
import { steady } from "./steady.mjs";

const url = process.env.REDIS_URL;
const start = (...args) => spawn("redis-cli", ["-u", url, ...args], { stdio: ["pipe", "pipe", "pipe"] });

/** What it prints when it is run once. */
async function run(args, input = "") {
  const child = start(...args);
  child.stdin.end(input);
  return (await text(child.stdout)).trimEnd();
}

/** One that is typed to: a line it answers, and what it complains of is an error. */
function talk() {
  const child = start();
  const waiting = [];
  createInterface({ input: child.stdout }).on("line", (line) => waiting.shift()?.resolve(line));
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (!line.startsWith("Warning")) waiting.shift()?.reject(new Error(line));
  });
  const ask = (words) =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      child.stdin.write(`${words}\n`);
    });
  return { ask, end: () => child.kill() };
}

const cli = talk();
if (process.argv[2] === "steady") {
  await steady(async () => {
    const line = await cli.ask("CLIENT ID");
    if (!/^\d+$/.test(line)) throw new Error(line);
    return line;
  });
}
await run(["-x", "SET", "text"], BIG);
const multi = [];
for (const words of ["MULTI", "SET count 1", "EXEC"]) multi.push(await cli.ask(words));
const listening = start("SUBSCRIBE", "news");
const heard = [];
const lines = createInterface({ input: listening.stdout }).on("line", (line) => heard.push(line));
while (heard.length < 3) await once(lines, "line");
const popped = run(["BLPOP", "list", "10"]);
await run(["PUBLISH", "news", "hello"]);
await run(["RPUSH", "list", "now"]);
while (heard.length < 6) await once(lines, "line");
say({
  big: (await run(["GET", "text"])) === BIG,
  MULTI: multi.join() === "OK,QUEUED,OK",
  "pub/sub": heard.at(-1) === "hello",
  pop: (await popped) === "list\nnow",
  RESP3: /^proto\s+3$/m.test(await run(["-3", "HELLO"])),
});
for (const child of [cli, { end: () => listening.kill() }]) child.end();
