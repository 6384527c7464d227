import { clip } from '../../kernel/index.ts'

export interface Column {
  readonly title: string
  readonly right?: boolean
  /** At most so many characters; the rest is cut with an ellipsis. */
  readonly max?: number
}

export type Cell = string | number

/** What may not be read as anything but text: every cell is made visible here, so that no caller can forget it. */
export const cellText = (cell: Cell, max = 60): string => clip(String(cell), max)

/** Aligned columns with two spaces between them, and no lines: they are read in terminals of any width. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], head: (text: string) => string): string[] {
  const cells = rows.map((row) => columns.map((column, i) => cellText(row[i] ?? '', column.max)))
  const widths = columns.map((column, i) => Math.max(column.title.length, ...cells.map((row) => row[i]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    columns
      .map((column, i) => {
        const text = row[i] ?? ''
        return column.right ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0)
      })
      .join('  ')
      .trimEnd()
  return [head(line(columns.map((column) => column.title))), ...cells.map(line)]
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const

/** A bar of blocks, to an eighth of a character. Something is never nothing. */
export function bar(value: number, most: number, width: number): string {
  if (value <= 0 || most <= 0) return ''
  const eighths = Math.max(1, Math.round((value / most) * width * 8))
  return '█'.repeat(eighths >> 3) + (EIGHTHS[eighths & 7] ?? '')
}

const LEVELS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const

export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values, 0)
  return values.map((v) => (v <= 0 || most === 0 ? ' ' : (LEVELS[Math.min(7, Math.floor((v / most) * 8))] ?? '█'))).join('')
}
