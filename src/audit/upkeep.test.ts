import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { manualClock } from '../../test/support/clock.ts'
import { type LedgerPlace, ledgerAt, ledgerPlace, linesOf, verifyPlace, writePairs } from '../../test/support/ledger.ts'
import { until } from '../../test/support/until.ts'
import { LIMITS } from '../kernel/index.ts'
import { compressSegment } from './compress.ts'
import { rotatedSegments } from './names.ts'
import { type Aged, expired } from './upkeep.ts'

const DAY_MS = 86_400_000
const NOW_MS = 1_000 * DAY_MS
const segments = (...agesDays: readonly number[]): Aged[] =>
  agesDays.map((age, i) => ({ path: `${i}`, name: `${i}`, endedMs: NOW_MS - age * DAY_MS, bytes: 100 }))
const goneOf = (list: Aged[], keepDays: number, keepBytesMax: number): string[] =>
  expired(list, { keepDays, keepBytesMax }, NOW_MS).map((s) => s.name)

describe('retention', () => {
  it('removes what is older than its days, and only from the front', () => {
    expect(goneOf(segments(402, 401, 400, 1), 400, 10_000)).toEqual(['0', '1'])
    expect(goneOf(segments(402, 10, 401), 400, 10_000)).toEqual(['0'])
  })

  it('removes the oldest beyond the size in all, but none of the last 30 days', () => {
    expect(goneOf(segments(90, 60, 31, 29, 1), 400, 300)).toEqual(['0', '1'])
    expect(goneOf(segments(31, 30, 29), 400, 0)).toEqual(['0'])
    expect(goneOf(segments(3, 2, 1), 400, 0)).toEqual([])
  })
})

describe('the upkeep of a ledger', () => {
  let place: LedgerPlace
  beforeEach(() => {
    place = ledgerPlace()
  })
  afterEach(() => place.remove())

  const files = (): string[] => readdirSync(dirname(place.file)).sort()

  it('compresses finished segments, and what is compressed still verifies', async () => {
    const ledger = await ledgerAt(place, { rotateMiB: 0.02, compress: true })
    await writePairs(ledger, 0, 60)
    await until(() => files().filter((f) => f.endsWith('.gz')).length >= 2 && !files().some((f) => /-\d+\.log$/.test(f)), {
      withinMs: 5_000,
      what: 'all finished segments to be compressed',
    })
    await ledger.close()
    expect(await verifyPlace(place)).toMatchObject({ ok: true, unfinishedCount: 0 })
  })

  it('keeps the original when compressing is cut short, and leaves no remains', async () => {
    const ledger = await ledgerAt(place)
    await writePairs(ledger, 0, 60)
    await ledger.close()
    const path = join(dirname(place.file), 'audit-20250101T000000Z-7.log')
    renameSync(place.file, path)
    const before = readFileSync(path)
    await expect(compressSegment(path, AbortSignal.abort())).rejects.toThrow()
    expect(files()).toEqual(['audit-20250101T000000Z-7.log', 'audit.lock'])
    await compressSegment(path, new AbortController().signal)
    expect(existsSync(path)).toBe(false)
    expect(gunzipSync(readFileSync(`${path}.gz`)).equals(before)).toBe(true)
  })

  it('removes segments past their time, says so in the ledger, and verify knows', async () => {
    const clock = manualClock()
    for (let day = 0; day < 4; day += 1) {
      const ledger = await ledgerAt(place, { clock, keepDays: 400 })
      await writePairs(ledger, day * 10, day * 10 + 10)
      await ledger.close()
      clock.advance(200 * DAY_MS)
    }
    writeFileSync(join(dirname(place.file), 'audit-20250101T000000Z-1.log.gz.tmp'), 'remains')
    const before = rotatedSegments(place.file).map((s) => s.name)
    expect(before).toHaveLength(3)
    const reading = await ledgerAt(place, { clock, keepDays: 100, stillRead: (segment) => segment === before[0] })
    await writePairs(reading, 40, 45)
    await reading.close()
    expect(rotatedSegments(place.file).map((s) => s.name)).toEqual(expect.arrayContaining(before))
    const ledger = await ledgerAt(place, { clock, keepDays: 400 })
    await until(() => !rotatedSegments(place.file).some((s) => s.name === before[0]), { withinMs: 5_000, what: 'retention' })
    await ledger.close()
    expect(files().some((f) => f.endsWith('.tmp'))).toBe(false)
    expect(linesOf(place.file).find((l) => l.what === 'retention')).toMatchObject({ detail: `removed: ${before[0]}` })
    expect(await verifyPlace(place)).toMatchObject({ ok: true, problems: [] })
    expect(LIMITS.ledgerKeepDaysMin).toBeLessThan(400)
  })
})
