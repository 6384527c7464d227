import { sql } from 'kysely'
import { LIMITS } from '../../kernel/index.ts'
import type { UsageDb } from '../days/store.ts'
import { COUNT_COLUMNS } from '../project/batch.ts'
import { evened } from '../tables.ts'
import type { Counts, SpentRow, Summary, SummaryBy, SummaryRow, SummaryWanted } from '../types.ts'

/** What each way of counting puts together. */
const COLUMN_OF = { user: 'user_id', key: 'key_id', model: 'model', endpoint: 'endpoint', day: 'day' } as const satisfies Record<
  SummaryBy,
  string
>

/** What was used between two days. Days come in their order; anything else begins with what costs most. */
export async function summary(db: UsageDb, { by, from, to, order = 'cost', after }: SummaryWanted): Promise<Summary> {
  const column = COLUMN_OF[by]
  const days = db.selectFrom('usage_days').where('day', '>=', from).where('day', '<=', to)
  const groups = (after === undefined ? days : days.where(column, '>', after))
    .groupBy(column)
    .select(column)
    .select(({ fn }) => COUNT_COLUMNS.map((count) => fn.sum<number>(count).as(count)))
  // The total is of the groups, and those of the days: a second way through the days would take as long as the first.
  const all = db
    .selectFrom(groups.as('groups'))
    .selectAll()
    .select(({ fn }) => fn.countAll<number>().over().as('groups_in_all'))
    .select(({ fn }) => COUNT_COLUMNS.map((count) => fn.sum<number>(count).over().as(`all_${count}`)))
  const ordered =
    by === 'day' || order === 'id' ? all.orderBy(column) : all.orderBy('cost_micro', 'desc').orderBy('requests', 'desc').orderBy(column)
  const rows = await ordered.limit(LIMITS.usageRowsMax).execute()
  const ids = rows.map((row) => String(Reflect.get(row, column)))
  const names = await namesOf(db, by, ids)
  return {
    rows: rows.map((row, at) => ({ ...counts(row, ''), ...named(by, ids[at] ?? '', names) })),
    more: Number(rows[0]?.groups_in_all ?? 0) - rows.length,
    total: counts(rows[0] ?? {}, 'all_'),
  }
}

function counts(row: object, prefix: '' | 'all_'): Counts {
  const at = (column: (typeof COUNT_COLUMNS)[number]): number => Number(Reflect.get(row, `${prefix}${column}`) ?? 0)
  return {
    requests: at('requests'),
    refused: at('refused'),
    tokensIn: at('tokens_in'),
    tokensOut: at('tokens_out'),
    characters: at('characters'),
    images: at('images'),
    milliseconds: at('milliseconds'),
    costMicro: at('cost_micro'),
  }
}

type Names = ReadonlyMap<string, string>

async function namesOf(db: UsageDb, by: SummaryBy, ids: readonly string[]): Promise<Names> {
  if (ids.length === 0 || (by !== 'user' && by !== 'key')) return new Map()
  const rows =
    by === 'user'
      ? await db.selectFrom('users').select(['id', 'name']).where('id', 'in', evened(ids)).execute()
      : await db
          .selectFrom('keys')
          .innerJoin('users', 'users.id', 'keys.user_id')
          .select(['keys.id', 'users.name'])
          .where('keys.id', 'in', evened(ids))
          .execute()
  return new Map(rows.map(({ id, name }) => [id, name]))
}

function named(by: SummaryBy, id: string, names: Names): Pick<SummaryRow, 'id' | 'name' | 'user'> {
  if (by === 'user') return { id, name: names.get(id) ?? id, user: null }
  return { id, name: id, user: by === 'key' ? (names.get(id) ?? null) : null }
}

const SPENDERS = ['user', 'key', 'model', 'endpoint'] as const

/** What whoever has a budget has spent of it: on this day, and since the first of its month. */
export async function spent(db: UsageDb, today: string): Promise<SpentRow[]> {
  const found: SpentRow[] = []
  for (const kind of SPENDERS) {
    const column = COLUMN_OF[kind]
    const rows = await db
      .selectFrom('usage_days')
      .select(column)
      .select(({ fn }) => fn.sum<number>('cost_micro').as('month'))
      .select(sql<number>`sum(case when day = ${today} then cost_micro else 0 end)`.as('today'))
      .where('day', '>=', `${today.slice(0, 'yyyy-mm'.length)}-01`)
      .where('day', '<=', today)
      .where('cost_micro', '!=', 0)
      .where(column, '!=', '')
      .groupBy(column)
      .execute()
    for (const row of rows) found.push({ kind, id: String(Reflect.get(row, column)), dayMicro: row.today, monthMicro: row.month })
  }
  return found
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
