import { problemsOf } from "../lib/http/problem.ts";

const problem = problemsOf({
  "token-missing": { status: 401, title: "A token is needed", when: "The request has no bearer token." },
  "token-wrong": { status: 401, title: "Wrong token", when: "No booting host has this name and token." },
  "gateway-unknown": { status: 401, title: "Unknown gateway", when: "No gateway has this name and secret." },
  "not-found": { status: 404, title: "Not found", when: "Nothing is at this path." },
});

/**
 * Every refusal that is specific to the enrolment. The answer is the same for a wrong token and for one that
 * has been used.
 */
export const problems = {
  tokenMissing: () =>
    problem(
      "token-missing",
      "Send the token that the host was ordered with as the header Authorization: Bearer <token>.",
      { challenges: ["Bearer"] },
    ),
  tokenWrong: () =>
    problem("token-wrong", "No booting host has this name and token, or it has enrolled with another key.", {
      challenges: ['Bearer error="invalid_token"'],
    }),
  gatewayUnknown: () =>
    problem("gateway-unknown", "No gateway has this name and secret, or it is at its end.", {
      challenges: ['Bearer error="invalid_token"'],
    }),
  nothingHere: () => problem("not-found", "Page not found. Hosts enrol at POST /hosts/<name>/enrolment."),
} as const;

/** Texts for what Fastify finds wrong before a handler sees the request. */
export const unreadable: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "Send a certificate request in PEM, as application/pkcs10.",
  FST_ERR_CTP_BODY_TOO_LARGE: "The body has more than 8 KiB.",
};
