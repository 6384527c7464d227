import { describe, expect, it } from 'vitest'
import { afterString, parseFields, scanObject } from './index.ts'

const MiB = 1024 * 1024
const many = (count: number, text: string): string => Array.from({ length: count }, () => text).join()

describe('a JSON body, before it is parsed', () => {
  it('holds a million texts, the names of keys included, and no more', () => {
    const body = (texts: number): Buffer => Buffer.from(`{"messages":[${many(texts - 1, '""')}]}`)
    expect(scanObject(body(1_000_000))).toHaveLength(1)
    expect(() => scanObject(body(1_000_001))).toThrow(expect.objectContaining({ code: 'BODY_TOO_DEEP' }))
  })

  it.each([
    ['100,000 texts to embed', many(100_000, '"a text"')],
    ['2,000,000 tokens', many(2_000_000, '17')],
    ['one text that is full of quotes', `"${many(500_000, String.raw`\"`)}"`],
  ])('may be one with %s', (_what, input) => {
    expect(scanObject(Buffer.from(`{"model":"m","input":[${input}]}`)).map(({ name }) => name)).toEqual(['model', 'input'])
  })

  it('is not parsed for a field that can say little and is long', () => {
    const body = (bytes: number): Buffer => Buffer.from(`{"options":[${'1'.repeat(bytes - 2)}],"messages":[${' '.repeat(2 * MiB)}]}`)
    const fieldsOf = (bytes: Buffer) => parseFields(bytes, scanObject(bytes), new Set(['options']))
    expect(Object.keys(fieldsOf(body(MiB)))).toEqual(['options'])
    expect(() => fieldsOf(body(MiB + 1))).toThrow(expect.objectContaining({ code: 'BODY_INVALID' }))
  })
})

describe('where a string ends', () => {
  it.each([
    ['""', 2],
    ['"a"', 3],
    ['"', -1],
    ['"a', -1],
    [String.raw`"\"`, -1],
    [String.raw`"\\"`, 4],
    [String.raw`"\\\"`, -1],
    [String.raw`"\"\""`, 6],
  ])('%s ends at %i', (text, end) => expect(afterString(Buffer.from(text), 0)).toBe(end))

  it('is where reading letter by letter ends', () => {
    const seed = 20_261_121
    process.stdout.write(`strings: seed ${seed}\n`)
    const random = randomFrom(seed)
    for (let round = 0; round < 20_000; round += 1) {
      const alphabet = [String.raw`x\"`, String.raw`xxxxxxxxxxxxxxxxxxxx\"`, String.raw`\\\\"`][random(3)] ?? ''
      const bytes = Buffer.from(`"${Array.from({ length: random(80) }, () => alphabet[random(alphabet.length)]).join('')}`)
      expect([String(bytes), afterString(bytes, 0)]).toEqual([String(bytes), letterByLetter(bytes)])
    }
  })
})

function letterByLetter(bytes: Buffer): number {
  for (let at = 1; at < bytes.length; at += 1) {
    if (bytes[at] === 0x22) return at + 1
    if (bytes[at] === 0x5c) at += 1
  }
  return -1
}

function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
