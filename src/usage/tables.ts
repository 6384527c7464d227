import type { Database } from '../storage/index.ts'

/** The request log of a day. `seq` is the line of the ledger that it was made of. */
export interface RequestsTable {
  seq: number
  time_ms: number
  request: string
  user_id: string
  /** The user's name then. */
  user: string
  key_id: string
  model: string
  endpoint: string
  service: string
  route: string
  status: number
  code: string
  /** JSON. */
  units: string
  cost_micro: number
  estimated: number
  first_byte_ms: number | null
  total_ms: number
  bytes_in: number
  bytes_out: number
  ended: string
}

/** What was sent and answered on a day, sealed. */
export interface ContentsTable {
  request: string
  time_ms: number
  sealed: Buffer
  /** Of `sealed`. */
  bytes: number
  prompt_bytes: number
  answer_bytes: number
}

export type RequestsOfDay = `requests_${string}`
export type ContentsOfDay = `contents_${string}`
export type DayTables = Record<RequestsOfDay, RequestsTable> & Record<ContentsOfDay, ContentsTable>
export type UsageDatabase = Database & DayTables

const DAY = /^\d{4}-\d{2}-\d{2}$/

export const isDay = (text: string): boolean => DAY.test(text)

export const requestsOf = (day: string): RequestsOfDay => `requests_${compact(day)}`
export const contentsOf = (day: string): ContentsOfDay => `contents_${compact(day)}`

function compact(day: string): string {
  if (!isDay(day)) throw new Error(`${JSON.stringify(day)} is no day`)
  return day.replaceAll('-', '')
}

const DAY_MS = 86_400_000

export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
/** The first day that is kept when so many are, today among them. */
export const firstDayOf = (nowMs: number, days: number): string => dayOf(nowMs - (days - 1) * DAY_MS)

/** The same ids, the last of them so often that their number is a power of two: each number of parameters is a statement of its own, and none is forgotten. */
export function evened(ids: readonly string[]): string[] {
  const [last] = ids.slice(-1)
  const count = 2 ** Math.ceil(Math.log2(Math.max(1, ids.length)))
  return last === undefined ? [] : [...ids, ...Array.from({ length: count - ids.length }, () => last)]
}
