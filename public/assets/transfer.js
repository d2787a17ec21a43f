/** @import { InstanceState } from "../api-types.ts" */

const GB = 1e9;

/**
 * What an instance has sent, in words.
 * @param {InstanceState["transfer"]} transfer
 */
export function transferNote({ sentBytes, limitBytes, throttled }) {
  const limit = gigabytes(limitBytes ?? 0);
  return throttled
    ? `It has sent its limit of ${limit}, and is slow from now on until it ends.`
    : `It has sent ${gigabytes(sentBytes)} of its limit of ${limit}.`;
}

/**
 * Bytes by thousands, as transfer is billed: "640 MB", "1.5 GB".
 * @param {number} bytes
 */
export function gigabytes(bytes) {
  return bytes < GB ? `${Math.round(bytes / 1e6)} MB` : `${Number((bytes / GB).toFixed(1))} GB`;
}
