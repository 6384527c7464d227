import pc from 'picocolors'
import { csvCell } from '../audit/index.ts'
import type { RequestDetail, RequestView, UsageAnswer, UsageRow } from '../contract/index.ts'
import { formatMicro, parseMicro, visible } from '../kernel/index.ts'
import { Columns } from './key-columns.ts'
import { details } from './key-print.ts'

type Counts = UsageAnswer['total']

const NONE = '-'
/** A busy gateway is always a moment ahead of its accounts. */
const BEHIND_TOLD_MIN = 1_000
const count = (value: number): string => (value === 0 ? NONE : value.toLocaleString('en-US'))

/** The columns of a sum; those in which nobody has anything are left out of a table. */
const COUNTS: Readonly<Record<string, (row: Counts) => string>> = {
  REQUESTS: (row) => count(row.requests),
  REFUSED: (row) => count(row.refused),
  'TOKENS IN': (row) => count(row.tokens_in),
  'TOKENS OUT': (row) => count(row.tokens_out),
  CHARACTERS: (row) => count(row.characters),
  IMAGES: (row) => count(row.images),
  SECONDS: (row) => count(Math.round(row.seconds)),
  COST: (row) => (row.cost === '0.00' ? NONE : row.cost),
}

export function summaryText(answer: UsageAnswer): string {
  const { by, from, to, rows, more, total, behind, fault } = answer
  const notes = [
    ...(fault !== null
      ? [`not all is counted: ${visible(fault)}`]
      : behind > BEHIND_TOLD_MIN
        ? [`${behind} lines of the ledger are not counted yet`]
        : []),
  ].map((note) => pc.dim(note))
  if (rows.length === 0) return [`Nothing was used from ${from} to ${to}.`, ...notes].join('\n')
  const columns = Object.entries(COUNTS).filter(([title, cell]) => title === 'REQUESTS' || cell(total) !== NONE)
  const head = [by.toUpperCase(), ...(by === 'key' ? ['USER'] : []), ...columns.map(([title]) => title)]
  const names = (row: UsageRow): string[] => [visible(row.name) || NONE, ...(by === 'key' ? [visible(row.user ?? '') || NONE] : [])]
  const line = (cells: readonly string[], row: Counts): string[] => [...cells, ...columns.map(([, cell]) => cell(row))]
  const sum = (word: string, counts: Counts) => line([word, ...(by === 'key' ? [''] : [])], counts)
  const left = more > 0 ? [sum(`others (${more})`, rest(total, rows))] : []
  const table = new Columns(head, () => null)
  return [table.page([...rows.map((row) => line(names(row), row)), ...left, sum('total', total)]), ...notes].join('\n')
}

/** What the rows that are not shown come to. */
function rest(total: Counts, rows: readonly Counts[]): Counts {
  const left = (of: (counts: Counts) => number): number => rows.reduce((sum, row) => sum - of(row), of(total))
  const money = ({ cost }: Counts): number => parseMicro(cost) ?? 0
  return {
    requests: left((row) => row.requests),
    refused: left((row) => row.refused),
    tokens_in: left((row) => row.tokens_in),
    tokens_out: left((row) => row.tokens_out),
    characters: left((row) => row.characters),
    images: left((row) => row.images),
    seconds: left((row) => row.seconds),
    cost: formatMicro(left(money)),
  }
}

const SUMMARY_CSV = [
  'id',
  'name',
  'user',
  'requests',
  'refused',
  'tokens_in',
  'tokens_out',
  'characters',
  'images',
  'seconds',
  'cost',
] as const

/** As RFC 4180 has it, and nothing that a spreadsheet would run. */
const csvLine = (cells: readonly unknown[]): string => `${cells.map(csvCell).join(',')}\r\n`

export const summaryCsvHead = `${SUMMARY_CSV.join(',')}\r\n`
export const summaryCsvRows = ({ rows }: UsageAnswer): string =>
  rows.map((row) => csvLine(SUMMARY_CSV.map((column) => row[column]))).join('')

const REQUEST_COLUMNS: Readonly<Record<string, (request: RequestView) => string>> = {
  TIME: ({ time }) => time.replace('T', ' ').replace(/\.\d+Z$/, ''),
  REQUEST: ({ request }) => request,
  USER: ({ user }) => visible(user),
  KEY: ({ key }) => key,
  'MODEL OR ROUTE': ({ model, route }) => visible(model || route),
  ENDPOINT: ({ endpoint }) => visible(endpoint) || NONE,
  STATUS: ({ status, ended }) => (ended === 'complete' ? String(status) : `${status} ${ended}`),
  UNITS: ({ units, estimated }) => unitsText(units, estimated),
  COST: ({ cost }) => (cost === '0.00' ? NONE : cost),
  MS: ({ total_ms }) => String(Math.round(total_ms)),
}

const unitsText = (units: RequestView['units'], estimated: boolean): string =>
  Object.entries(units)
    .map(([unit, value]) => `${estimated ? '~' : ''}${value} ${unit}`)
    .join(', ') || NONE

/** The table of `usage requests`, written page by page. */
export class RequestTable {
  readonly #columns = new Columns(Object.keys(REQUEST_COLUMNS), () => null)

  page(requests: readonly RequestView[]): string {
    return this.#columns.page(requests.map((request) => Object.values(REQUEST_COLUMNS).map((cell) => cell(request))))
  }
}

const REQUEST_CSV = [
  'time',
  'request',
  'seq',
  'user',
  'key',
  'model',
  'endpoint',
  'service',
  'route',
  'status',
  'code',
  'units',
  'cost',
  'estimated',
  'first_byte_ms',
  'total_ms',
  'bytes_in',
  'bytes_out',
  'ended',
] as const

export const requestsCsvHead = `${REQUEST_CSV.join(',')}\r\n`
export const requestsCsv = (requests: readonly RequestView[]): string =>
  requests.map((request) => csvLine(REQUEST_CSV.map((column) => request[column]))).join('')

export function requestText(request: RequestDetail): string {
  const { content, content_fault } = request
  const lines = details([
    ['request', request.request],
    ['time', request.time],
    ['line', String(request.seq)],
    ['user', visible(request.user)],
    ['key', request.key],
    ['model', visible(request.model)],
    ['endpoint', visible(request.endpoint)],
    ['route', visible(`${request.service} ${request.route}`)],
    ['status', `${request.status} ${request.code}`.trim()],
    ['ended', request.ended],
    ['units', unitsText(request.units, request.estimated)],
    ['cost', request.cost],
    ['first byte', request.first_byte_ms === null ? '' : `${request.first_byte_ms} ms`],
    ['in all', `${request.total_ms} ms`],
    ['bytes', `${request.bytes_in} in, ${request.bytes_out} out`],
    ['content', content_fault === null ? (content === null ? 'not kept' : 'below') : `kept, and cannot be read: ${visible(content_fault)}`],
  ])
  if (content === null) return lines
  return [lines, part('prompt', content.prompt, content.prompt_bytes), part('answer', content.answer, content.answer_bytes)].join('\n')
}

/** What callers and backends have written must not move anybody's cursor. */
function part(title: string, text: string, wholeBytes: number): string {
  const kept = Buffer.byteLength(text)
  const cut = kept < wholeBytes ? `, the first ${kept} of ${wholeBytes} bytes` : ''
  return `\n${pc.dim(`── ${title}${cut}`)}\n${text.split('\n').map(visible).join('\n')}`
}
