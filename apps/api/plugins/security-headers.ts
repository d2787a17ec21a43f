import helmet from "@fastify/helmet";
import type { App } from "../app.ts";

const none = ["'none'"];
const own = ["'self'"];
const directives = {
  "default-src": none,
  "script-src": own,
  "worker-src": own,
  "style-src": own,
  "img-src": [...own, "data:"],
  "connect-src": own,
  "form-action": own,
  "base-uri": none,
  "frame-ancestors": none,
};

/** Pages load from our own origin only, without inline script or style, and no other page can frame them. */
export async function addSecurityHeaders(app: App): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives },
    referrerPolicy: { policy: "same-origin" },
    // The proxy that terminates TLS decides whether browsers must use https.
    hsts: false,
  });
}

/** The same for the form that tries calls, with the one inline style that Swagger UI sets on itself. As the header's value. */
export const tryOutSecurityPolicy = headerValue({
  ...directives,
  "style-src": [...own, "'unsafe-hashes'", "'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='"],
});

function headerValue(policy: Readonly<Record<string, readonly string[]>>): string {
  return Object.entries(policy)
    .map(([name, sources]) => [name, ...sources].join(" "))
    .join("; ");
}
