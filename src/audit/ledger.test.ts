import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { manualClock } from '../../test/support/clock.ts'
import {
  intentOf,
  type LedgerPlace,
  ledgerAt,
  ledgerPlace,
  linesOf,
  outcomeOf,
  refusalOf,
  type Said,
  verifyPlace,
  writePairs,
} from '../../test/support/ledger.ts'
import { until } from '../../test/support/until.ts'
import { ledgerLine } from '../contract/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { listSegments } from './names.ts'
import { expandFiles } from './read.ts'

let place: LedgerPlace
beforeEach(() => {
  place = ledgerPlace()
})
afterEach(() => place.remove())

const events = (): unknown[] => linesOf(...listSegments(place.file)).map((line) => line.event)

describe.each(['write', 'sync'] as const)('a ledger in %s mode', (sync) => {
  it('writes intent and outcome as chained, sealed lines that verify', async () => {
    const ledger = await ledgerAt(place, { sync })
    await ledger.lifecycle({ what: 'start' })
    await ledger.intent(intentOf('req_1'))
    expect(linesOf(place.file).map((l) => l.event)).toEqual(['open', 'lifecycle', 'intent'])
    ledger.outcome(outcomeOf('req_1'))
    ledger.refused(refusalOf('req_2'))
    await ledger.close()
    const lines = linesOf(place.file)
    expect(lines.map((l) => l.event)).toEqual(['open', 'lifecycle', 'intent', 'outcome', 'refused', 'seal'])
    expect(lines.map((l) => l.seq)).toEqual([0, 1, 2, 3, 4, 5])
    for (const line of lines) expect(ledgerLine.parse(line)).toStrictEqual(line)
    expect(await verifyPlace(place)).toMatchObject({ ok: true, lines: 6, seals: 1, unfinishedCount: 0, heldSealFound: true })
  })

  it('resolves every intent only when its line is in the file, many at once', async () => {
    const ledger = await ledgerAt(place, { sync })
    let missing = 0
    await Promise.all(
      Array.from({ length: 2_000 }, async (_, i) => {
        await ledger.intent(intentOf(`req_${i}`))
        if (i % 100 === 0 && !readFileSync(place.file, 'utf8').includes(`"req_${i}"`)) missing += 1
      }),
    )
    expect(missing).toBe(0)
    await ledger.close()
    expect(await verifyPlace(place)).toMatchObject({ ok: true, unfinishedCount: 2_000 })
  })

  it('rotates by size and keeps the chain across files', async () => {
    const ledger = await ledgerAt(place, { sync, rotateMiB: 0.05 })
    await writePairs(ledger, 0, 400)
    await ledger.close()
    expect(listSegments(place.file).length).toBeGreaterThan(3)
    const report = await verifyPlace(place)
    expect(report).toMatchObject({ ok: true, heldSealFound: true, unfinishedCount: 0 })
    expect(report.segments.length).toBe(listSegments(place.file).length)
  })

  it('continues a clean file after a restart, in the same segment', async () => {
    for (let run = 0; run < 3; run += 1) {
      const ledger = await ledgerAt(place, { sync })
      await writePairs(ledger, run * 10, run * 10 + 10)
      await ledger.close()
    }
    expect(listSegments(place.file)).toEqual([place.file])
    expect(await verifyPlace(place)).toMatchObject({ ok: true, seals: 3, unfinishedCount: 0 })
  })

  it('refuses what comes after it was closed', async () => {
    const ledger = await ledgerAt(place, { sync })
    await ledger.close()
    await expect(ledger.intent(intentOf('late'))).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    await expect(ledger.lifecycle({ what: 'late' })).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    await ledger.close()
  })
})

