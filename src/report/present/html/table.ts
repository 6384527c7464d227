import { clip } from '../../../kernel/index.ts'
import type { Count } from '../../count/tally.ts'
import type { AddressRow } from '../../document.ts'
import { count, moment } from '../words.ts'
import { html, type Markup, type Piece } from './tag.ts'

export interface Column {
  readonly title: string
  /** `n` for numbers, `t` for times, `m` for identifiers, `w` for bars. */
  readonly kind?: 'n' | 't' | 'm' | 'w'
}

export const TEXT_MAX = 200

export function tableOf(columns: readonly Column[], rows: readonly (readonly Piece[])[]): Markup {
  if (rows.length === 0) return html`<p class="none">none</p>`
  const head = columns.map(({ title, kind }) => html`<th class="${kind === 'm' ? '' : (kind ?? '')}">${title}</th>`)
  const body = rows.map(
    (row) => html`<tr>${columns.map(({ kind }, i) => html`<td class="${kind ?? ''}">${bounded(row[i] ?? '')}</td>`)}</tr>`,
  )
  return html`<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`
}

const bounded = (piece: Piece): Piece => (typeof piece === 'string' ? clip(piece, TEXT_MAX) : piece)

export const barOf = (value: number, most: number, tone = ''): Markup =>
  html`<span class="bar ${tone}" style="width:${most > 0 ? (100 * value) / most : 0}%"></span>`

export const card = (title: string, body: Piece): Markup => html`<div class="card"><h3>${title}</h3>${body}</div>`

/** Names with counts and bars. */
export function ranked(title: string, rows: readonly Count[], tone = ''): Markup {
  const most = Math.max(...rows.map((row) => row.count), 0)
  return tableOf(
    [
      { title, kind: 'm' },
      { title: 'count', kind: 'n' },
      { title: '', kind: 'w' },
    ],
    rows.map((row) => [row.name, count(row.count), barOf(row.count, most, tone)]),
  )
}

export const addressTable = (rows: readonly AddressRow[]): Markup =>
  tableOf(
    [
      { title: 'address', kind: 'm' },
      { title: 'requests', kind: 'n' },
      { title: 'denied', kind: 'n' },
      { title: 'first', kind: 't' },
      { title: 'last', kind: 't' },
    ],
    rows.map((row) => [row.address, count(row.requests), count(row.denied), moment(row.first), moment(row.last)]),
  )
