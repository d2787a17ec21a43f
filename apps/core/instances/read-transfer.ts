import type { Transfers } from "./contract.ts";

/** What there is to know of all instances' transfer: sent on this day of UTC, and how many have sent all they may. */
export type FleetTransfer = { readonly dayBytes: number; readonly throttled: number };

/** Reads it. With a bound of 0 bytes an instance may send as much as it likes. */
export async function readTransfer(
  { transfers }: { readonly transfers: Pick<Transfers, "readDay" | "countExceeding"> },
  boundBytes: number,
  now: Date,
): Promise<FleetTransfer> {
  const [{ sentBytes }, throttled] = await Promise.all([
    transfers.readDay(now),
    boundBytes === 0 ? 0 : transfers.countExceeding(boundBytes),
  ]);
  return { dayBytes: sentBytes, throttled };
}
