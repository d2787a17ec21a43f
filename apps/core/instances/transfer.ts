/**
 * What an instance has sent of what it may send in its life, in bytes. `limitBytes` is null when it may send as much
 * as it likes. Throttled, it still answers, and slowly.
 */
export type Transfer = {
  readonly sentBytes: number;
  readonly limitBytes: number | null;
  readonly throttled: boolean;
};

/** An instance that has sent as much as it may, or more. */
export type Exceeding = { readonly instanceId: string; readonly hostName: string; readonly sentBytes: number };

/** What all instances together have sent on a day of UTC, and whether its alarm has been given. */
export type TransferDay = { readonly sentBytes: number; readonly isAlarmGiven: boolean };

/** The transfer of an instance as its holder and the operator see it; with a bound of 0 it has none. */
export function transferOf(sentBytes: number, boundBytes: number): Transfer {
  if (boundBytes === 0) return { sentBytes, limitBytes: null, throttled: false };
  return { sentBytes, limitBytes: boundBytes, throttled: sentBytes >= boundBytes };
}

/** Bytes in words, by thousands as transfer is billed: "640 MB", "1.5 GB". */
export function transferInWords(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${Number((bytes / 1e9).toFixed(1))} GB`;
}
