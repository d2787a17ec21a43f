import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { text } from "node:stream/consumers";
import type { Announcer, Services } from "../../core/balance/contract.ts";
import type { Routes, RoutesRead } from "../../core/edge/contract.ts";
import type { Events } from "../../core/events/contract.ts";
import { Unavailable } from "../../lib/unavailable.ts";

/** Where the control plane is, and who asks. */
export type ControlPlanePlace = {
  readonly url: string;
  /** Certificates of the CA by which it is recognised, in PEM. */
  readonly ca: string;
  readonly gateway: string;
  readonly secret: string;
  readonly answerMs: number;
};

/** What a gateway has from the control plane, in place of a store of its own. */
export type ControlPlane = {
  readonly routes: Routes;
  readonly services: Pick<Services, "list">;
  readonly announcers: { readonly list: () => Promise<readonly Pick<Announcer, "name" | "applications">[]> };
  readonly events: Pick<Events, "add">;
  /** The certificate to serve; undefined when it is the one that was read last. */
  readonly readCertificate: () => Promise<{ readonly chain: string; readonly key: string } | undefined>;
  readonly close: () => void;
};

/** Of an answer, before it counts as none of ours. */
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * The control plane over HTTPS, for a gateway that has enrolled there. Calls throw `Unavailable` while it does not
 * answer: what is known stays then.
 * @param onDraining called with what each answer says: whether this gateway is to get no new clients
 */
export function createControlPlane(
  { url, ca, gateway, secret, answerMs }: ControlPlanePlace,
  onDraining: (isDraining: boolean) => void,
): ControlPlane {
  const agent = new Agent({ ca, keepAlive: true, maxSockets: 4, minVersion: "TLSv1.2" });
  let certificateTag: string | undefined;

  /** @throws Unavailable when there is no answer of the statuses that are expected */
  async function ask(
    method: "GET" | "POST",
    what: string,
    { body, headers = {} }: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<{ readonly status: number; readonly text: string; readonly etag: string | undefined }> {
    try {
      return await answerOf(method, what, body, headers);
    } catch (fault) {
      // A kept connection may have been closed at the other end while this was on its way.
      if ((fault as NodeJS.ErrnoException).code !== "ECONNRESET") throw new Unavailable("mysql", fault);
    }
    return answerOf(method, what, body, headers).catch((fault: unknown) => {
      throw new Unavailable("mysql", fault);
    });
  }

  async function answerOf(method: string, what: string, body: unknown, headers: Readonly<Record<string, string>>) {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const signal = AbortSignal.timeout(answerMs);
    const asked = request(`${url}/gateways/${gateway}/${what}`, {
      agent,
      method,
      signal,
      headers: {
        authorization: `Bearer ${secret}`,
        ...(sent !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(sent) }),
        ...headers,
      },
    });
    asked.end(sent);
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    let bytes = 0;
    answer.on("data", (part: Buffer) => {
      bytes += part.length;
      if (bytes > MOST_BYTES) answer.destroy(new Error(`the answer has more than ${MOST_BYTES} bytes`));
    });
    const content = await text(answer);
    const { statusCode: status = 0 } = answer;
    if (status >= 400) throw new Error(`the control plane answers ${status} to ${what}: ${content.slice(0, 200)}`);
    onDraining(answer.headers["x-gateway-drains"] === "true");
    return { status, text: content, etag: answer.headers.etag };
  }

  async function asJson<T>(answer: Promise<{ readonly text: string }>): Promise<T> {
    const { text: content } = await answer;
    try {
      return JSON.parse(content) as T;
    } catch (fault) {
      throw new Unavailable("mysql", fault);
    }
  }

  type Declared = {
    readonly services: Awaited<ReturnType<Services["list"]>>;
    readonly announcers: readonly Pick<Announcer, "name" | "applications">[];
  };
  let reading: Promise<Declared> | undefined;
  /** One answer has both, for all who ask meanwhile. */
  function readDeclared(): Promise<Declared> {
    reading ??= asJson<Declared>(ask("GET", "services")).finally(() => (reading = undefined));
    return reading;
  }

  return {
    routes: {
      read: (mark, named) => asJson<RoutesRead>(ask("POST", "routes", { body: { ...mark, named } })),
    },
    services: { list: async () => (await readDeclared()).services },
    announcers: { list: async () => (await readDeclared()).announcers },
    events: {
      add: async ({ kind, reason, alarm, data }) => {
        await ask("POST", "events", { body: { kind, reason: reason.slice(0, 500), alarm, data } });
      },
    },
    readCertificate: async () => {
      const headers = certificateTag === undefined ? {} : { "if-none-match": certificateTag };
      const answer = await ask("GET", "certificate", { headers });
      if (answer.status === 304) return undefined;
      const certificate = await asJson<{ chain: string; key: string }>(Promise.resolve(answer));
      certificateTag = answer.etag;
      return certificate;
    },
    close: () => agent.destroy(),
  };
}
