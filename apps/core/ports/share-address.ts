import type { Membership } from "../edge/contract.ts";
import { shareOf, type AddressShare, type ShareHistory } from "./shared-address.ts";

/** What sharing an address needs. */
export type ShareAddressPorts = {
  readonly membership: Pick<Membership, "list">;
  readonly address: {
    /** Answers for this share from now on, in one step, and takes new connections until its life ends. */
    readonly set: (share: AddressShare) => Promise<void>;
    /** Begins that life anew: a gateway whose program is gone is to take no more. */
    readonly renew: () => Promise<void>;
    /** Answers for nothing any more, and leaves nothing behind. */
    readonly clear: () => Promise<void>;
  };
};

/**
 * Has a gateway answer for its share of an address that several have: the same membership gives each bucket to one. Who
 * does not live by it answers nothing; while it is unknown, all goes on as it was.
 * @param size buckets of the table, a prime
 */
export function createAddressSharer({ membership, address }: ShareAddressPorts, name: string, size: number) {
  let history: ShareHistory | undefined;
  /** The peers that the share is of; undefined while it has none. */
  let known: string | undefined;
  let isCleared = false;

  /**
   * Moves the share to what it should be now.
   * @returns the names of those that share the address; undefined when nothing has changed
   * @throws Unavailable when who lives is unknown
   */
  async function step(): Promise<readonly string[] | undefined> {
    // First: who lives may be unknown.
    if (known !== undefined) await address.renew();
    const gateways = (await membership.list()).filter(({ state }) => state === "live" || state === "draining");
    const living = gateways.map((gateway) => gateway.name);
    if (!living.includes(name)) {
      if (isCleared) return undefined;
      await clear();
      return [];
    }
    const taking = gateways.filter(({ state }) => state === "live").map((gateway) => gateway.name);
    const peers = JSON.stringify([taking, living]);
    if (peers === known) return undefined;
    const next = shareOf(name, { taking, living }, size, history);
    await address.set(next.share);
    ({ history } = next);
    known = peers;
    isCleared = false;
    return taking;
  }

  /** Answers for nothing any more. */
  async function clear(): Promise<void> {
    await address.clear();
    known = undefined;
    history = undefined;
    isCleared = true;
  }

  return { step, clear };
}
