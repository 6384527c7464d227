import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StreamReader } from '../../dialects/index.ts'
import { Secret } from '../../kernel/index.ts'
import { hiding, withoutCredential } from './credential.ts'

const answer = {
  status: 500,
  contentType: 'text/plain; of=sk-0123456789',
  body: Buffer.from('Authorization: Bearer sk-0123456789, caf\u00e9'),
}
const auth = (value: string) => ({ auth: { header: 'authorization', value: new Secret(value) } })

it('an error of a backend does not give its own credential away, whole or without its scheme', () => {
  const told = withoutCredential(answer, auth('Bearer sk-0123456789'))
  expect(told.body.toString()).toBe('Authorization: Bearer [secret], caf\u00e9')
  expect(told.contentType).toBe('text/plain; of=[secret]')
})

it('an error of a backend without a credential is told as it came', () => {
  expect(withoutCredential(answer, { auth: null })).toBe(answer)
})

const KEY = 'sk-0123456789'
const MASKED = '*'.repeat(KEY.length)

describe('what passes as it comes', () => {
  const passed = (text: string, cuts: readonly number[], inner: StreamReader | null = null): string => {
    const reader = hiding(inner, auth(`Bearer ${KEY}`))
    const bytes = Buffer.from(text)
    const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
    const out = [0, ...places].map((from, at) => reader?.chunk(bytes.subarray(from, places[at] ?? bytes.length)) ?? Buffer.alloc(0))
    return Buffer.concat([...out, reader?.rest?.() ?? Buffer.alloc(0)]).toString()
  }

  it('does not give the credential away, however it is cut, and is as long as it was', () => {
    const text = `{"error":"sk-0 sk-012345678 Bearer ${KEY}, ${KEY}${KEY} café sk-01${KEY} sk-0"}`
    const expected = text.replaceAll(KEY, MASKED)
    fc.assert(
      fc.property(fc.array(fc.nat(200), { maxLength: 20 }), (cuts) => {
        expect(passed(text, cuts)).toBe(expected)
      }),
    )
  })

  it('waits for nothing between events, and is asked what its own reader was asked', () => {
    const event = Buffer.from('data: sk-0123456789 sk\n\n')
    const inner = { atBoundary: true, isWhole: true, chunk: (chunk: Buffer) => chunk, report: () => ({ finished: false, failed: true }) }
    const reader = hiding(inner, auth(KEY))
    expect(reader?.chunk(event).toString()).toBe(`data: ${MASKED} sk\n\n`)
    expect([reader?.atBoundary, reader?.isWhole, reader?.report()]).toEqual([true, true, { finished: false, failed: true }])
    expect(hiding(null, auth(KEY))?.report()).toEqual({ finished: true, failed: false })
  })

  it('may be made of the mask’s own sign', () => {
    const bytes = Buffer.from(`a ${'*'.repeat(20)} b`)
    const look = () => {
      const reader = hiding(null, auth('*'.repeat(8)))
      return Buffer.concat([reader?.chunk(bytes) ?? bytes, reader?.rest?.() ?? Buffer.alloc(0)]).toString()
    }
    // With a bound, because the fault would be to search for ever.
    expect(runInNewContext('look()', { look }, { timeout: 2_000 })).toBe(bytes.toString())
  })

  it('is left alone where there is no credential, or one that is too short to be a secret', () => {
    expect(hiding(null, { auth: null })).toBe(null)
    expect(hiding(null, auth('Bearer x'))).toBe(null)
  })
})
