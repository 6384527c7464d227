import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { base62, newKeyId } from '../kernel/index.ts'
import { KEY_PATTERN, keyFault, keyIdOf, mintKey } from './format.ts'

const id = newKeyId()
const key = mintKey(id)
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

describe('the text of a key', () => {
  it('is pcl_<id>_<secret><crc>, and gives its id back', () => {
    expect(key).toMatch(KEY_PATTERN)
    expect(key).toHaveLength(55)
    expect(key.startsWith(`pcl_${id}_`)).toBe(true)
    expect(keyIdOf(key)).toBe(id)
  })

  it('ends with the CRC-32 of all before it, in base62, so that other programs can check it', () => {
    expect(key.slice(49)).toBe(base62(crc32(key.slice(0, 49)), 6))
  })

  it('with any one character changed is refused before anything is looked up', () => {
    for (let at = 0; at < key.length; at += 1) {
      for (const other of DIGITS) {
        if (other === key[at]) continue
        expect(keyIdOf(key.slice(0, at) + other + key.slice(at + 1))).toBeNull()
      }
    }
  })

  it('is not found in any other text', () => {
    fc.assert(fc.property(fc.string({ maxLength: 80, unit: 'binary' }), (text) => keyIdOf(text) === null))
    for (const text of [`${key} `, ` ${key}`, `${key}\n`, key.toUpperCase(), key.slice(1), `${key}0`, '']) expect(keyIdOf(text)).toBeNull()
  })

  it('when refused is called mistyped only if it looks like one of ours', () => {
    expect(keyFault(`${key.slice(0, 54)}${key.endsWith('0') ? '1' : '0'}`)).toBe('bad_crc')
    expect(keyFault('hello')).toBe('malformed')
  })
})
