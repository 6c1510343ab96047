/** The few statistics that the benchmark prints. */

/** The middle value; of an even number of values the mean of the middle two. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error("Cannot take the median of nothing");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export interface Spread {
  readonly low: number;
  readonly high: number;
}

export function spread(values: readonly number[]): Spread {
  return { low: Math.min(...values), high: Math.max(...values) };
}

/** The value below which `part` of the values are, 0 to 1; 1 is the greatest. */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) throw new Error("Cannot take a quantile of nothing");
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}
