import { setting } from "./declaration.ts";
import { whole } from "./kinds.ts";

/** Consoles: what they read of replies. */
export const consoles = {
  replyMb: setting(
    "CONSOLE_REPLY_MB",
    whole(1, 64, "MB"),
    1,
    "Longest reply that the console reads to its end. Of a longer one it shows the beginning and closes the connection.",
  ),
  replyMbPerMinute: setting(
    "CONSOLE_REPLY_MB_PER_MINUTE",
    whole(1, 100_000, "MB"),
    32,
    "Replies that the console reads and shows in a minute for one address, and for one instance, in each API process.",
  ),
};
