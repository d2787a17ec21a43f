import { Redis } from "ioredis";
import { useLikeIoredis } from "./like-ioredis.mjs";

await useLikeIoredis(Redis, [2, 3]);
