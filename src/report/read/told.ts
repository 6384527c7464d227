import type { Sighting } from '../sighting.ts'

/** What one line says, whatever its format. */
export type Told =
  | { readonly what: 'sightings'; readonly atMs: number; readonly list: readonly Sighting[] }
  | { readonly what: 'intent'; readonly atMs: number; readonly intent: Intent }
  /** A line about the gateway or the ledger itself: lifecycle, open, seal. */
  | { readonly what: 'note'; readonly atMs: number; readonly event: string; readonly detail: string }
  /** A request that the front passed on: the gate's own ledger tells of it. */
  | { readonly what: 'passed_on'; readonly atMs: number }
  | { readonly what: 'malformed'; readonly why: string }

export interface Intent {
  readonly request: string
  readonly user: string
  readonly key: string
  readonly address: string
  readonly endpoint: string
}

export const malformed = (why: string): Told => ({ what: 'malformed', why })

/** Lines are read without a schema, because a schema costs ten times the parse; so each field is taken only if it has its type. */
export type Fields = Readonly<Record<string, unknown>>
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
export const numberOf = (value: unknown, otherwise: number): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : otherwise
export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

// A time outside these was not written by a gate, and would stretch every chart.
const EARLIEST_MS = Date.UTC(2000)
const LATEST_MS = Date.UTC(2200)

let minute = ''
let minuteMs = Number.NaN

/** Milliseconds of `2025-06-04T08:20:54.123Z`, NaN when it is no time. Thousands of lines share a minute, and Date.parse costs a tenth of a line. */
export function timeOf(text: string): number {
  if (minute !== '' && text.length === 24 && text.charCodeAt(23) === 90 && text.startsWith(minute)) {
    const digit = (at: number): number => text.charCodeAt(at) - 48
    const ms = digit(17) * 10_000 + digit(18) * 1_000 + digit(20) * 100 + digit(21) * 10 + digit(22)
    if (ms >= 0 && ms < 60_000) return minuteMs + ms
  }
  const whole = credible(Date.parse(text))
  if (text.length === 24 && !Number.isNaN(whole)) {
    minute = text.slice(0, 17)
    minuteMs = whole - (whole % 60_000)
  }
  return whole
}

export const credible = (ms: number): number => (ms >= EARLIEST_MS && ms < LATEST_MS ? ms : Number.NaN)
