import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDigest } from './digest.ts'

describe('the digest', () => {
  it('is HMAC-SHA256, whatever the text and whatever came before it', () => {
    const key = randomBytes(32)
    const digest = createDigest(key)
    const ascii = fc.string({ maxLength: 128, unit: 'binary-ascii' })
    fc.assert(fc.property(ascii, (text) => digest(text).equals(createHmac('sha256', key).update(text).digest())))
  })

  it('refuses what it was not made for', () => {
    expect(() => createDigest(randomBytes(65))).toThrow(RangeError)
    expect(() => createDigest(randomBytes(32))('x'.repeat(129))).toThrow(RangeError)
  })
})
