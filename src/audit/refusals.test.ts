import { describe, expect, it } from 'vitest'
import { refusalOf } from '../../test/support/ledger.ts'
import type { RefusedEntry } from '../contract/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { finished, GENESIS, refusedBody, summaryBody } from './line.ts'
import { Refusals } from './refusals.ts'

const admitted = (refusals: Refusals, times: number, address: string, atMs: number): number => {
  let count = 0
  for (let i = 0; i < times; i += 1) if (refusals.admit(refusalOf(`r${i}`, { address }), atMs)) count += 1
  return count
}

describe('refusals of strangers', () => {
  it.each([19, 20, 21])('records up to 20 of %i per address and minute, and counts the rest', (times) => {
    const refusals = new Refusals()
    expect(admitted(refusals, times, '192.0.2.1', 0)).toBe(Math.min(times, 20))
    expect(refusals.drain(10_000).map((s) => s.count)).toEqual(times > 20 ? [times - 20] : [])
  })

  it('gives an address its bound again when its minute is over, and when the clock was set back', () => {
    const refusals = new Refusals()
    expect(admitted(refusals, 30, '192.0.2.1', 0)).toBe(20)
    expect(admitted(refusals, 30, '192.0.2.1', 59_999)).toBe(0)
    expect(admitted(refusals, 30, '192.0.2.1', 60_000)).toBe(20)
    expect(admitted(refusals, 30, '192.0.2.1', -5_000_000)).toBe(20)
  })

  it.each([199, 200, 201])('records up to 200 of %i in all', (addresses) => {
    const refusals = new Refusals()
    let count = 0
    for (let i = 0; i < addresses; i += 1) count += admitted(refusals, 1, `10.0.${i >> 8}.${i & 255}`, 0)
    expect(count).toBe(Math.min(addresses, 200))
  })

  it('summarises per address, with first, last and some samples', () => {
    const refusals = new Refusals()
    admitted(refusals, 20, '192.0.2.1', 0)
    for (const [i, path] of ['/a', '/b', '/b', '/c', '/d'].entries())
      refusals.admit(refusalOf('r', { address: '192.0.2.1', path }), 1_000 + i)
    expect(refusals.drain(10_000)).toEqual([
      {
        tenant: 'default',
        address: '192.0.2.1',
        count: 5,
        first: '1970-01-01T00:00:01.000Z',
        last: '1970-01-01T00:00:01.004Z',
        samples: ['/a', '/b', '/c'].map((path) => ({ code: 'UNAUTHORIZED', reason: 'unknown_key', path })),
      },
    ])
    expect(refusals.drain(20_000)).toEqual([])
  })

  it('keeps lines and memory bounded when every request has an address of its own', () => {
    const refusals = new Refusals({ ...LIMITS, refusalAddressesMax: 500 })
    let alone = 0
    for (let i = 0; i < 20_000; i += 1) alone += admitted(refusals, 1, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 0)
    const summaries = refusals.drain(10_000)
    expect(summaries.length).toBeLessThanOrEqual(LIMITS.refusalSummariesMax + 1)
    expect(alone + summaries.reduce((sum, s) => sum + s.count, 0)).toBe(20_000)
    expect(summaries.find((s) => s.address === '*')?.count).toBeGreaterThan(19_000)
  })
})

describe('refusals of keys', () => {
  const known = (n: number, more: Partial<RefusedEntry> = {}): RefusedEntry =>
    refusalOf(`r${n}`, { kind: 'key', user: 'ada', key: 'K1', code: 'RATE_LIMITED', status: 429, ...more })
  const written = (refusals: Refusals, times: number, atMs: number, more: Partial<RefusedEntry> = {}): number => {
    let count = 0
    for (let i = 0; i < times; i += 1) if (refusals.admit(known(i, more), atMs)) count += 1
    return count
  }

  it.each([59, 60, 61, 10_000])('are recorded up to 60 of %i per key and minute, whatever the address', (times) => {
    const refusals = new Refusals()
    let count = 0
    for (let i = 0; i < times; i += 1) if (refusals.admit(known(i, { address: `192.0.2.${i % 250}` }), 0)) count += 1
    expect(count).toBe(Math.min(times, 60))
    expect(refusals.drain(10_000).map((s) => s.count)).toEqual(times > 60 ? [times - 60] : [])
    expect(written(refusals, 1, 60_000)).toBe(1)
  })

  it('leave another key and strangers their own lines', () => {
    const refusals = new Refusals()
    expect(written(refusals, 5_000, 0)).toBe(60)
    expect(written(refusals, 60, 0, { key: 'K2' })).toBe(60)
    expect(admitted(refusals, 20, '198.51.100.9', 0)).toBe(20)
  })

  it('are counted by key and code, with what tells one door from another', () => {
    const refusals = new Refusals()
    written(refusals, 60, 0)
    written(refusals, 7, 1_000, { address: '192.0.2.1' })
    written(refusals, 3, 2_000, { address: '192.0.2.1', code: 'FORBIDDEN', status: 403, reason: 'rights', route: '/chat/api/pull' })
    written(refusals, 1, 3_000, { address: '192.0.2.9' })
    expect(refusals.drain(10_000)).toMatchObject([
      { kind: 'key', user: 'ada', key: 'K1', address: '*', count: 8, samples: [{ code: 'RATE_LIMITED' }] },
      { kind: 'key', user: 'ada', key: 'K1', address: '192.0.2.1', count: 3, samples: [{ code: 'FORBIDDEN', route: '/chat/api/pull' }] },
    ])
  })

  it('are bounded in all, and so are the lines that count them', () => {
    const refusals = new Refusals()
    let count = 0
    for (let i = 0; i < 20_000; i += 1) count += written(refusals, 2, 0, { key: `K${i}` })
    const summaries = refusals.drain(10_000)
    expect(count).toBe(LIMITS.refusalsOfKeysPerMinute)
    expect(summaries.length).toBeLessThanOrEqual(LIMITS.refusalSummariesMax + 1)
    expect(count + summaries.reduce((sum, s) => sum + s.count, 0)).toBe(40_000)
    const { user, key, kind, address } = summaries.at(-1) ?? {}
    expect({ user, key, kind, address }).toEqual({ user: undefined, key: undefined, kind: 'key', address: '*' })
  })
})

describe('ten minutes of a flood', () => {
  const agent = 'é'.repeat(LIMITS.userAgentCharsMax)
  const key = 'k'.repeat(12)
  // Characters that take six bytes in a line, as an attacker would choose them.
  const path = (n: number): string => `/${n}${'é'.repeat(LIMITS.rawPathCharsMax - 12)}`

  it.each([
    ['one address', (_n: number) => '192.0.2.1'],
    ['64 addresses', (n: number) => `192.0.2.${n % 64}`],
    ['an address for each', (n: number) => `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`],
  ])('from %s grow the ledger by at most 5 MiB', (_what, address) => {
    const refusals = new Refusals()
    let bytes = 0
    let n = 0
    for (let second = 0; second < 600; second += 1) {
      for (let i = 0; i < 500; i += 1, n += 1) {
        const entry = refusalOf(`req_${n}`, { address: address(n), path: path(n), agent, key, reason: agent })
        const written = refusals.admit(entry, second * 1_000)
        if (written) bytes += finished(refusedBody(written, second * 1_000, n), GENESIS).length + 1
      }
      if (second % 10 === 9)
        for (const summary of refusals.drain(second * 1_000)) bytes += finished(summaryBody(summary, 0, n), GENESIS).length + 1
    }
    expect(bytes).toBeGreaterThan(0)
    expect(bytes / 1_048_576).toBeLessThan(5)
  })
})
