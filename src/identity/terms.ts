import { isNetworkName } from '../http/index.ts'
import { type Allowance, type Right, rightsOf } from '../kernel/index.ts'
import { type AllowanceRow, allowanceOf, allowanceRow } from './allowance.ts'
import { Networks } from './networks.ts'

/** What a key may do: all of it that an edit changes and the hot path asks. */
export interface Terms {
  readonly rights: ReadonlySet<Right>
  readonly limits: Allowance
  /** Null is all of them, here and below. */
  readonly models: readonly string[] | null
  readonly networks: Networks | null
  readonly logContent: boolean
}

/** The same, as the store has it; lists are JSON text. */
export interface TermsRow extends AllowanceRow {
  readonly rights: string
  readonly models: string | null
  readonly networks: string | null
  readonly log_content: number
}

/** The columns that most keys leave empty. */
export const NO_EXTRAS = {
  tokens_per_minute: null,
  budget_day_micro: null,
  budget_month_micro: null,
  models: null,
  networks: null,
  log_content: 0,
} as const satisfies Partial<TermsRow>

/** Sharing only saves memory; a house where every key has terms of its own must not keep them all a second time. */
const SHARED_MAX = 10_000

/** Rows into terms, one object for all keys that have them alike: there are few of them in most stores, and a driver makes a text anew for each row. */
export class TermsMaker {
  readonly #terms = new Map<string, Terms>()
  readonly #rights = new Map<string, ReadonlySet<Right>>()

  /** Throws on a row that no version of ours wrote. */
  of(row: TermsRow): Terms {
    const name = nameOf(row)
    const known = this.#terms.get(name)
    if (known !== undefined) return known
    const terms = Object.freeze({
      rights: this.#rightsOf(row.rights),
      limits: allowanceOf(row),
      models: row.models === null ? null : listOf(row.models),
      networks: row.networks === null ? null : networksOf(row.networks),
      logContent: row.log_content === 1,
    })
    if (this.#terms.size >= SHARED_MAX) this.#terms.clear()
    this.#terms.set(name, terms)
    return terms
  }

  #rightsOf(json: string): ReadonlySet<Right> {
    const known = this.#rights.get(json)
    if (known !== undefined) return known
    const rights = new Set<Right>()
    for (const word of listOf(json)) {
      for (const right of rightsOf(word) ?? []) rights.add(right)
    }
    if (this.#rights.size >= SHARED_MAX) this.#rights.clear()
    this.#rights.set(json, rights)
    return rights
  }
}

export const termsRow = ({ rights, limits, models, networks, logContent }: Terms): TermsRow => ({
  ...allowanceRow(limits),
  rights: JSON.stringify([...rights]),
  models: models && JSON.stringify(models),
  networks: networks && JSON.stringify(networks.names),
  log_content: logContent ? 1 : 0,
})

/** JSON has no raw newline, so that no two rows have one name. */
const nameOf = (row: TermsRow): string =>
  `${row.rights}\n${row.rate}\n${row.concurrency}\n${row.tokens_per_minute}\n${row.budget_day_micro}\n${row.budget_month_micro}\n${row.models}\n${row.networks}\n${row.log_content}`

function listOf(json: string): readonly string[] {
  const list: unknown = JSON.parse(json)
  if (!Array.isArray(list)) throw new TypeError('a list of the row is none')
  return Object.freeze(list.map(String))
}

function networksOf(json: string): Networks {
  const names = listOf(json)
  // A list that is partly understood would let in from fewer places than was said, or from more.
  if (!names.every(isNetworkName)) throw new TypeError('a network of the row is none')
  return new Networks(names)
}
