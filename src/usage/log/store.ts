import { daysOf, type UsageDb } from '../days/store.ts'
import { OTHER_MODELS } from '../project/names.ts'
import { isDay, type RequestsTable, requestsOf } from '../tables.ts'
import type { LoggedRequest, RequestPage, RequestsWanted } from '../types.ts'

/** Where a page ends: a line of a day. The day too, because a clock that was set back puts later lines into an earlier one. */
interface Cursor {
  readonly day: string
  readonly seq: number
}

const CURSOR = /^(\d{4}-\d{2}-\d{2})\.(\d{1,15})$/

/** Null when the text is no `next` of a page. */
export function readCursor(text: string): Cursor | null {
  const [, day = '', seq = ''] = CURSOR.exec(text) ?? []
  return isDay(day) ? { day, seq: Number(seq) } : null
}

/** The newest requests that are wanted, day by day; only days on which there is one are looked into. */
export async function requestsPage(db: UsageDb, wanted: RequestsWanted): Promise<RequestPage> {
  const before = wanted.before === undefined ? null : readCursor(wanted.before)
  const users = wanted.user === undefined ? null : await usersCalled(db, wanted.user)
  if (users?.length === 0) return { requests: [], next: null }
  const found: RequestsTable[] = []
  for (const day of await daysWith(db, wanted, users, before)) {
    let rows = db
      .selectFrom(requestsOf(day))
      .selectAll()
      .orderBy('seq', 'desc')
      .limit(wanted.limit - found.length)
    if (users !== null) rows = rows.where('user_id', 'in', users)
    if (wanted.key !== undefined) rows = rows.where('key_id', '=', wanted.key)
    if (wanted.model !== undefined) rows = rows.where('model', '=', wanted.model)
    if (before?.day === day) rows = rows.where('seq', '<', before.seq)
    const ofDay = await rows.execute()
    found.push(...ofDay)
    const last = ofDay.at(-1)
    if (found.length >= wanted.limit && last) return { requests: found.map(logged), next: `${day}.${last.seq}` }
  }
  return { requests: found.map(logged), next: null }
}

const usersCalled = async (db: UsageDb, user: string): Promise<string[]> => {
  const rows = await db
    .selectFrom('users')
    .select('id')
    .where((is) => is.or([is('name', '=', user), is('id', '=', user)]))
    .execute()
  return rows.map(({ id }) => id)
}

/** Newest first. What was used on a day is counted by user, key and model, which is a small table beside those of the days. */
async function daysWith(
  db: UsageDb,
  { key, model }: RequestsWanted,
  users: readonly string[] | null,
  before: Cursor | null,
): Promise<string[]> {
  const days = (await daysOf(db, 'requests')).reverse().filter((day) => before === null || day <= before.day)
  if (users === null && key === undefined && model === undefined) return days
  let counted = db.selectFrom('usage_days').select('day').distinct()
  if (users !== null) counted = counted.where('user_id', 'in', users)
  if (key !== undefined) counted = counted.where('key_id', '=', key)
  if (model !== undefined) counted = counted.where('model', 'in', [model, OTHER_MODELS])
  const having = new Set((await counted.execute()).map(({ day }) => day))
  return days.filter((day) => having.has(day))
}

export async function findRequest(db: UsageDb, id: string): Promise<LoggedRequest | null> {
  for (const day of (await daysOf(db, 'requests')).reverse()) {
    const row = await db.selectFrom(requestsOf(day)).selectAll().where('request', '=', id).limit(1).executeTakeFirst()
    if (row) return logged(row)
  }
  return null
}

function logged(row: RequestsTable): LoggedRequest {
  return {
    seq: row.seq,
    timeMs: row.time_ms,
    request: row.request,
    userId: row.user_id,
    user: row.user,
    key: row.key_id,
    model: row.model,
    endpoint: row.endpoint,
    service: row.service,
    route: row.route,
    status: row.status,
    code: row.code,
    units: row.units === '' ? {} : (JSON.parse(row.units) as Record<string, number>), // written as such
    costMicro: row.cost_micro,
    estimated: row.estimated === 1,
    firstByteMs: row.first_byte_ms,
    totalMs: row.total_ms,
    bytesIn: row.bytes_in,
    bytesOut: row.bytes_out,
    ended: row.ended,
  }
}
