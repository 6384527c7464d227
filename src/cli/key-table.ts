import pc from 'picocolors'
import type { KeyView, ListKeysAnswer } from '../contract/index.ts'
import { clip, visible } from '../kernel/index.ts'
import { Columns, type Paint } from './key-columns.ts'
import { extrasText, rightsText, STATE_COLOURS, when } from './key-print.ts'

const DESCRIPTION_CHARS_MAX = 40

type Cell = (key: KeyView, nowMs: number) => string

const COLUMNS: Readonly<Record<string, Cell>> = {
  ID: (key) => key.id,
  USER: (key) => visible(key.user),
  RIGHTS: (key) => rightsText(key.rights),
  STATE: (key) => key.state,
  EXPIRES: (key, nowMs) => when(key.expires_at, nowMs) ?? 'never',
  'LAST USED': (key, nowMs) => when(key.last_used_at, nowMs) ?? 'never',
  BOUNDS: (key) => extrasText(key),
  DESCRIPTION: (key) => clip(key.description, DESCRIPTION_CHARS_MAX),
}

/** The table of `key list`, written page by page; what most keys have not has a column only where one of the first page has it. */
export class KeyTable {
  readonly #nowMs: number
  #table: { readonly cells: readonly Cell[]; readonly columns: Columns } | null = null

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  /** The page's rows, with the head over the first one. */
  page({ keys, total }: Pick<ListKeysAnswer, 'keys' | 'total'>): string {
    if (total === 0) return 'No keys. Make one with: scripts/apikey generate -u YOU -s all'
    this.#table ??= tableFor(keys)
    const { cells, columns } = this.#table
    return columns.page(keys.map((key) => cells.map((cell) => cell(key, this.#nowMs))))
  }
}

function tableFor(keys: readonly KeyView[]) {
  const bounded = keys.some((key) => extrasText(key) !== '')
  const wanted = Object.entries(COLUMNS).filter(([title]) => bounded || title !== 'BOUNDS')
  return {
    cells: wanted.map(([, cell]) => cell),
    columns: new Columns(
      wanted.map(([title]) => title),
      stateColour,
    ),
  }
}

export const foot = (shown: number, total: number): string => `${pc.dim(`${shown} newest of ${total}; --limit shows more`)}\n`

const COLOUR_OF: Readonly<Record<string, (text: string) => string>> = STATE_COLOURS
export const stateColour: Paint = (column, text) => (column === 'STATE' ? (COLOUR_OF[text] ?? null) : null)
