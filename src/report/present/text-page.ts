import type { Colors } from 'picocolors/types.js'
import { type Cell, type Column, table } from './table.ts'

/** Lines of text under headings. */
export class Page {
  readonly colours: Colors
  readonly #lines: string[] = []

  constructor(colours: Colors) {
    this.colours = colours
  }

  line(text: string): void {
    this.#lines.push(text)
  }

  heading(text: string): void {
    this.#lines.push('', this.colours.bold(text))
  }

  /** A table, or nothing where there are no rows. */
  table(heading: string, columns: readonly Column[], rows: readonly (readonly Cell[])[]): void {
    if (rows.length === 0) return
    this.heading(heading)
    for (const line of table(columns, rows, this.colours.dim)) this.#lines.push(`  ${line}`)
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`
  }
}
