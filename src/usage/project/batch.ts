import type { FollowedLine } from '../../audit/index.ts'
import { type OutcomeLine, outcomeLine, refusedLine, refusedSummaryLine } from '../../contract/index.ts'
import { LIMITS } from '../../kernel/index.ts'
import type { UsageDaysTable } from '../../storage/index.ts'
import { isDay, type RequestsTable } from '../tables.ts'
import type { CrashedCharge } from '../types.ts'
import type { ModelNames } from './names.ts'

/** The events that a line must have to be of any account. */
export const COUNTED_EVENTS: ReadonlySet<string> = new Set(['outcome', 'refused', 'refused_summary'])

/** A request that ended, or so many that were refused, of a key that was recognised. */
export type Counted = { readonly day: string; readonly key: string } & (
  | { readonly outcome: OutcomeLine; readonly refused: 0 }
  | { readonly outcome: null; readonly refused: number }
)

export interface Batch {
  /** By day. */
  readonly rows: ReadonlyMap<string, readonly RequestsTable[]>
  readonly counts: readonly UsageDaysTable[]
  /** By user. */
  readonly charges: ReadonlyMap<string, number>
  readonly crashed: readonly CrashedCharge[]
}

/** That it should have been possible to read a line; that it says more than any request uses. */
export type Oddity = 'unread' | 'capped'

/** Null for a line that counts nothing. */
export function countedOf({ text, event }: FollowedLine, note: (what: Oddity) => void): Counted | null {
  const line = parsed(text, event, note)
  const day = line?.time.slice(0, 10) ?? ''
  if (line === undefined || !isDay(day)) {
    note('unread')
    return null
  }
  if (line.kind !== 'key' || line.key === undefined) return null
  if (line.event === 'outcome') return { day, key: line.key, outcome: line, refused: 0 }
  return { day, key: line.key, outcome: null, refused: line.event === 'refused' ? 1 : line.count }
}

const SHAPES = { outcome: outcomeLine, refused: refusedLine, refused_summary: refusedSummaryLine } as const

function parsed(text: string, event: string, note: (what: Oddity) => void) {
  try {
    const shape = SHAPES[event as keyof typeof SHAPES] // only COUNTED_EVENTS are asked for
    const said: unknown = JSON.parse(text)
    if (event === 'outcome' && cap(said)) note('capped')
    return shape.safeParse(said).data
  } catch {
    return undefined
  }
}

/**
 * A backend that was believed when it said 1e26 tokens made a line that is no whole number of anything: it is counted at the most that there is, because
 * what is left out is for nothing. The gate writes no such line any more.
 */
function cap(line: unknown): boolean {
  if (typeof line !== 'object' || line === null) return false
  const { cost_micro: cost, units } = line as { cost_micro?: unknown; units?: unknown } // both are looked at before they are used
  const parts: readonly (readonly [object, string, unknown, number])[] = [
    [line, 'cost_micro', cost, LIMITS.requestCostMicroMax],
    ...(typeof units === 'object' && units !== null
      ? Object.entries(units).map(([unit, n]) => [units, unit, n, LIMITS.requestTokensMax] as const)
      : []),
  ]
  const over = parts.filter(([, , value, most]) => typeof value === 'number' && value > most)
  for (const [of, name, , most] of over) Reflect.set(of, name, most)
  return over.length > 0
}

/** What some lines come to. `userOf` tells whose a key is; empty when the store does not know it any more. */
export function batchOf(counted: readonly Counted[], userOf: (key: string) => string, names: ModelNames): Batch {
  const rows = new Map<string, RequestsTable[]>()
  const counts = new Map<string, UsageDaysTable>()
  const charges = new Map<string, number>()
  const crashed: CrashedCharge[] = []
  for (const one of counted) {
    const user = userOf(one.key)
    const model = names.counted(one.day, one.key, one.outcome?.model ?? '')
    add(counts, countsOf(one, user, model))
    if (one.outcome === null) continue
    const row = rowOf(one.outcome, one.key, user)
    const ofDay = rows.get(one.day)
    if (ofDay) ofDay.push(row)
    else rows.set(one.day, [row])
    if (row.cost_micro === 0) continue
    if (user !== '') charges.set(user, (charges.get(user) ?? 0) + row.cost_micro)
    if (row.ended === 'crashed') crashed.push({ user, key: one.key, model: row.model, endpoint: row.endpoint, costMicro: row.cost_micro })
  }
  return { rows, counts: [...counts.values()], charges, crashed }
}

function rowOf(line: OutcomeLine, key: string, user: string): RequestsTable {
  return {
    seq: line.seq,
    time_ms: Date.parse(line.time),
    request: line.request,
    user_id: user,
    user: line.user ?? '',
    key_id: key,
    model: line.model ?? '',
    endpoint: line.endpoint ?? '',
    service: line.service,
    route: line.route,
    status: line.status,
    code: line.code ?? '',
    units: line.units === undefined ? '' : JSON.stringify(line.units),
    cost_micro: line.cost_micro ?? 0,
    estimated: line.estimated ? 1 : 0,
    first_byte_ms: line.first_byte_ms ?? null,
    total_ms: line.total_ms,
    bytes_in: line.bytes_in,
    bytes_out: line.bytes_out,
    ended: line.ended,
  }
}

function countsOf({ day, key, outcome, refused }: Counted, user: string, model: string): UsageDaysTable {
  const used = (unit: string): number => Math.max(0, outcome?.units?.[unit] ?? 0)
  // Some are refused only when they were on their way: nobody did anything for them either, but for a stream that was cut by a shutdown.
  const wasServed = outcome !== null && (outcome.ended !== 'refused' || outcome.units !== undefined)
  return {
    day,
    user_id: user,
    key_id: key,
    model,
    endpoint: outcome?.endpoint ?? '',
    requests: wasServed ? 1 : 0,
    refused: outcome !== null && !wasServed ? 1 : refused,
    tokens_in: Math.round(used('tokens_in')),
    tokens_out: Math.round(used('tokens_out')),
    characters: Math.round(used('characters')),
    images: Math.round(used('images')),
    milliseconds: Math.round(used('seconds') * 1_000),
    cost_micro: outcome?.cost_micro ?? 0,
  }
}

/** The columns of usage_days that grow. */
export const COUNT_COLUMNS = [
  'requests',
  'refused',
  'tokens_in',
  'tokens_out',
  'characters',
  'images',
  'milliseconds',
  'cost_micro',
] as const

function add(counts: Map<string, UsageDaysTable>, one: UsageDaysTable): void {
  const id = JSON.stringify([one.day, one.key_id, one.model, one.endpoint])
  const before = counts.get(id)
  if (before) for (const column of COUNT_COLUMNS) before[column] += one[column]
  else counts.set(id, one)
}
