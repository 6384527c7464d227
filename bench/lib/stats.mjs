/** The middle value; of an even count the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Nearest rank, of values in ascending order. */
export function percentile(sorted, percent) {
  if (sorted.length === 0) return Number.NaN
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1))]
}

/** How far the rounds lie apart: half the range between the quartiles, as a share of the median. Says how noisy the machine was. */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return (percentile(sorted, 75) - percentile(sorted, 25)) / 2 / median(sorted)
}

/** Ratios are taken within a round, where both ran under the same weather, and only then is the median taken. */
export const ratios = (over, under) => over.map((value, round) => value / under[round])

export const differences = (of, minus) => of.map((value, round) => value - minus[round])
