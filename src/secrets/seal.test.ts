import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Secret } from '../kernel/index.ts'
import { createSealer, SealBroken } from './index.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'portcullis-seal-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const file = () => join(dir, 'endpoints.key')
const KEY = new Secret('sk-provider-Ünïcode-0123456789')
const ROW = 'endpoint:end_1'

describe('a sealed secret', () => {
  it('opens for its own row, after a restart too, and shows nothing of itself', () => {
    const sealed = createSealer(file()).seal(KEY, ROW)
    expect(sealed).toMatch(/^v1\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+$/)
    expect(createSealer(file()).open(sealed, ROW).reveal()).toBe(KEY.reveal())
    expect(Buffer.from(sealed.split('.')[2] ?? '', 'base64url').includes('provider')).toBe(false)
    expect(statSync(file()).mode & 0o777).toBe(0o600)
  })

  it('is another text each time', () => {
    const sealer = createSealer(file())
    expect(new Set(Array.from({ length: 100 }, () => sealer.seal(KEY, ROW))).size).toBe(100)
  })

  it('does not open in another row, so that exchanged rows give nobody a key', () => {
    const sealer = createSealer(file())
    const [one, other] = [sealer.seal(KEY, 'endpoint:end_1'), sealer.seal(new Secret('other'), 'endpoint:end_2')]
    expect(() => sealer.open(one, 'endpoint:end_2')).toThrow(SealBroken)
    expect(() => sealer.open(other, 'endpoint:end_1')).toThrow('endpoint:end_1')
  })

  it('does not open with one bit turned, whichever it is', () => {
    const sealer = createSealer(file())
    const sealed = sealer.sealBytes(Buffer.from('sixteen bytes ok'), ROW)
    let opened = 0
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const turned = Buffer.from(sealed)
      turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      try {
        sealer.openBytes(turned, ROW)
        opened += 1
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(SealBroken)
      }
    }
    expect(opened).toBe(0)
  })

  it('does not open with another key file, and says which file to restore, and nothing of the secret', () => {
    const sealed = createSealer(file()).seal(KEY, ROW)
    const other = join(dir, 'other.key')
    const open = () => createSealer(other).open(sealed, ROW)
    expect(open).toThrow(SealBroken)
    expect(open).toThrow(`does not open with the key file ${other}. If that file was exchanged or made anew, restore it from a backup`)
    expect(open).toThrow(/^(?!.*provider)/)
  })

  it.each(['', 'v1..', 'v2.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAA', 'sk-plain', 'v1.AAAA.AAAA', 'v1.AAAAAAAAAAAAAAAA.AAAA'])(
    'that is none is refused: %j',
    (text) => {
      expect(() => createSealer(file()).open(text, ROW)).toThrow(SealBroken)
    },
  )
})

describe('sealed bytes', () => {
  it.each([0, 1, 15, 16, 65_536])('open as they were: %i of them', (length) => {
    const { sealBytes, openBytes } = createSealer(file())
    const plain = Buffer.alloc(length, 0xa5)
    const sealed = sealBytes(plain, 'request:req_1')
    expect(sealed).toHaveLength(length + 28)
    expect(openBytes(sealed, 'request:req_1').equals(plain)).toBe(true)
    expect(() => openBytes(sealed, 'request:req_2')).toThrow(SealBroken)
    expect(() => openBytes(sealed.subarray(0, 27), 'request:req_1')).toThrow('cut short')
  })
})
