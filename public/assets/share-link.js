/** @import { Held } from "../home-types.ts" */

const PATTERN = /^#take=([0-9a-z]{16})\.([\w-]{20,100})\.([\w-]{20,100})$/;

/**
 * The link that has another browser take an instance. Its secrets are in the fragment, which browsers send to nobody.
 * Where the instance is, the service tells: no link can lead to a Redis of another.
 * @param {string} origin
 * @param {Held} instance
 */
export function shareLink(origin, { id, token, password }) {
  return `${origin}/#take=${id}.${token ?? ""}.${password ?? ""}`;
}

/**
 * What such a link brings; undefined for any other fragment.
 * @param {string} hash
 */
export function readShareLink(hash) {
  const [, id, token, password] = PATTERN.exec(hash) ?? [];
  return id && token && password ? { id, token, password } : undefined;
}

/**
 * A text as a QR code, for the attributes of an SVG: the length of its side, quiet zone included, and the path of its
 * dark squares.
 * @param {{ size: number, get: (x: number, y: number) => boolean }} code
 */
export function qrPath({ size, get }) {
  let path = "";
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) if (get(x, y)) path += `M${x + QUIET} ${y + QUIET}h1v1h-1z`;
  return { side: size + 2 * QUIET, path };
}

/** Readers find a code by the light squares around it. */
const QUIET = 4;
