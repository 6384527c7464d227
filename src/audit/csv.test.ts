import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { CSV_COLUMNS, csvCell, exportCsv } from './csv.ts'
import type { RawLine } from './read.ts'

async function* lines(...texts: readonly string[]): AsyncGenerator<RawLine> {
  for (const [i, line] of texts.entries()) yield { file: 'audit.log', line: i + 1, text: line }
}

describe('a CSV cell', () => {
  it.each(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'])('that begins with %j is text and no formula', (sign) => {
    expect(csvCell(`${sign}cmd|' /C calc'!A0`).startsWith(`"'`)).toBe(true)
  })

  it('shows control characters and ANSI sequences, and doubles quotes', () => {
    expect(csvCell('a\u001b[31m"b"\n\u009b\u202e')).toBe('"a\\u001b[31m""b""\\u000a\\u009b\\u202e"')
  })

  it('leaves numbers as numbers', () => expect([csvCell(-1.5), csvCell(true), csvCell(undefined)]).toEqual(['-1.5', 'true', '']))
})

describe('an export', () => {
  it('has one row of all columns per line, and names the lines that are none', async () => {
    const out = new PassThrough()
    const written = text(out)
    const exported = await exportCsv(lines('{"v":1,"seq":3,"event":"refused","path":"=1+1"}', 'rubbish', '[]'), out)
    out.end()
    const [header = '', row = '', ...rest] = (await written).split('\r\n')
    expect(header.split(',')).toEqual([...CSV_COLUMNS])
    expect(row).toContain(`"refused"`)
    expect(row).toContain(`"'=1+1"`)
    expect(row.split(',')).toHaveLength(CSV_COLUMNS.length)
    expect(rest).toEqual([''])
    expect(exported).toEqual({ rows: 1, malformed: ['audit.log:2', 'audit.log:3'], malformedCount: 2 })
  })
})
