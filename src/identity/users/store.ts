import { type Kysely, type Selectable, sql, type Transaction, type Updateable } from 'kysely'
import { GatewayError, MICRO, newCreditId, type UserId } from '../../kernel/index.ts'
import type { CreditsTable, Database, Store, UsersTable } from '../../storage/index.ts'
import { guarded } from '../guarded.ts'

export type UserRow = Selectable<UsersTable>
/** All but the balance, which is only ever added to, and what only a deletion changes. */
export type UserChanges = Partial<Omit<UserRow, 'id' | 'tenant' | 'balance_micro' | 'created_ms' | 'deleted_ms'>>

export interface CreditWrite {
  readonly userId: UserId
  readonly amountMicro: number
  readonly timeMs: number
  readonly note: string
}

export type CreditRow = Pick<Selectable<CreditsTable>, 'id' | 'amount_micro' | 'time_ms' | 'note'>

export interface CreditPage {
  readonly limit: number
  readonly before?: { readonly timeMs: number; readonly id: string } | undefined
}

/** An account as it is opened, or closed with all that is in it; null leaves it as it is. */
export type Billing = 'open' | 'close' | null

export interface UserStore {
  /** Every user, deleted ones too, in pieces. */
  users(take: (rows: readonly UserRow[]) => void): Promise<void>
  balancesOf(ids: readonly UserId[]): Promise<ReadonlyMap<string, number | null>>
  addUser(row: UserRow): Promise<void>
  /** What an account held when it was opened or closed; null where neither was done, as with one that is so already. */
  editUser(id: UserId, changes: UserChanges, billing: Billing, timeMs: number): Promise<number | null>
  /** The user and all keys that are not disabled yet, in one step. */
  deleteUser(id: UserId, deletedMs: number): Promise<void>
  /** What it is worth afterwards; CONFLICT for a user who is not billed. */
  credit(credit: CreditWrite): Promise<number>
  /** The newest first; those before one of them when it is named. */
  creditsOf(id: UserId, page: CreditPage): Promise<readonly CreditRow[]>
}

export function createUserStore({ db }: Pick<Store, 'db'>): UserStore {
  return {
    users: (take) => guarded('users cannot be read', () => users(db, take)),
    balancesOf: (ids) => guarded('balances cannot be read', () => balancesOf(db, ids)),
    addUser: (row) => guarded('a user cannot be written', () => inOneStep(db, (tx) => addUser(tx, row))),
    editUser: (id, changes, billing, timeMs) =>
      guarded('a user cannot be written', () => inOneStep(db, (tx) => editUser(tx, { id, changes, billing, timeMs }))),
    deleteUser: (id, deletedMs) => guarded('a user cannot be deleted', () => inOneStep(db, (tx) => deleteUser(tx, id, deletedMs))),
    credit: (credit) => guarded('a credit cannot be written', () => inOneStep(db, (tx) => addCredit(tx, credit))),
    creditsOf: (id, page) => guarded('credits cannot be read', () => creditsOf(db, id, page)),
  }
}

type Step = Transaction<Database>

const inOneStep = <T>(db: Kysely<Database>, work: (tx: Step) => Promise<T>): Promise<T> => db.transaction().execute(work)

const USERS_PER_PIECE = 2_000

async function users(db: Kysely<Database>, take: (rows: readonly UserRow[]) => void): Promise<void> {
  for (let last = ''; ; ) {
    const rows = await db.selectFrom('users').selectAll().where('id', '>', last).orderBy('id').limit(USERS_PER_PIECE).execute()
    take(rows)
    last = rows.at(-1)?.id ?? ''
    if (rows.length < USERS_PER_PIECE) return
  }
}

async function balancesOf(db: Kysely<Database>, ids: readonly UserId[]): Promise<ReadonlyMap<string, number | null>> {
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('users').select(['id', 'balance_micro']).where('id', 'in', ids).execute()
  return new Map(rows.map(({ id, balance_micro }) => [id, balance_micro]))
}

async function creditsOf(db: Kysely<Database>, id: UserId, { limit, before }: CreditPage): Promise<readonly CreditRow[]> {
  let rows = db.selectFrom('credits').select(['id', 'amount_micro', 'time_ms', 'note']).where('user_id', '=', id)
  if (before !== undefined) {
    const { timeMs, id: last } = before
    rows = rows.where(({ or, and, eb }) => or([eb('time_ms', '<', timeMs), and([eb('time_ms', '=', timeMs), eb('id', '<', last)])]))
  }
  return rows.orderBy('time_ms', 'desc').orderBy('id', 'desc').limit(limit).execute()
}

