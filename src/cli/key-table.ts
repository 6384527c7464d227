import pc from 'picocolors'
import type { KeyView, ListKeysAnswer } from '../contract/index.ts'
import { clip, visible } from '../kernel/index.ts'
import { rightsText, STATE_COLOURS, when } from './key-print.ts'

const HEAD = ['ID', 'USER', 'RIGHTS', 'STATE', 'EXPIRES', 'LAST USED', 'DESCRIPTION']
const STATE_COLUMN = 3
const DESCRIPTION_CHARS_MAX = 40

/**
 * The table of `key list`, written page by page. The first page decides how wide its columns are; what is wider later is not cut, but moves the rest of
 * its row. No frames: it can be copied, and grep and awk do not stumble over it.
 */
export class KeyTable {
  readonly #nowMs: number
  #widths: readonly number[] | null = null

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  /** The page's rows, with the head over the first one. */
  page({ keys, total }: Pick<ListKeysAnswer, 'keys' | 'total'>): string {
    if (total === 0) return 'No keys. Make one with: scripts/apikey generate -u YOU -s all'
    const rows = keys.map((key) => this.#cells(key))
    const head = this.#widths === null ? [HEAD] : []
    this.#widths ??= HEAD.map((title, at) => Math.max(width(title), ...rows.map((row) => width(row[at] ?? ''))))
    const lines = [...head.map((row) => this.#line(row, () => pc.dim)), ...rows.map((row) => this.#line(row, stateColour))]
    return lines.join('\n')
  }

  #cells(key: KeyView): readonly string[] {
    return [
      key.id,
      visible(key.user),
      rightsText(key.rights),
      key.state,
      when(key.expires_at, this.#nowMs) ?? 'never',
      when(key.last_used_at, this.#nowMs) ?? 'never',
      clip(key.description, DESCRIPTION_CHARS_MAX),
    ]
  }

  #line(row: readonly string[], colour: Colours): string {
    const cells = row.map((text, at) => {
      const paint = colour(at, text)
      const space = at === row.length - 1 ? 0 : (this.#widths?.[at] ?? 0) - width(text)
      return (paint ? paint(text) : text) + ' '.repeat(Math.max(0, space))
    })
    return cells.join('  ').trimEnd()
  }
}

export const foot = (shown: number, total: number): string => `${pc.dim(`${shown} newest of ${total}; --limit shows more`)}\n`

type Colours = (at: number, text: string) => ((text: string) => string) | null

const COLOUR_OF: Readonly<Record<string, (text: string) => string>> = STATE_COLOURS
const stateColour: Colours = (at, text) => (at === STATE_COLUMN ? (COLOUR_OF[text] ?? null) : null)

const ASCII = /^[\x20-\x7e]*$/
/** Chinese, Japanese and Korean letters fill two places of a terminal; a mark over the letter before it fills none. */
const TWO_PLACES = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u
const NO_PLACE = /\p{M}/u

/** Places that a text takes in a terminal. */
export function width(text: string): number {
  if (ASCII.test(text)) return text.length
  let places = 0
  for (const letter of text) {
    if (!NO_PLACE.test(letter)) places += TWO_PLACES.test(letter) ? 2 : 1
  }
  return places
}