describe('a ledger', () => {
  it('changes its mode and its bounds while it runs', async () => {
    const ledger = await ledgerAt(place)
    await writePairs(ledger, 0, 5)
    ledger.reconfigure({ sync: 'sync', rotateMiB: 0.01, keepDays: 30 })
    await writePairs(ledger, 5, 100)
    ledger.reconfigure({ sync: 'write', rotateMiB: 64, keepDays: 30 })
    await writePairs(ledger, 100, 105)
    await ledger.close()
    expect(listSegments(place.file).length).toBeGreaterThan(1)
    expect(await verifyPlace(place)).toMatchObject({ ok: true, unfinishedCount: 0 })
  })

  it('seals after 1,000 lines and says where it ends', async () => {
    const ledger = await ledgerAt(place)
    await Promise.all(Array.from({ length: LIMITS.ledgerSealLines - 1 }, (_, i) => ledger.intent(intentOf(`req_${i}`))))
    expect(ledger.head().seal).toBeUndefined()
    await ledger.intent(intentOf('req_last'))
    expect(JSON.parse(ledger.head().seal ?? '{}')).toMatchObject({ event: 'seal', seq: LIMITS.ledgerSealLines + 1 })
    expect(ledger.state()).toMatchObject({ ok: true, waitingLines: 0, lagMs: 0, seq: LIMITS.ledgerSealLines + 1 })
    const { length } = events()
    await ledger.seal()
    expect(events()).toHaveLength(length)
    await ledger.close()
  })

  it('begins a new segment with a new UTC day, but not for a day on which nothing happened', async () => {
    const clock = manualClock(Date.parse('2026-11-20T23:59:00Z'))
    const ledger = await ledgerAt(place, { clock })
    clock.advance(86_400_000)
    await ledger.intent(intentOf('req_1'))
    expect(listSegments(place.file)).toHaveLength(1)
    clock.advance(86_400_000)
    await ledger.intent(intentOf('req_2'))
    expect(readdirSync(dirname(place.file)).sort()).toEqual(['audit-20261120T235900Z-1.log', 'audit.lock', 'audit.log'])
    await ledger.close()
    expect(await verifyPlace(place)).toMatchObject({ ok: true, unfinishedCount: 2 })
  })

  it('records refusals of strangers and of a known key up to a bound each', async () => {
    const ledger = await ledgerAt(place)
    for (let i = 0; i < 100; i += 1) ledger.refused(refusalOf(`stranger_${i}`))
    const ada = { kind: 'key', user: 'ada', key: 'AbCdEfGhIjKl' } as const
    for (let i = 0; i < 100; i += 1) ledger.refused(refusalOf(`known_${i}`, { ...ada, code: 'RATE_LIMITED', status: 429 }))
    // The ledger writes this one itself, when it has rejected the intent.
    ledger.refused(refusalOf('own', { kind: 'key', code: 'AUDIT_UNAVAILABLE', status: 503 }))
    await ledger.close()
    const lines = linesOf(place.file)
    expect(lines.filter((l) => l.event === 'refused' && l.kind === undefined)).toHaveLength(LIMITS.refusalsPerAddressPerMinute)
    expect(lines.filter((l) => l.event === 'refused' && l.kind === 'key')).toHaveLength(LIMITS.refusalsPerKeyPerMinute)
    expect(lines.filter((l) => l.event === 'refused_summary')).toMatchObject([
      { address: '198.51.100.9', count: 80 },
      { ...ada, address: '198.51.100.9', count: 40, samples: [{ code: 'RATE_LIMITED' }] },
    ])
    expect(lines.some((l) => l.request === 'own')).toBe(false)
  })

  it('writes refusals without waiting for a request', async () => {
    const ledger = await ledgerAt(place)
    ledger.refused(refusalOf('alone'))
    await until(() => linesOf(place.file).some((l) => l.request === 'alone'), { withinMs: 3_000, what: 'the refusal' })
    await ledger.close()
  })

  it('goes on in a new segment when its file is moved or removed under it', async () => {
    const said: Said[] = []
    const clock = manualClock()
    const ledger = await ledgerAt(place, { clock }, said)
    await writePairs(ledger, 0, 3)
    const moved = join(place.dir, 'moved.log')
    renameSync(place.file, moved)
    clock.advance(LIMITS.refusalSummaryMs)
    await until(() => said.some((s) => s.message.includes('moved or removed')), { withinMs: 3_000, what: 'the notice' })
    await ledger.intent(intentOf('after'))
    await ledger.close()
    expect(linesOf(place.file)[0]).toMatchObject({ event: 'open', previous: { segment: linesOf(moved)[0]?.segment } })
    expect(await verifyPlace(place)).toMatchObject({ ok: false, problemCount: 1 })
  })

  it.each([
    ['does not take a wall clock that is set forward for a disk that hangs', 86_400_000, 0, 'fulfilled'],
    ['sees a disk that hangs though the wall clock is set back', -86_400_000, LIMITS.ledgerStallMsMax, 'rejected'],
  ])('%s', async (_what, wallMs, monoMs, status) => {
    const hands = { wall: Date.parse('2026-11-20T12:00:00Z'), mono: 0 }
    const ledger = await ledgerAt(place, { sync: 'sync', clock: { nowMs: () => hands.wall, monoMs: () => hands.mono } })
    const written = Promise.allSettled([ledger.intent(intentOf('req_1'))])
    // The batch leaves in this turn's check phase, and this runs behind it: while it blocks, nobody hears the disk's answer.
    await new Promise<void>((resolve) => setImmediate(resolve))
    hands.wall += wallMs
    hands.mono += monoMs
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_100) // until the ledger's tick is due
    expect(await written).toMatchObject([{ status }])
    await ledger.close()
  })

  it('goes on when a segment ends whose file was removed', async () => {
    const ledger = await ledgerAt(place, { rotateMiB: 0.01 })
    await ledger.intent(intentOf('before'))
    rmSync(place.file)
    // The clock is not waited for: the segment is full before anybody looks whether its file is still there.
    await writePairs(ledger, 0, 100)
    expect(ledger.state()).toMatchObject({ ok: true })
    await ledger.close()
    expect(linesOf(...listSegments(place.file)).some((l) => l.request === 'req_00000099')).toBe(true)
  })

  it('moves a file out of its way that it did not write', async () => {
    const said: Said[] = []
    const clock = manualClock()
    const ledger = await ledgerAt(place, { clock }, said)
    await writePairs(ledger, 0, 3)
    rmSync(place.file)
    writeFileSync(place.file, 'not ours')
    clock.advance(LIMITS.refusalSummaryMs)
    await until(() => readdirSync(dirname(place.file)).some((f) => f.includes('foreign')), {
      withinMs: 3_000,
      what: 'the file moved aside',
    })
    await ledger.intent(intentOf('after'))
    await ledger.close()
    expect(linesOf(place.file).map((l) => l.event)).toEqual(['open', 'intent', 'seal'])
  })

  it('has one writer: another data directory that names its file is refused, and harms nothing', async () => {
    const first = await ledgerAt(place)
    await writePairs(first, 0, 3)
    const second = { ...place, keyDir: join(place.dir, 'other') }
    await expect(ledgerAt(second)).rejects.toThrow(`another gateway is writing the ledger ${place.file}`)
    await expect(ledgerAt(place)).rejects.toThrow('another gateway')
    await writePairs(first, 3, 6)
    expect(expandFiles([join(dirname(place.file), 'audit*')])).toEqual([place.file])
    await first.close()
    expect(await verifyPlace(place)).toMatchObject({ ok: true, problemCount: 0, unfinishedCount: 0, heldSealFound: true })
  })

  it('does not start where it cannot write', async () => {
    mkdirSync(place.file, { recursive: true })
    await expect(ledgerAt(place)).rejects.toThrow(/EISDIR/)
  })
})