async function addUser(tx: Step, row: UserRow): Promise<void> {
  await tx.insertInto('users').values(row).execute()
  if (row.balance_micro)
    await noteCredit(tx, { userId: row.id, amountMicro: row.balance_micro, timeMs: row.created_ms, note: 'opening balance' })
}

interface UserEdit {
  readonly id: UserId
  readonly changes: UserChanges
  readonly billing: Billing
  readonly timeMs: number
}

/** A write comes first in each step here: one that begins by reading is refused when another connection writes in between. */
async function editUser(tx: Step, { id, changes, billing, timeMs }: UserEdit): Promise<number | null> {
  const columns: Updateable<UsersTable> = changes
  if (Object.keys(columns).length > 0) await tx.updateTable('users').set(columns).where('id', '=', id).execute()
  if (billing === 'open') {
    const opening = tx.updateTable('users').set({ balance_micro: 0 }).where('id', '=', id).where('balance_micro', 'is', null)
    return (await wasChanged(opening)) ? 0 : null
  }
  return billing === 'close' ? closeAccount(tx, id, timeMs) : null
}

/** What is taken away is in the account's history like whatever else changed it. */
async function closeAccount(tx: Step, id: UserId, timeMs: number): Promise<number | null> {
  const closing = tx
    .selectFrom('users')
    .select(({ val }) => [
      val(newCreditId() as string).as('id'), // a column knows no kinds of ids
      'id as user_id',
      sql<number>`-balance_micro`.as('amount_micro'),
      val(timeMs).as('time_ms'),
      val('no longer billed').as('note'),
    ])
    .where('id', '=', id)
    .where('balance_micro', '!=', 0)
  const columns = ['id', 'user_id', 'amount_micro', 'time_ms', 'note'] as const
  const taken = await tx.insertInto('credits').columns(columns).expression(closing).returning('amount_micro').executeTakeFirst()
  const emptied = tx.updateTable('users').set({ balance_micro: null }).where('id', '=', id).where('balance_micro', 'is not', null)
  return (await wasChanged(emptied)) ? -(taken?.amount_micro ?? 0) : null
}

const wasChanged = async (update: { executeTakeFirst(): Promise<{ readonly numUpdatedRows: bigint }> }): Promise<boolean> =>
  (await update.executeTakeFirst()).numUpdatedRows > 0n

async function deleteUser(tx: Step, id: UserId, deletedMs: number): Promise<void> {
  await tx
    .updateTable('users')
    .set({ deleted_ms: deletedMs, disabled_ms: sql`coalesce(disabled_ms, ${deletedMs})` })
    .where('id', '=', id)
    .execute()
  await tx.updateTable('keys').set({ disabled_ms: deletedMs }).where('user_id', '=', id).where('disabled_ms', 'is', null).execute()
}

/** So far from 2^53 that what is charged later is still counted exactly. */
const BALANCE_MICRO_MAX = 1_000_000_000 * MICRO

/** Relative, because charges come from elsewhere at any time: whichever is first, none is lost. */
async function addCredit(tx: Step, credit: CreditWrite): Promise<number> {
  const after = await tx
    .updateTable('users')
    .set({ balance_micro: sql`balance_micro + ${credit.amountMicro}` })
    .where('id', '=', credit.userId)
    .where('balance_micro', 'is not', null)
    .returning('balance_micro')
    .executeTakeFirst()
  if (after === undefined || after.balance_micro === null)
    throw conflict('This user is not billed, so there is no balance to change; open one with: portcullis user edit NAME --billed on')
  if (Math.abs(after.balance_micro) > BALANCE_MICRO_MAX) throw conflict('The balance would be above a thousand million')
  await noteCredit(tx, credit)
  return after.balance_micro
}

const conflict = (detail: string) => new GatewayError('CONFLICT', { detail })

const noteCredit = (tx: Step, { userId, amountMicro, timeMs, note }: Omit<CreditWrite, 'userId'> & { readonly userId: string }) =>
  tx.insertInto('credits').values({ id: newCreditId(), user_id: userId, amount_micro: amountMicro, time_ms: timeMs, note }).execute()
