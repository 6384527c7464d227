import { visible } from '../../../kernel/index.ts'

/** Text that is markup already. Only `html` makes it, so that what comes from a log is escaped wherever it is put. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Piece = string | number | Markup | null | readonly Piece[]

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

const escaped = (text: string): string => visible(text).replace(/[&<>"']/g, (c) => ENTITIES[c] ?? '')

function render(piece: Piece): string {
  if (piece === null) return ''
  if (piece instanceof Markup) return piece.text
  if (typeof piece === 'string') return escaped(piece)
  if (typeof piece === 'number') return String(Math.round(piece * 100) / 100)
  return piece.map(render).join('')
}

/** Markup with everything that is put into it escaped, text and attributes alike; attributes must stand in quotes. */
export function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Markup {
  return new Markup(strings.map((text, i) => text + render(pieces[i] ?? null)).join(''))
}
