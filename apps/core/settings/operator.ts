import { optional, type ValuesOf } from "./declaration.ts";
import { contact, label, link, text } from "./kinds.ts";

/** Who runs the service, as everybody may read it. */
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
};

/** Who runs the service, out of the settings. */
export type OperatorFacts = ValuesOf<typeof operator>;
