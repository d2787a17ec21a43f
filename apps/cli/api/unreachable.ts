import { messageOf } from "../../lib/errors.ts";
import { stop, type Stopped } from "../stopped.ts";

/** What `fetch` has as the cause of its fault. */
export type ConnectFault = { readonly code?: string; readonly message?: string };

/** Says why no answer came, and what to do about it. */
export function unreachable(request: Request, fault: unknown, timeoutMs: number): Stopped {
  const { origin, protocol, hostname } = new URL(request.url);
  const about = (why: string) =>
    stop("noService", "unreachable", "The service cannot be reached", `No answer from ${origin}: ${why}`, {
      cause: fault,
    });
  if (fault instanceof Error && fault.name === "TimeoutError")
    return about(`none within ${timeoutMs / 1000} s. --timeout gives it more time.`);
  const { code = "", message = messageOf(fault) } = causeOf(fault);
  switch (code) {
    case "ECONNREFUSED":
      return about("nothing listens there. Is the service running, and is the address of --api right?");
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return about(`the name ${hostname} does not lead to an address. Is the address of --api right?`);
    case "ECONNRESET":
    case "EPIPE":
    case "UND_ERR_SOCKET":
      return about("the connection was closed before the answer.");
    case "CERT_HAS_EXPIRED":
      return about("its certificate has expired.");
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return about(`its certificate is for another name than ${hostname}.`);
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return about("its certificate is of no authority that is known here. NODE_EXTRA_CA_CERTS=FILE adds one.");
    default:
      if (protocol === "https:" && code.startsWith("ERR_SSL_")) return about("it does not speak TLS there.");
      return about(`${message}.`);
  }
}

/** Of a fault that stands for several tries, the first. */
function causeOf(fault: unknown): ConnectFault {
  const cause = fault instanceof Error ? fault.cause : undefined;
  const one: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  return typeof one === "object" && one !== null ? one : {};
}
