import { type ExpressionBuilder, sql } from 'kysely'
import { LIMITS } from '../../kernel/index.ts'
import type { Database } from '../../storage/index.ts'
import type { UsageDb } from '../days/store.ts'
import type { Counts, SpentRow, Summary, SummaryBy, SummaryRow, SummaryWanted } from '../types.ts'

/** What each way of counting puts together. */
const COLUMN_OF = { user: 'user_id', key: 'key_id', model: 'model', endpoint: 'endpoint', day: 'day' } as const satisfies Record<
  SummaryBy,
  string
>

const sums = ({ fn }: ExpressionBuilder<Database, 'usage_days'>) => [
  fn.sum<number>('requests').as('requests'),
  fn.sum<number>('refused').as('refused'),
  fn.sum<number>('tokens_in').as('tokens_in'),
  fn.sum<number>('tokens_out').as('tokens_out'),
  fn.sum<number>('characters').as('characters'),
  fn.sum<number>('images').as('images'),
  fn.sum<number>('milliseconds').as('milliseconds'),
  fn.sum<number>('cost_micro').as('cost_micro'),
]

/** What was used between two days. Days come in their order; anything else begins with what costs most. */
export async function summary(db: UsageDb, { by, from, to }: SummaryWanted): Promise<Summary> {
  const column = COLUMN_OF[by]
  const range = db.selectFrom('usage_days').where('day', '>=', from).where('day', '<=', to)
  const grouped = range.groupBy(column).select(column).select(sums)
  const ordered = by === 'day' ? grouped.orderBy('day') : grouped.orderBy('cost_micro', 'desc').orderBy('requests', 'desc').orderBy(column)
  const rows = await ordered.limit(LIMITS.usageRowsMax).execute()
  const all = await range
    .select(sums)
    .select(({ fn }) => fn.count<number>(column).distinct().as('rows'))
    .executeTakeFirstOrThrow()
  const ids = rows.map((row) => String(Reflect.get(row, column)))
  const names = await namesOf(db, by, ids)
  return {
    rows: rows.map((row, at) => ({ ...counts(row), ...named(by, ids[at] ?? '', names) })),
    more: Math.max(0, Number(all.rows) - rows.length),
    total: counts(all),
  }
}

interface Summed {
  readonly requests: number | null
  readonly refused: number | null
  readonly tokens_in: number | null
  readonly tokens_out: number | null
  readonly characters: number | null
  readonly images: number | null
  readonly milliseconds: number | null
  readonly cost_micro: number | null
}

/** Sums of nothing are null. */
const counts = (row: Summed): Counts => ({
  requests: row.requests ?? 0,
  refused: row.refused ?? 0,
  tokensIn: row.tokens_in ?? 0,
  tokensOut: row.tokens_out ?? 0,
  characters: row.characters ?? 0,
  images: row.images ?? 0,
  milliseconds: row.milliseconds ?? 0,
  costMicro: row.cost_micro ?? 0,
})

type Names = ReadonlyMap<string, string>

async function namesOf(db: UsageDb, by: SummaryBy, ids: readonly string[]): Promise<Names> {
  if (ids.length === 0 || (by !== 'user' && by !== 'key')) return new Map()
  const rows =
    by === 'user'
      ? await db.selectFrom('users').select(['id', 'name']).where('id', 'in', ids).execute()
      : await db
          .selectFrom('keys')
          .innerJoin('users', 'users.id', 'keys.user_id')
          .select(['keys.id', 'users.name'])
          .where('keys.id', 'in', ids)
          .execute()
  return new Map(rows.map(({ id, name }) => [id, name]))
}

function named(by: SummaryBy, id: string, names: Names): Pick<SummaryRow, 'id' | 'name' | 'user'> {
  if (by === 'user') return { id, name: names.get(id) ?? id, user: null }
  return { id, name: id, user: by === 'key' ? (names.get(id) ?? null) : null }
}

const KINDS = { user: 'user_id', key: 'key_id', model: 'model', endpoint: 'endpoint' } as const

/** What whoever has a budget has spent of it: on this day, and since the first of its month. */
export async function spent(db: UsageDb, today: string): Promise<SpentRow[]> {
  const rows = await db
    .selectFrom('usage_days')
    .select(['user_id', 'key_id', 'model', 'endpoint'])
    .select(({ fn }) => fn.sum<number>('cost_micro').as('month'))
    .select(sql<number>`sum(case when day = ${today} then cost_micro else 0 end)`.as('today'))
    .where('day', '>=', `${today.slice(0, 'yyyy-mm'.length)}-01`)
    .where('day', '<=', today)
    .where('cost_micro', '!=', 0)
    .groupBy(['user_id', 'key_id', 'model', 'endpoint'])
    .execute()
  const found = new Map<string, { kind: SpentRow['kind']; id: string; dayMicro: number; monthMicro: number }>()
  for (const row of rows) {
    for (const [kind, column] of Object.entries(KINDS)) {
      const id = row[column]
      if (id === '') continue
      const place = `${kind} ${id}`
      const row0 = found.get(place) ?? { kind: kind as SpentRow['kind'], id, dayMicro: 0, monthMicro: 0 } // a key of KINDS
      row0.dayMicro += row.today
      row0.monthMicro += row.month
      found.set(place, row0)
    }
  }
  return [...found.values()]
}

/** One day of counters that is older than what is kept; null when there is none left. A day at a time, so that nobody waits long to write. */
export async function forgetCountsBefore(db: UsageDb, day: string): Promise<string | null> {
  const { oldest } = await db
    .selectFrom('usage_days')
    .select(({ fn }) => fn.min('day').as('oldest'))
    .executeTakeFirstOrThrow()
  if (oldest === null || oldest >= day) return null
  await db.deleteFrom('usage_days').where('day', '=', oldest).execute()
  return oldest
}
