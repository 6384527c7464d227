import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LedgerPlace, ledgerAt, ledgerPlace, writePairs } from '../../test/support/ledger.ts'
import { until } from '../../test/support/until.ts'
import { listSegments, rotatedSegments } from './names.ts'
import { readLedger, tailLedger } from './read.ts'

let place: LedgerPlace
beforeEach(() => {
  place = ledgerPlace()
})
afterEach(() => place.remove())

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

const seqOf = (text: string): number => JSON.parse(text).seq

describe('reading a ledger', () => {
  it('gives every line with its place, from plain and gzipped files and from globs', async () => {
    const ledger = await ledgerAt(place, { rotateMiB: 0.02 })
    await writePairs(ledger, 0, 60)
    await ledger.close()
    const [first = ''] = listSegments(place.file)
    writeFileSync(`${first}.gz`, gzipSync(readFileSync(first)))
    rmSync(first)
    const lines = await all(readLedger([join(dirname(place.file), 'audit-*.log*'), place.file]))
    expect(lines.map((l) => seqOf(l.text))).toEqual(lines.map((_, i) => i))
    for (const { file, line, text } of lines.filter((l) => !l.file.endsWith('.gz'))) {
      expect(readFileSync(file, 'utf8').split('\n')[line - 1]).toBe(text)
    }
  })

  it('lists a segment once when its compressed copy stands beside it', async () => {
    const ledger = await ledgerAt(place, { rotateMiB: 0.02 })
    await writePairs(ledger, 0, 60)
    await ledger.close()
    const before = listSegments(place.file)
    writeFileSync(`${before[0]}.gz`, gzipSync(readFileSync(before[0] ?? '')))
    expect(listSegments(place.file)).toEqual(before)
    expect(rotatedSegments(place.file).map((s) => s.number)).toEqual(before.slice(1).map((_, i) => i + 1))
  })
})

describe('tail', () => {
  it('begins with the latest lines, also when they stand in earlier segments', async () => {
    const ledger = await ledgerAt(place, { rotateMiB: 0.02 })
    await writePairs(ledger, 0, 60)
    await ledger.close()
    const every = (await all(readLedger(listSegments(place.file)))).map((l) => l.text)
    for (const last of [0, 1, 5, 70, 1_000])
      expect(await all(tailLedger(place.file, { follow: false, last }))).toEqual(last === 0 ? [] : every.slice(-last))
  })

  it('follows through rotations and misses nothing', async () => {
    const ledger = await ledgerAt(place, { rotateMiB: 0.02 })
    await writePairs(ledger, 0, 5)
    const stop = new AbortController()
    const seen: number[] = []
    const following = (async () => {
      for await (const text of tailLedger(place.file, { follow: true, last: 2, signal: stop.signal, pollMs: 5 })) seen.push(seqOf(text))
    })()
    await until(() => seen.length >= 2, { withinMs: 3_000, what: 'the first lines' })
    await writePairs(ledger, 5, 200)
    await ledger.close()
    expect(listSegments(place.file).length).toBeGreaterThan(4)
    const last = ledger.state().seq
    await until(() => seen.at(-1) === last, { withinMs: 5_000, what: `line ${last}` })
    stop.abort()
    await following
    expect(seen).toEqual(Array.from({ length: last - (seen[0] ?? 0) + 1 }, (_, i) => (seen[0] ?? 0) + i))
  })

  it('waits for a ledger that is not there yet', async () => {
    const stop = new AbortController()
    const seen: string[] = []
    const following = (async () => {
      for await (const text of tailLedger(place.file, { follow: true, last: 10, signal: stop.signal, pollMs: 5 })) seen.push(text)
    })()
    const ledger = await ledgerAt(place)
    await ledger.lifecycle({ what: 'start' })
    await until(() => seen.some((text) => text.includes('"start"')), { withinMs: 3_000, what: 'the start' })
    stop.abort()
    await following
    await ledger.close()
    renameSync(place.file, `${place.file}.away`)
  })
})
