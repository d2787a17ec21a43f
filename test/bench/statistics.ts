/** Nearest-rank quantile; NaN of no values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

/** The least and the most of some values; NaN of none. */
export function spreadOf(values: readonly number[]): { readonly least: number; readonly most: number } {
  return { least: quantile(values, 0), most: quantile(values, 1) };
}
