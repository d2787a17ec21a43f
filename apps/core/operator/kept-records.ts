/** How long records are kept, in days; addresses as long as the rest when nothing else is set. */
export type RecordTimes = { readonly historyDays: number; readonly accessRecordDays?: number | undefined };

/** What the service keeps of its visitors, in sentences for everybody: on the page, in the reference, for agents. */
export function keptRecords({ historyDays, accessRecordDays = historyDays }: RecordTimes): readonly string[] {
  const addressDays = Math.min(accessRecordDays, historyDays);
  return [
    `The IP address that got an instance is erased ${days(addressDays)} after the instance ended.`,
    `The rest of its record, such as when it ran and on which host, is deleted ${days(historyDays)} after its end.`,
    "Passwords and tokens are stored only as SHA-256 hashes, and with an Idempotency-Key also in an answer that only " +
      "that key opens.",
    "Data in an instance is in memory only. It is gone when the instance ends, and nobody copies it.",
    "Logs have the time, IP address and path of requests, and never a password, a token or a command.",
  ];
}

function days(count: number): string {
  return count === 1 ? "1 day" : `${count} days`;
}
