import type { Problem } from "../lib/http/problem.ts";

/**
 * Every refusal that is specific to the enrolment. The answer is the same for a wrong token and for one that
 * has been used.
 */
export const problems = {
  tokenMissing: (): Problem => ({
    type: "urn:getaredis:token-missing",
    title: "A token is needed",
    status: 401,
    detail: "Send the token that the host was ordered with as the header Authorization: Bearer <token>.",
  }),
  tokenWrong: (): Problem => ({
    type: "urn:getaredis:token-wrong",
    title: "The token does not fit",
    status: 401,
    detail: "No host that is booting has this name and token, or it has enrolled with another key.",
  }),
  nothingHere: (): Problem => ({
    type: "urn:getaredis:not-found",
    title: "There is nothing here",
    status: 404,
    detail: "Hosts enrol at POST /hosts/<name>/enrolment.",
  }),
} as const;

/** Texts for what Fastify finds wrong before a handler sees the request. */
export const unreadable: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "Send a certificate request in PEM, as application/pkcs10.",
  FST_ERR_CTP_BODY_TOO_LARGE: "The body has more than 8 KiB.",
};
