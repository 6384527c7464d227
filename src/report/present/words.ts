const THOUSANDS = new Intl.NumberFormat('en-US')

export const count = (n: number): string => THOUSANDS.format(n)

/** A share in percent: never 0 % for something, never 100 % while anything is missing. */
export function percent(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0 %'
  const share = (100 * part) / whole
  if (share < 0.1) return '< 0.1 %'
  if (share > 99.9 && part < whole) return '> 99.9 %'
  return `${share.toFixed(share >= 99.95 || share === Math.round(share) ? 0 : 1)} %`
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

export function bytes(n: number): string {
  const step = n < 1_024 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log2(n) / 10))
  const value = n / 1_024 ** step
  return `${step === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${BYTE_UNITS[step] ?? 'B'}`
}

export function duration(ms: number): string {
  if (ms < 1) return ms < 0.05 ? '< 0.1 ms' : `${ms.toFixed(1)} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 3_600_000) return `${(ms / 60_000).toFixed(1)} min`
  if (ms < 86_400_000) return `${(ms / 3_600_000).toFixed(1)} h`
  return `${Math.round(ms / 86_400_000)} d`
}

/** 2026-05-04 08:20:54, of an ISO time; the heading says that it is UTC. */
export const moment = (iso: string): string => iso.slice(0, 19).replace('T', ' ')

/** From the first to the last, without saying the day twice. */
export function span(first: string, last: string): string {
  const [from, to] = [moment(first), moment(last)]
  if (from === to) return from
  return `${from} – ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to}`
}

export const atLeast = (n: number, exact: boolean): string => `${exact ? '' : '≥ '}${count(n)}`

export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`

const COMPACT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 })

/** Sums by unit: to the last one, or where there is little room as 4.1M. */
export const units = (sums: Readonly<Record<string, number>>, compact = false): string =>
  Object.entries(sums)
    .map(([unit, sum]) => `${compact ? COMPACT.format(sum) : count(sum)} ${unit}`)
    .join(', ')