describe('the key', () => {
  it('is made once, readable by its owner only', async () => {
    const ledger = await ledgerAt(place)
    await ledger.close()
    const key = join(place.keyDir, 'ledger.key')
    expect(statSync(key).mode & 0o777).toBe(0o600)
    const before = readFileSync(key, 'utf8')
    await (await ledgerAt(place)).close()
    expect(readFileSync(key, 'utf8')).toBe(before)
  })

  it.each([0o644, 0o640])('is refused when others can read it (%o)', async (mode) => {
    await (await ledgerAt(place)).close()
    chmodSync(join(place.keyDir, 'ledger.key'), mode)
    await expect(ledgerAt(place)).rejects.toThrow(/ledger\.key can be read by other users.*chmod 600/)
  })
})

describe('a start after a crash', () => {
  it('ends a segment of whose last batch only the first byte, a newline, reached the disk', async () => {
    const first = await ledgerAt(place)
    await writePairs(first, 0, 3)
    await first.close()
    appendFileSync(place.file, '\n')
    const second = await ledgerAt(place)
    await writePairs(second, 3, 6)
    await second.close()
    expect(await verifyPlace(place)).toMatchObject({ ok: true, segments: [{ unacknowledgedBytes: 1 }, {}] })
  })

  it('ends a torn segment and names the last good line in the next one', async () => {
    const ledger = await ledgerAt(place)
    await writePairs(ledger, 0, 20)
    await ledger.close()
    const whole = readFileSync(place.file)
    writeFileSync(place.file, whole.subarray(0, whole.length - 700))
    const said: Said[] = []
    const next = await ledgerAt(place, {}, said)
    await next.intent(intentOf('after'))
    await next.close()
    const [broken = ''] = readdirSync(dirname(place.file)).filter((f) => f.includes('.broken-'))
    expect(broken).toMatch(/^audit-\d{8}T\d{6}Z-1\.broken-\d{8}T\d{6}Z\.log$/)
    expect(linesOf(place.file)[0]).toMatchObject({ event: 'open', previous: { segment: broken.split('.')[0], broken: true } })
    expect(linesOf(place.file).some((l) => l.what === 'fault' && String(l.detail).includes('torn'))).toBe(true)
    const report = await verifyPlace(place, null)
    expect(report.ok).toBe(true)
    expect(report.notes.join()).toMatch(/fault that the ledger recorded.*torn/)
    expect(report.segments[0]?.unacknowledgedBytes).toBeGreaterThan(0)
  })

  it('settles requests that were left open, also those of earlier segments', async () => {
    const ledger = await ledgerAt(place, { rotateMiB: 0.02 })
    await ledger.lifecycle({ what: 'start' })
    await ledger.intent(intentOf('first'))
    await writePairs(ledger, 0, 100)
    await ledger.intent(intentOf('last', { model: 'other' }))
    expect(listSegments(place.file).length).toBeGreaterThan(2)
    // Closing writes no outcome, so to the next process this looks like a crash.
    await ledger.close()
    const next = await ledgerAt(place, { rotateMiB: 0.02 })
    await until(() => linesOf(place.file).some((l) => l.what === 'settled'), { withinMs: 5_000, what: 'the settlement' })
    await next.close()
    const crashed = linesOf(...listSegments(place.file)).filter((l) => l.ended === 'crashed')
    expect(crashed).toMatchObject([
      { request: 'first', status: 0, estimated: true },
      { request: 'last', status: 0, estimated: true, model: 'other', user: 'ada' },
    ])
    expect(await verifyPlace(place)).toMatchObject({ ok: true, unfinishedCount: 0 })
    const third = await ledgerAt(place)
    await third.close()
    expect(linesOf(...listSegments(place.file)).filter((l) => l.ended === 'crashed')).toHaveLength(2)
  })

  it('says so when the ledger is shorter than the seal in the data directory', async () => {
    const ledger = await ledgerAt(place)
    await writePairs(ledger, 0, 20)
    await ledger.close()
    const lines = readFileSync(place.file, 'utf8').split('\n')
    writeFileSync(place.file, `${lines.slice(0, -15).join('\n')}\n`)
    const said: Said[] = []
    const next = await ledgerAt(place, {}, said)
    await next.close()
    expect(linesOf(place.file).some((l) => l.what === 'fault' && String(l.detail).includes('before the seal of sequence'))).toBe(true)
  })

  it('goes on from the last finished segment when there is no active file', async () => {
    const ledger = await ledgerAt(place)
    await writePairs(ledger, 0, 5)
    await ledger.close()
    const [head] = linesOf(place.file)
    renameSync(place.file, join(dirname(place.file), `${head?.segment}.log`))
    const next = await ledgerAt(place)
    await writePairs(next, 5, 10)
    await next.close()
    expect(linesOf(place.file)[0]).toMatchObject({ seq: 12, previous: { segment: head?.segment } })
    expect(await verifyPlace(place)).toMatchObject({ ok: true, seals: 2 })
  })

  it.each([
    ['open', '"host"'],
    ['seal', '"offset"'],
  ])('never starts its sequence anew, even when the %s record was changed', async (_event, field) => {
    const ledger = await ledgerAt(place)
    await writePairs(ledger, 0, 10)
    await ledger.close()
    writeFileSync(place.file, readFileSync(place.file, 'utf8').replace(field, `"x${field.slice(1)}`))
    const next = await ledgerAt(place)
    await next.intent(intentOf('after'))
    await next.close()
    const [open] = linesOf(place.file)
    expect(linesOf(place.file).some((l) => l.what === 'fault')).toBe(true)
    // Of an unreadable file nothing is believed; of one with a bad end, all that is good.
    expect(open?.seq).toBe(field === '"host"' ? 0 : 21)
  })

  it('is not stopped by an empty file or by one that is no ledger', async () => {
    mkdirSync(dirname(place.file), { recursive: true })
    writeFileSync(place.file, '')
    await (await ledgerAt(place)).close()
    rmSync(place.file)
    writeFileSync(place.file, '2025-06-04 08:20:54 UTC | INFO | AUTHORIZED\n')
    const ledger = await ledgerAt(place)
    await ledger.intent(intentOf('req_1'))
    await ledger.close()
    expect(readdirSync(dirname(place.file)).some((f) => f.includes('unreadable'))).toBe(true)
    expect(existsSync(place.file)).toBe(true)
  })
})
