import { Redis } from "iovalkey";
import { useLikeIoredis } from "./like-ioredis.mjs";

await useLikeIoredis(Redis);
