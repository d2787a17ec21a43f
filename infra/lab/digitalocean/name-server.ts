import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import {
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  TRUNCATED_RESPONSE,
  type Answer,
  type DecodedPacket,
  type Packet,
  type Question,
} from "dns-packet";
import { domainOf } from "../../../apps/core/fleet/dns.ts";
import { wholeName, type Domains, type LabRecord } from "./domains.ts";

/** A server of the domains' records. */
export type NameServer = { readonly host: string; readonly port: number; readonly stop: () => Promise<void> };

const [NOERROR, FORMERR, NXDOMAIN, NOTIMP, REFUSED] = [0, 1, 3, 4, 5];
/** The bits of the flags that hold the kind of query; 0 is the usual one. */
const OPCODE = 0x7800;
/** By UDP, to whoever does not say that it takes more. */
const USUAL_BYTES = 512;
const MOST_BYTES = 1232;
const IDLE_MS = 5_000;
const MOST_CONNECTIONS = 100;
const TRIES = 20;

/** Answers DNS from the domains' records, by UDP and TCP at one port. */
export async function startNameServer(domains: Domains, host: string, port = 0): Promise<NameServer> {
  const answer = createAnswers(domains);
  for (let tries = 1; ; tries++) {
    const udp = createSocket(host.includes(":") ? "udp6" : "udp4");
    udp.on("message", (message, { address, port: from }) => {
      const reply = answer(message, "udp");
      if (reply) udp.send(reply, from, address);
    });
    udp.bind(port, host);
    await once(udp, "listening");
    const bound = udp.address().port;
    const connections = new Set<Socket>();
    const tcp = createServer((connection) => {
      connections.add(connection.on("close", () => connections.delete(connection)));
      serve(connection, (message) => answer(message, "tcp"));
    });
    tcp.maxConnections = MOST_CONNECTIONS;
    tcp.listen(bound, host);
    try {
      await once(tcp, "listening");
    } catch (fault) {
      udp.close();
      // Somebody else has the port of TCP.
      if (port !== 0 || tries === TRIES) throw fault;
      continue;
    }
    return {
      host,
      port: (tcp.address() as AddressInfo).port,
      stop: async () => {
        udp.close();
        tcp.close();
        for (const connection of connections) connection.destroy();
        await once(tcp, "close");
      },
    };
  }
}

/** Messages by TCP have their length in two bytes before them. */
function serve(connection: Socket, answer: (message: Buffer) => Buffer | undefined): void {
  let received = Buffer.alloc(0);
  connection.setTimeout(IDLE_MS, () => connection.destroy());
  connection.on("error", () => connection.destroy());
  connection.on("data", (bytes) => {
    received = Buffer.concat([received, bytes]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      const reply = answer(received.subarray(2, end));
      received = received.subarray(end);
      if (!reply) return void connection.destroy();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      connection.write(Buffer.concat([length, reply]));
    }
  });
}

function createAnswers(domains: Domains) {
  let turn = 0;

  /** undefined for what is no question at all. */
  return (message: Buffer, transport: "udp" | "tcp"): Buffer | undefined => {
    let query: DecodedPacket;
    try {
      query = decode(message);
    } catch {
      return undefined;
    }
    if (query.type !== "query") return undefined;
    const [question] = query.questions ?? [];
    const opt = query.additionals?.find((each) => each.type === "OPT");
    const said =
      question === undefined || query.questions?.length !== 1
        ? { code: FORMERR, answers: [] }
        : ((query.flags ?? 0) & OPCODE) !== 0
          ? { code: NOTIMP, answers: [] }
          : answersTo(domains, question, turn++);
    const packet = (answers: Answer[], isCut: boolean): Packet => ({
      type: "response",
      id: query.id ?? 0,
      flags: AUTHORITATIVE_ANSWER | (isCut ? TRUNCATED_RESPONSE : 0) | said.code,
      questions: query.questions ?? [],
      answers,
      additionals: opt ? [ourSize] : [],
    });
    const whole = encode(packet(said.answers, false));
    const most = opt && "udpPayloadSize" in opt ? Math.min(MOST_BYTES, opt.udpPayloadSize) : USUAL_BYTES;
    return transport === "udp" && whole.length > Math.max(USUAL_BYTES, most) ? encode(packet([], true)) : whole;
  };
}

const ourSize: Answer = {
  type: "OPT",
  name: ".",
  udpPayloadSize: MOST_BYTES,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

/** @param turn the answers of one name come in another order each time */
function answersTo(domains: Domains, { name, type }: Question, turn: number): { code: number; answers: Answer[] } {
  const asked = name.toLowerCase().replace(/\.$/, "");
  const domain = domainOf(asked, domains.names());
  if (domain === undefined) return { code: REFUSED, answers: [] };
  const records = domains.recordsOf(domain).map((record) => ({ record, whole: wholeName(record, domain) }));
  const names = new Set(records.map(({ whole }) => whole));
  const exists = (text: string) => names.has(text) || [...names].some((known) => known.endsWith(`.${text}`));
  const source = exists(asked) ? asked : `*.${closestAbove(asked, exists)}`;
  const found = records.filter(({ whole }) => whole === source).map(({ record }) => record);
  if (source !== asked && found.length === 0) return { code: NXDOMAIN, answers: [] };
  const fitting = found.filter((record) => record.type === type || (record.type === "CNAME" && type !== "CNAME"));
  const first = fitting.length === 0 ? 0 : turn % fitting.length;
  return {
    code: NOERROR,
    answers: [...fitting.slice(first), ...fitting.slice(0, first)].flatMap((record) => answerOf(name, record)),
  };
}

/** The nearest name above one that does not exist itself: a wildcard counts right below it, and nowhere else. */
function closestAbove(name: string, exists: (text: string) => boolean): string {
  const above = name.slice(name.indexOf(".") + 1);
  return exists(above) || !above.includes(".") ? above : closestAbove(above, exists);
}

/** Kinds of records that nobody asks the lab for have no answer. */
function answerOf(name: string, { type, data, ttl, priority }: LabRecord): Answer[] {
  switch (type) {
    case "A":
    case "AAAA":
    case "CNAME":
    case "NS":
      return [{ type, name, ttl, data }];
    case "TXT":
      return [{ type, name, ttl, data: [data] }];
    case "MX":
      return [{ type, name, ttl, data: { preference: priority ?? 0, exchange: data } }];
    default:
      return [];
  }
}
