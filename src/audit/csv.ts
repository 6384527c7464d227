import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { visible } from '../kernel/index.ts'
import type { RawLine } from './read.ts'

/** Every field that a line can have, in one order for all, so that the columns never move. */
export const CSV_COLUMNS = [
  'file',
  'line',
  'time',
  'seq',
  'event',
  'request',
  'tenant',
  'kind',
  'user',
  'key',
  'old_secret',
  'address',
  'method',
  'route',
  'service',
  'model',
  'target',
  'agent',
  'status',
  'code',
  'reason',
  'path',
  'bytes_in',
  'bytes_out',
  'endpoint',
  'passed_over',
  'units',
  'cost_micro',
  'estimated',
  'first_byte_ms',
  'total_ms',
  'ended',
  'count',
  'first',
  'last',
  'samples',
  'what',
  'detail',
  'segment',
  'host',
  'pid',
  'previous',
  'unfinished_from',
  'public_key',
  'offset',
  'sha256',
  'head',
  'previous_seal',
  'sig',
  'hash',
] as const

// What spreadsheets take for the beginning of a formula, in either width.
const FORMULA = /^[=+\-@\t\r＝＋－＠]/

/** One cell: quoted, made visible, and never a formula. Numbers of the ledger itself are left as numbers. */
export function csvCell(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  // Asked of the text as it came: a tab is shown as \u0009, and would no longer be found at the front.
  return `"${FORMULA.test(text) ? "'" : ''}${visible(text).replaceAll('"', '""')}"`
}

function fieldsOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    // Spread from an object just checked: its fields are read one by one below.
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}

export interface Exported {
  readonly rows: number
  /** Lines that are not JSON objects, named by file and line. At most 100. */
  readonly malformed: readonly string[]
  readonly malformedCount: number
}

const MALFORMED_NAMED_MAX = 100
const ROWS_PER_WRITE = 500

/** Writes lines as CSV (RFC 4180) that neither a spreadsheet nor a terminal executes. */
export async function exportCsv(lines: AsyncIterable<RawLine>, out: Writable): Promise<Exported> {
  const malformed: string[] = []
  let malformedCount = 0
  let rows = 0
  let text = `${CSV_COLUMNS.join(',')}\r\n`
  const flush = async (): Promise<void> => {
    const part = text
    text = ''
    if (!out.write(part)) await once(out, 'drain')
  }
  for await (const { file, line, text: raw } of lines) {
    const fields = fieldsOf(raw)
    if (!fields) {
      malformedCount += 1
      if (malformed.length < MALFORMED_NAMED_MAX) malformed.push(`${file}:${line}`)
      continue
    }
    const row: Record<string, unknown> = { ...fields, file, line }
    text += `${CSV_COLUMNS.map((column) => csvCell(row[column])).join(',')}\r\n`
    rows += 1
    if (rows % ROWS_PER_WRITE === 0) await flush()
  }
  await flush()
  return { rows, malformed, malformedCount }
}
