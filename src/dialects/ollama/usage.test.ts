import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../kernel/index.ts'
import { ollamaReader } from './usage.ts'

const STREAM = 'application/x-ndjson'
const OBJECT = 'application/json; charset=utf-8'
const line = (text: string): string => `${JSON.stringify({ model: 'm', response: text, done: false })}\n`
const LAST = JSON.stringify({ model: 'm', response: '', done: true, prompt_eval_count: 26, eval_count: 259 })

function reportOf(type: string, ...chunks: readonly (string | Buffer)[]) {
  const reader = ollamaReader(200, type)
  for (const chunk of chunks) reader?.chunk(Buffer.from(chunk))
  return reader?.report()
}
const FINISHED = { finished: true, failed: false, units: { tokens_in: 26, tokens_out: 259 } }

describe('the reader of Ollama answers', () => {
  it('finds the counts wherever the packets are cut', () => {
    const bytes = Buffer.from(`${line('Grüße')}${line('🙂')}${LAST}\n`)
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: bytes.length - 1 }), { maxLength: 12 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        const chunks = edges.slice(1).map((to, n) => bytes.subarray(edges[n], to))
        expect(reportOf(STREAM, ...chunks)).toEqual(FINISHED)
      }),
    )
  })

  it.each([
    ['a newline in a packet of its own', [line('a'), LAST, '\n']],
    ['an empty line at the end', [line('a'), `${LAST}\n`, '\n']],
    ['empty lines between', [line('a'), '\n\n', `${LAST}\n\n`]],
    ['no newline at the end', [line('a'), LAST]],
    ['lines that end with CR LF', [`${line('a').trimEnd()}\r\n${LAST}\r\n`]],
    ['two lines in one packet', [`${line('a')}${LAST}\n`]],
  ])('takes %s as it is', (_name, chunks) => {
    expect(reportOf(STREAM, ...chunks)).toEqual(FINISHED)
  })

  it.each([
    ['after whole lines', [line('a'), line('b')], 2],
    ['within a line', [line('a'), '{"model":"m","resp'], 1],
    ['within a line that shares its packet', [`${line('a')}{"model"`], 1],
    ['within the last line', [line('a'), line('b'), LAST.slice(0, -1)], 2],
  ])('tells a stream that was cut %s, and estimates what it used', (_name, chunks, tokens) => {
    expect(reportOf(STREAM, ...chunks)).toEqual({ finished: false, failed: false, units: { tokens_out: tokens }, estimated: true })
  })

  it('tells a stream that never began', () => {
    expect(reportOf(STREAM)).toEqual({ finished: false, failed: false })
  })

  it('tells a failure in band from a cut', () => {
    expect(reportOf(STREAM, line('a'), '{"error":"out of memory"}\n')).toMatchObject({ finished: true, failed: true })
  })

  it('takes the last word of a pull for its end', () => {
    expect(reportOf(STREAM, '{"status":"pulling manifest"}\n', '{"status":"success"}\n')).toMatchObject({ finished: true })
  })

  it('reads one object, and tells half of one', () => {
    expect(reportOf(OBJECT, LAST.slice(0, 20), LAST.slice(20))).toEqual(FINISHED)
    expect(reportOf(OBJECT, LAST.slice(0, -1))).toMatchObject({ finished: false })
    expect(reportOf(OBJECT, '{"models":[]}')).toEqual({ finished: true, failed: false })
  })

  it('gives up a last line that is too long to keep, without taking it for a cut', () => {
    const context = `{"done":true,"context":[${'1,'.repeat(LIMITS.usageTailBytesMax / 2)}1]}`
    expect(reportOf(STREAM, line('a'), context, '\n')).toEqual({ finished: true, failed: false, units: { tokens_out: 2 }, estimated: true })
  })

  it('reads nothing of other answers', () => {
    expect(ollamaReader(404, OBJECT)).toBeNull()
    expect(ollamaReader(200, 'text/plain')).toBeNull()
  })
})
