import type { MisuseRules } from "../operator/misuse.ts";
import { optional, setting, type ValuesOf } from "./declaration.ts";
import { contact, duration, label, link, oneOf, text, whole } from "./kinds.ts";

/** Who runs the service, as everybody may read it; whom it keeps out; and what it takes for misuse. */
export const operator = {
  name: optional(
    "OPERATOR_NAME",
    label,
    "Who runs this service, as the page's foot and the API's reference tell everybody. Default: not told.",
  ),
  contact: optional(
    "CONTACT",
    contact,
    "Mail address or https URL for complaints and questions: on the page, in the reference, and in refusals that " +
      "only the operator can undo. Default: none is named.",
  ),
  termsUrl: optional("TERMS_URL", link, "Where the terms of use are; linked from page and reference. Default: none."),
  privacyUrl: optional(
    "PRIVACY_URL",
    link,
    "Where it stands what is kept of visitors; linked from page and reference. Default: none.",
  ),
  sourceUrl: optional(
    "SOURCE_URL",
    link,
    "Where the source of what runs here is; linked from page and reference. Default: none.",
  ),
  blockListFile: optional(
    "BLOCK_LIST_FILE",
    text,
    "File of networks that get no instances, a CIDR a line, `#` begins a comment; read again when it changes, by the " +
      "processes that run jobs, which all need the same one. Default: none.",
  ),
  egressMb: setting(
    "MISUSE_EGRESS_MB_PER_MINUTE",
    whole(0, 1_000_000, "MB"),
    600,
    "An instance that sends more within a minute looks misused: an alarm names it. 0 looks at nothing.",
  ),
  logins: setting(
    "MISUSE_LOGINS_PER_MINUTE",
    whole(0, 1_000_000_000, "log-ins"),
    6000,
    "An instance whose clients, all together, log in more often than that within a minute looks misused: a hundred new " +
      "connections a second are as many. Wrong passwords do not count. 0 looks at nothing.",
  ),
  subscribers: optional(
    "MISUSE_SUBSCRIBERS",
    whole(0, 1_000_000, "addresses"),
    "An instance to whose channels clients at more addresses than that have subscribed at once looks misused; " +
      "an IPv6 /64 is one. 0 looks at nothing. Default: INSTANCE_MAX_CLIENTS.",
  ),
  misuseMode: setting(
    "MISUSE_MODE",
    oneOf(["report", "end"]),
    "report",
    "What is done about an instance that looks misused: report raises an alarm, " +
      "end ends it as well, when it goes on for MISUSE_GRACE_SECONDS.",
  ),
  misuseGraceMs: setting(
    "MISUSE_GRACE_SECONDS",
    duration(0, 86_400),
    300,
    "Time from the first report to the end of an instance that goes on looking misused.",
  ),
};

type OperatorSettings = ValuesOf<typeof operator>;

/** Who runs the service, out of the settings. */
export type OperatorFacts = Pick<OperatorSettings, "name" | "contact" | "termsUrl" | "privacyUrl" | "sourceUrl">;

/** What looks like misuse, and what is done about it, out of the settings. */
export function misuseRules(
  { egressMb, logins, subscribers, misuseMode, misuseGraceMs }: OperatorSettings,
  { maxClients }: { readonly maxClients: number },
  { serverSecret }: { readonly serverSecret: string },
): MisuseRules {
  const mostSubscribers = subscribers ?? maxClients;
  return {
    bounds: {
      egressMbPerMinute: egressMb === 0 ? undefined : egressMb,
      loginsPerMinute: logins === 0 ? undefined : logins,
      subscribers: mostSubscribers === 0 ? undefined : mostSubscribers,
    },
    mode: misuseMode,
    graceMs: misuseGraceMs,
    serverSecret,
  };
}
