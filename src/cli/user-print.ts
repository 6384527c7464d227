import pc from 'picocolors'
import type { CreditView, UserDetail, UserView } from '../contract/index.ts'
import { clip, visible } from '../kernel/index.ts'
import { Columns } from './key-columns.ts'
import { budgetText, details, limitRows, STATE_COLOURS, spentText, when } from './key-print.ts'
import { stateColour } from './key-table.ts'

const NOTE_CHARS_MAX = 40

export function userText(user: UserDetail, nowMs: number): string {
  const state = stateOf(user)
  return details([
    ['id', user.id],
    ['name', visible(user.name)],
    ['email', visible(user.email ?? '')],
    ['organisation', visible(user.organisation ?? '')],
    ['state', STATE_COLOURS[state](state)],
    ['balance', user.balance ?? 'not billed'],
    ...limitRows(user),
    ['spent', spentText(user)],
    ['keys', String(user.keys)],
    ['created', when(user.created_at, nowMs) ?? ''],
  ])
}

const stateOf = ({ active }: UserView) => (active ? 'active' : 'disabled')

const COLUMNS: Readonly<Record<string, (user: UserView) => string>> = {
  NAME: (user) => visible(user.name),
  STATE: stateOf,
  KEYS: (user) => String(user.keys),
  BALANCE: (user) => user.balance ?? 'not billed',
  LIMITS: (user) => limitsText(user) || 'none',
  ORGANISATION: (user) => clip(user.organisation ?? '', NOTE_CHARS_MAX),
  EMAIL: (user) => clip(user.email ?? '', NOTE_CHARS_MAX),
}

function limitsText(user: UserView): string {
  const parts = [
    user.rate,
    user.concurrency === 0 ? '' : `${user.concurrency} at a time`,
    user.tokens_per_minute === null ? '' : `${user.tokens_per_minute} tokens/min`,
    budgetText(user),
  ]
  return parts.filter((part) => part).join('; ')
}

/** The table of `user list`, written page by page. */
export class UserTable {
  readonly #columns = new Columns(Object.keys(COLUMNS), stateColour)

  page(users: readonly UserView[]): string {
    return this.#columns.page(users.map((user) => Object.values(COLUMNS).map((cell) => cell(user))))
  }
}

export const NO_USERS = 'No users. The first key of a name makes one, and so does: portcullis user add NAME'
export const ONLY_DISABLED = 'No active users. Disabled ones are listed with --all'
export const NO_CREDITS = 'Nothing was ever credited to this user.'

const CREDIT_COLUMNS: Readonly<Record<string, (credit: CreditView) => string>> = {
  TIME: ({ time }) => `${time.slice(0, 19).replace('T', ' ')} UTC`,
  AMOUNT: ({ amount }) => amount,
  NOTE: ({ note }) => visible(note),
}

/** The table of `user credits`, written page by page. */
export class CreditTable {
  readonly #columns = new Columns(Object.keys(CREDIT_COLUMNS), () => null)

  page(credits: readonly CreditView[]): string {
    return this.#columns.page(credits.map((credit) => Object.values(CREDIT_COLUMNS).map((cell) => cell(credit))))
  }
}

export const moreUsers = (shown: number): string => `${pc.dim(`the first ${shown}; --limit shows more`)}\n`
