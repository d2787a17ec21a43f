import { setting } from "./declaration.ts";
import { whole } from "./kinds.ts";

/** Consoles: what they read of replies. */
export const consoles = {
  replyMb: setting(
    "CONSOLE_REPLY_MB",
    whole(1, 64, "MB"),
    1,
    "Reply that the console reads to its end, to show its beginning; at a longer one it closes its connection.",
  ),
  replyMbPerMinute: setting(
    "CONSOLE_REPLY_MB_PER_MINUTE",
    whole(1, 100_000, "MB"),
    32,
    "Replies that the consoles of an address, and those of an instance, may read and show in a minute, for each API process.",
  ),
};
