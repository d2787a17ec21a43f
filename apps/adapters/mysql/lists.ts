/** A statement with a list always names as many things, so that few different ones are prepared. */
export const NAMED_AT_ONCE = 64;

/** The places of a list of {@link NAMED_AT_ONCE} things. */
export const PLACES = Array.from({ length: NAMED_AT_ONCE }, () => "?").join(", ");

/** As many things as a statement names: the last one stands for those that are missing. */
export function filled<Thing>(some: readonly Thing[]): Thing[] {
  const last = some.slice(-1);
  return [...some, ...Array.from({ length: NAMED_AT_ONCE - some.length }, () => last).flat()];
}

/** The things in order, so many in each part but the last. */
export function parts<Thing>(things: readonly Thing[], size: number): Thing[][] {
  return Array.from({ length: Math.ceil(things.length / size) }, (_, part) =>
    things.slice(part * size, (part + 1) * size),
  );
}
