import { describe, expect, it } from 'vitest'
import { Braces, isHalf, readerOf } from './half-object.ts'

const TEXT = ' {"a":[1,{"b":"}]\\"{\\\\"}],"c":"\\\\"} \n'
const TYPE = 'application/json'

const closedAfter = (text: string, piece = text.length): boolean => {
  const braces = new Braces()
  for (let at = 0; at < text.length; at += piece) braces.add(Buffer.from(text.slice(at, at + piece)))
  return braces.closed
}

describe('an object that only its connection ends', () => {
  it.each([1, 2, 5, 100])('is whole when what it opened is closed, in pieces of %i bytes', (piece) => {
    expect(closedAfter(TEXT, piece)).toBe(true)
  })

  it('is half at every byte before that', () => {
    const whole = TEXT.trimEnd().length
    for (let length = 0; length < whole; length += 1) expect(closedAfter(TEXT.slice(0, length)), TEXT.slice(0, length)).toBe(false)
  })

  it('is judged by its braces where HTTP says nothing, and only there', () => {
    const half = (text: string, headers = {}, answer = {}): boolean =>
      isHalf({ status: 200, contentType: TYPE, body: Buffer.from(text), ...answer }, headers)
    expect([half('{"a":'), half(''), half('{}')]).toEqual([true, true, false])
    expect(half('{', { 'content-length': '5' })).toBe(false)
    expect(half('{', { 'transfer-encoding': 'chunked' })).toBe(false)
    expect(half('{', {}, { contentType: 'text/plain' })).toBe(false)
    expect(half('', {}, { status: 204 })).toBe(false)
  })

  it('is told so by the reader of whoever carries it, and its own reader is asked as well', () => {
    const plan = { request: { method: 'POST', path: '/', headers: {}, body: null } }
    const report = (text: string, finished: boolean) => {
      const inner = { chunk: (chunk: Buffer) => chunk, report: () => ({ finished, failed: false, units: { tokens_out: 1 } }) }
      const reader = readerOf({ ...plan, reader: () => inner }, 200, TYPE, {})
      reader?.chunk(Buffer.from(text))
      return reader?.report()
    }
    expect(report('{}', true)).toEqual({ finished: true, failed: false, units: { tokens_out: 1 } })
    expect(report('{', true)?.finished).toBe(false)
    expect(report('{}', false)?.finished).toBe(false)
    expect(readerOf({ request: { ...plan.request, method: 'HEAD' } }, 200, TYPE, {})).toBe(null)
    expect(readerOf(plan, 200, 'text/event-stream', {})).toBe(null)
  })
})
