import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { intentOf, type LedgerPlace, ledgerAt, ledgerPlace, outcomeOf, verifyPlace, writePairs } from '../../test/support/ledger.ts'
import { listSegments } from './names.ts'
import { verifyLedger } from './verify.ts'

let place: LedgerPlace
/** Three segments of a ledger; the active one is the last. */
let files: string[]

beforeEach(async () => {
  place = ledgerPlace()
  const ledger = await ledgerAt(place, { rotateMiB: 0.02 })
  // Ten at once, so that most lines follow each other without the empty line between batches.
  for (let round = 0; round < 6; round += 1) {
    const requests = Array.from({ length: 10 }, (_, i) => `req_${round}${i}`)
    await Promise.all(requests.map((request) => ledger.intent(intentOf(request))))
    for (const request of requests) ledger.outcome(outcomeOf(request))
  }
  await ledger.close()
  files = listSegments(place.file)
  expect(files.length).toBeGreaterThanOrEqual(3)
})
afterEach(() => place.remove())

const file = (index: number): string => files.at(index) ?? ''
const linesIn = (path: string): string[] => readFileSync(path, 'latin1').split('\n')
const put = (path: string, lines: readonly string[]): void => writeFileSync(path, lines.join('\n'), 'latin1')

describe('verify', () => {
  it('finds nothing wrong in a ledger that is whole', async () => {
    const report = await verifyPlace(place)
    expect(report).toMatchObject({ ok: true, problemCount: 0, unfinishedCount: 0, heldSealFound: true, notes: [] })
    expect(report.segments.map((s) => s.file)).toEqual(files)
  })

  it.each([
    ['an edit', (l: string[], at: number) => l.with(at, (l[at] ?? '').replace('"ada"', '"eve"')), 0, /hash does not follow/],
    ['a deletion', (l: string[], at: number) => l.toSpliced(at, 1), 0, /lines before this one are missing/],
    ['a repetition', (l: string[], at: number) => l.toSpliced(at, 0, l[at - 1] ?? ''), 0, /goes back/],
    ['a swap', (l: string[], at: number) => l.with(at - 1, l[at] ?? '').with(at, l[at - 1] ?? ''), -1, /missing/],
    ['rubbish', (l: string[], at: number) => l.toSpliced(at, 0, 'rubbish'), 0, /not a line/],
    ['two empty lines', (l: string[], at: number) => l.toSpliced(at, 0, '', ''), 1, /empty line/],
  ])('names the line of %s', async (_what, edit, further, why) => {
    const lines = linesIn(file(1))
    const at = lines.findIndex((line, i) => i > 4 && [lines[i - 1], line, lines[i + 1]].every((l) => l?.includes('"ada"')))
    put(file(1), edit(lines, at))
    const report = await verifyPlace(place)
    expect(report.ok).toBe(false)
    expect(report.problems[0]).toMatchObject({ file: file(1), line: at + 1 + further, why: expect.stringMatching(why) })
  })

  it('finds a line that was changed and whose hashes were all made anew, at the next seal', async () => {
    const { createHash } = await import('node:crypto')
    const lines = linesIn(file(0))
    let head = ''
    let changed = false
    const forged = lines.map((line) => {
      if (line === '') return line
      const body = line.slice(0, line.lastIndexOf(',"hash":"'))
      const mine = changed ? body : body.replace('"192.0.2.7"', '"192.0.2.8"')
      changed ||= mine !== body
      head = changed
        ? createHash('sha256')
            .update(head + mine)
            .digest('hex')
        : line.slice(-66, -2)
      return `${mine},"hash":"${head}"}`
    })
    put(file(0), forged)
    const report = await verifyPlace(place)
    expect(report.problems[0]?.file).toBe(file(0))
    expect(report.problems[0]?.why).toMatch(/seal is of another chain/)
  })

  it('finds a segment that is missing, in the middle or at the beginning', async () => {
    rmSync(file(1))
    expect((await verifyPlace(place)).problems[0]).toMatchObject({ file: file(2), line: 1, why: expect.stringMatching(/is not here/) })
    rmSync(file(0))
    files = listSegments(place.file)
    expect((await verifyPlace(place)).problems[0]).toMatchObject({ file: file(0), line: 1, why: expect.stringMatching(/retention/) })
  })

  it('finds an end that was cut off or added to a finished segment', async () => {
    const whole = readFileSync(file(0))
    writeFileSync(file(0), whole.subarray(0, whole.lastIndexOf('\n', whole.length - 2) + 1))
    expect((await verifyPlace(place)).problems[0]).toMatchObject({ file: file(0), why: expect.stringMatching(/cut off/) })
    writeFileSync(file(0), Buffer.concat([whole, Buffer.from('{}\n')]))
    expect((await verifyPlace(place)).problems[0]).toMatchObject({ file: file(0), why: expect.stringMatching(/added/) })
  })

  it('finds a cut tail by a seal that was kept, and a torn one is only said', async () => {
    const seal = readFileSync(`${place.keyDir}/ledger.seal`, 'utf8')
    const whole = readFileSync(place.file)
    writeFileSync(place.file, whole.subarray(0, whole.length - 100))
    const torn = await verifyPlace(place, null)
    expect(torn.ok).toBe(true)
    expect(torn.segments.at(-1)?.torn?.bytes).toBeGreaterThan(0)
    const report = await verifyPlace(place, seal)
    expect(report).toMatchObject({ ok: false, heldSealFound: false })
    expect(report.problems[0]).toMatchObject({ file: place.file, why: expect.stringMatching(/the seal you hold/) })
  })

  it('reads gzipped segments, in any order, and names a damaged one', async () => {
    const zipped = `${file(0)}.gz`
    const bytes = gzipSync(readFileSync(file(0)))
    writeFileSync(zipped, bytes)
    rmSync(file(0))
    expect((await verifyPlace(place)).ok).toBe(true)
    writeFileSync(zipped, bytes.subarray(0, bytes.length - 200))
    expect((await verifyPlace(place)).problems[0]).toMatchObject({ file: zipped, why: expect.stringMatching(/unexpected end/) })
    const plain = gunzipSync(bytes)
    plain[plain.length - 20] = 33
    writeFileSync(zipped, gzipSync(plain))
    expect((await verifyPlace(place)).problems[0]).toMatchObject({ file: zipped })
  })

  it('reads a segment that was rotated while the files were listed', async () => {
    const listed = [file(0), file(-1)]
    const report = await verifyLedger(listed, { publicKey: readFileSync(`${place.keyDir}/ledger.pub`, 'utf8'), whole: true })
    expect(report).toMatchObject({ ok: true, problemCount: 0 })
    expect(report.segments.map((s) => s.file)).toEqual(files)
  })

  it('says which requests have no outcome', async () => {
    const ledger = await ledgerAt(place)
    await ledger.intent({
      ...JSON.parse('{}'),
      request: 'open_1',
      tenant: 'default',
      address: 'a',
      method: 'GET',
      route: '/x',
      service: 'chat',
    })
    await ledger.close()
    const report = await verifyPlace(place)
    expect(report).toMatchObject({ ok: true, unfinishedCount: 1, unfinished: [{ request: 'open_1', file: place.file }] })
  })

  it('refuses a seal that is none, or of another ledger', async () => {
    await expect(verifyPlace(place, 'x')).rejects.toThrow(/not a line/)
    const other = ledgerPlace()
    const ledger = await ledgerAt(other)
    await writePairs(ledger, 0, 1)
    await ledger.close()
    await expect(verifyPlace(place, ledger.head().seal)).rejects.toThrow(/not signed/)
    other.remove()
  })

  it('reports an empty line that was slipped into a batch at the next seal', async () => {
    const ledger = await ledgerAt(place)
    const before = linesIn(place.file)
    await Promise.all(Array.from({ length: 5 }, (_, i) => ledger.lifecycle({ what: `w${i}` })))
    await ledger.close()
    const lines = linesIn(place.file)
    const at = lines.findIndex((l) => l.includes('"what":"w2"'))
    expect(at).toBeGreaterThan(before.length - 2)
    put(place.file, lines.toSpliced(at, 0, ''))
    const report = await verifyPlace(place)
    expect(report.ok).toBe(false)
    expect(report.problems[0]?.why).toMatch(/something changed since/)
    appendFileSync(place.file, '\n')
    expect((await verifyPlace(place)).ok).toBe(false)
  })
})
