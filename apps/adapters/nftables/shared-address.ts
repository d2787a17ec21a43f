import { isIPv4 } from "node:net";
import { sharedLinkAddress, type AddressShare } from "../../core/ports/shared-address.ts";

/** Runs a command with a text on its standard input. Rejects when it fails, with what it complained of. */
export type RunCommand = (command: string, args: readonly string[], input?: string) => Promise<string>;

/** Where an address is shared. */
export type SharedPlace = { readonly address: string; readonly device: string };

/** Of our own, one in each family that we need. */
const ARP_TABLE = "arp getaredis_shared";
const TABLE = "inet getaredis_shared";
const DEVICE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/;

/**
 * One address of several gateways on one network, by the kernel of each: it answers ARP with a link address that reaches
 * all of them, and lets in what is its share. `clear` leaves nothing behind.
 * @param lifeMs time for which new connections are taken after the last `set` or `renew`; at least a second
 */
export function createSharedAddress(place: SharedPlace, lifeMs: number, run: RunCommand) {
  const { address, device } = place;
  if (!isIPv4(address)) throw new Error(`"${address}" is no IPv4 address`);
  if (!DEVICE.test(device)) throw new Error(`"${device}" is no name of a network device`);
  const link = sharedLinkAddress(address);

  /** Answers for this share from now on, in one step. */
  async function set(share: AddressShare): Promise<void> {
    // The rules first: an address without them would answer for all.
    await run("nft", ["-f", "-"], renderShare(place, share, lifeMs));
    await unlessThere(run("ip", ["maddress", "add", link, "dev", device]));
    await unlessThere(run("ip", ["address", "add", `${address}/32`, "dev", device]));
  }

  /** Takes new connections for so long again. */
  async function renew(): Promise<void> {
    const life = `${address} timeout ${seconds(lifeMs)}s`;
    await run("nft", ["-f", "-"], `flush set ${TABLE} living\nadd element ${TABLE} living { ${life} }\n`);
  }

  /** Takes all of it away. What is gone already is a success. */
  async function clear(): Promise<void> {
    await unlessGone(run("ip", ["address", "delete", `${address}/32`, "dev", device]));
    await unlessGone(run("ip", ["maddress", "delete", link, "dev", device]));
    const tables = [ARP_TABLE, TABLE].flatMap((table) => [`table ${table} {}`, `delete table ${table}`]);
    await run("nft", ["-f", "-"], `${tables.join("\n")}\n`);
  }

  return { set, renew, clear };
}

/** The rules for a share of an address, as `nft -f` takes them: in the place of earlier ones. */
export function renderShare(
  { address }: SharedPlace,
  { size, mine, fresh, isFirst }: AddressShare,
  lifeMs: number,
): string {
  const elements = (buckets: readonly number[]) => (buckets.length > 0 ? `elements = { ${buckets.join(", ")} }` : "");
  const bucket = `jhash ip saddr . tcp sport mod ${size} seed 0x1`;
  return `
table ${ARP_TABLE} {}
delete table ${ARP_TABLE}
table ${ARP_TABLE} {
  chain output {
    type filter hook output priority 0; policy accept;
    arp saddr ip ${address} arp saddr ether set ${sharedLinkAddress(address)}
  }
}
table ${TABLE} {}
delete table ${TABLE}
table ${TABLE} {
  set mine {
    typeof numgen inc mod ${size}
    ${elements(mine)}
  }
  set fresh {
    typeof numgen inc mod ${size}
    ${elements(fresh)}
  }
  # The address, for as long as the program lives that shares it.
  set living {
    type ipv4_addr
    flags timeout
    elements = { ${address} timeout ${seconds(lifeMs)}s }
  }
  # After connections are known: what this gateway has let in stays its own, whoever has the bucket by now.
  chain prerouting {
    type filter hook prerouting priority mangle - 5; policy accept;
    ip daddr ${address} goto shared
  }
  chain shared {
    meta pkttype set host
    iifname "lo" accept
    ct state established,related accept
    ip daddr != @living drop
    meta l4proto != tcp ${isFirst ? "accept" : "drop"}
    ${bucket} != @mine drop
    tcp flags & (fin | syn | rst | ack) == syn accept
    ${bucket} @fresh drop
  }
}
`;
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

async function unlessThere(work: Promise<string>): Promise<void> {
  await work.catch((fault: unknown) => {
    if (!/File exists|already assigned/i.test(String(fault))) throw fault;
  });
}

async function unlessGone(work: Promise<string>): Promise<void> {
  await work.catch((fault: unknown) => {
    if (!/Cannot assign requested address|No such file|Cannot find device|not found/i.test(String(fault))) throw fault;
  });
}
