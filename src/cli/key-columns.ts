import pc from 'picocolors'

/** How a cell is painted, by the name of its column and its text; null leaves it plain. */
export type Paint = (column: string, text: string) => ((text: string) => string) | null

/**
 * A table that is written page by page. The first page decides how wide its columns are; what is wider later is not cut, but moves the rest of its row. No
 * frames: it can be copied, and grep and awk do not stumble over it.
 */
export class Columns {
  readonly #head: readonly string[]
  readonly #paint: Paint
  #widths: readonly number[] | null = null

  constructor(head: readonly string[], paint: Paint) {
    this.#head = head
    this.#paint = paint
  }

  /** The rows of a page, with the head over those of the first one. */
  page(rows: readonly (readonly string[])[]): string {
    const head = this.#widths === null ? [this.#line(this.#measured(rows), () => pc.dim)] : []
    return [...head, ...rows.map((row) => this.#line(row, this.#paint))].join('\n')
  }

  #measured(rows: readonly (readonly string[])[]): readonly string[] {
    this.#widths = this.#head.map((title, at) => Math.max(width(title), ...rows.map((row) => width(row[at] ?? ''))))
    return this.#head
  }

  #line(row: readonly string[], paint: Paint): string {
    const cells = row.map((text, at) => {
      const painted = paint(this.#head[at] ?? '', text)
      const space = at === row.length - 1 ? 0 : (this.#widths?.[at] ?? 0) - width(text)
      return (painted ? painted(text) : text) + ' '.repeat(Math.max(0, space))
    })
    return cells.join('  ').trimEnd()
  }
}

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
