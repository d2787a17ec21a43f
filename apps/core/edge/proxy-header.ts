/** What a header of the PROXY protocol, version 2, tells of a connection. */
export type ProxyHeader = {
  /** Family, and addresses and ports of both ends, as they are in the header. */
  readonly family: number;
  readonly addresses: Buffer;
  /** Name that the client connected to. */
  readonly authority: string | undefined;
};

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const FIXED_BYTES = 16;
const PROXY = 0x21;
/** Bytes of addresses by family: TCP over IPv4 and IPv6. */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { 0x11: 12, 0x21: 36 };
const AUTHORITY = 0x02;
const MOST_BYTES = 1_024;

/** Reads a header at the beginning of what came; "part" while more has to come, undefined when it is none. */
export function readProxyHeader(
  sent: Buffer,
): { readonly header: ProxyHeader; readonly bytes: number } | "part" | undefined {
  const seen = Math.min(sent.length, SIGNATURE.length);
  if (!sent.subarray(0, seen).equals(SIGNATURE.subarray(0, seen))) return undefined;
  if (sent.length < FIXED_BYTES) return "part";
  const [command, family, length] = [sent.readUInt8(12), sent.readUInt8(13), sent.readUInt16BE(14)];
  const addressBytes = ADDRESS_BYTES[family];
  if (command !== PROXY || addressBytes === undefined || length < addressBytes || length > MOST_BYTES) return undefined;
  if (sent.length < FIXED_BYTES + length) return "part";
  const body = sent.subarray(FIXED_BYTES, FIXED_BYTES + length);
  return {
    header: { family, addresses: body.subarray(0, addressBytes), authority: authorityIn(body.subarray(addressBytes)) },
    bytes: FIXED_BYTES + length,
  };
}

/** Writes a header. */
export function proxyHeader({ family, addresses, authority }: ProxyHeader): Buffer {
  const name = Buffer.from(authority ?? "", "latin1");
  const more = authority === undefined ? Buffer.alloc(0) : Buffer.concat([lengthField(AUTHORITY, name.length), name]);
  const fixed = Buffer.alloc(4);
  fixed.writeUInt8(PROXY, 0);
  fixed.writeUInt8(family, 1);
  fixed.writeUInt16BE(addresses.length + more.length, 2);
  return Buffer.concat([SIGNATURE, fixed, addresses, more]);
}

function authorityIn(fields: Buffer): string | undefined {
  for (let at = 0; at + 3 <= fields.length;) {
    const length = fields.readUInt16BE(at + 1);
    if (fields.readUInt8(at) === AUTHORITY) return fields.toString("latin1", at + 3, at + 3 + length);
    at += 3 + length;
  }
  return undefined;
}

function lengthField(kind: number, length: number): Buffer {
  const field = Buffer.alloc(3);
  field.writeUInt8(kind, 0);
  field.writeUInt16BE(length, 1);
  return field;
}
