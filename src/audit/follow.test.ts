import { appendFileSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LedgerPlace as Directory, ledgerAt, ledgerPlace, outcomeOf, writePairs } from '../../test/support/ledger.ts'
import { until } from '../../test/support/until.ts'
import { type FollowOptions, followLedger, LedgerGap, type LedgerPlace } from './follow.ts'
import type { Ledger, LedgerOptions } from './types.ts'

let place: Directory
beforeEach(() => {
  place = ledgerPlace()
})
afterEach(() => place.remove())

const OPTIONS: FollowOptions = { events: new Set(['outcome']), batchLinesMax: 7, windowLinesMax: 50 }

async function follow(from: LedgerPlace, to: LedgerPlace, options = OPTIONS) {
  const requests: string[] = []
  let at = from
  for await (const batch of followLedger(place.file, from, to, options)) {
    requests.push(...batch.lines.map(({ text }) => String(JSON.parse(text).request)))
    at = batch.place
  }
  return { requests, at }
}

const named = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `req_${String(from + n).padStart(8, '0')}`)

async function withLedger<T>(work: (ledger: Ledger) => Promise<T>, options: Partial<LedgerOptions> = {}): Promise<T> {
  const ledger = await ledgerAt(place, options)
  try {
    return await work(ledger)
  } finally {
    await ledger.close()
  }
}

const rest = async (ledger: Ledger): Promise<LedgerPlace> => {
  await ledger.lifecycle({ what: 'pause' })
  return ledger.head()
}

describe('following a ledger', () => {
  it('reads each line once from where it stopped, and none that is not acknowledged yet', async () => {
    await withLedger(async (ledger) => {
      const begin = await rest(ledger)
      await writePairs(ledger, 0, 40)
      const middle = await rest(ledger)
      await writePairs(ledger, 40, 100)
      const end = await rest(ledger)
      const first = await follow(begin, middle)
      expect(first).toEqual({ requests: named(0, 40), at: { ...middle, seal: undefined } })
      expect((await follow(first.at, end)).requests).toEqual(named(40, 100))
      expect((await follow(end, end)).requests).toEqual([])
    })
  })

  it.each([false, true])('goes through rotated segments, compressed: %s', async (compress) => {
    const options = { rotateMiB: 0.01, compress }
    const begin = await withLedger(rest, options)
    await withLedger((ledger) => writePairs(ledger, 0, 200), options)
    const end = await withLedger(async (ledger) => {
      const finished = () => readdirSync(dirname(place.file)).filter((name) => name.startsWith('audit-'))
      await until(() => finished().length > 5 && finished().every((name) => name.endsWith('.gz') === compress), {
        withinMs: 10_000,
        what: 'the upkeep of finished segments',
      })
      return rest(ledger)
    }, options)
    expect((await follow(begin, end)).requests).toEqual(named(0, 200))
  })

  it('reads a segment that a fault ended up to where its successor says it was good', async () => {
    const begin = await withLedger(rest)
    await withLedger((ledger) => writePairs(ledger, 0, 20))
    appendFileSync(place.file, `\n${JSON.stringify({ ...outcomeOf('never'), event: 'outcome' })}\n{"v":1,"half`)
    const end = await withLedger(async (ledger) => {
      await writePairs(ledger, 20, 30)
      return rest(ledger)
    })
    expect(readdirSync(dirname(place.file)).filter((name) => name.includes('.broken-'))).toHaveLength(1)
    expect((await follow(begin, end)).requests).toEqual(named(0, 30))
  })

  it('goes on while the segment it reads is rotated and compressed', async () => {
    await withLedger(
      async (ledger) => {
        const begin = await rest(ledger)
        let done = false
        const writing = writePairs(ledger, 0, 400).then(() => {
          done = true
        })
        const seen: string[] = []
        for (let at: LedgerPlace = begin; ; ) {
          const wasDone = done
          const read = await follow(at, ledger.head())
          seen.push(...read.requests)
          at = read.at
          if (wasDone && seen.length === 400) break
          await turn()
        }
        await writing
        expect(seen).toEqual(named(0, 400))
      },
      { rotateMiB: 0.02, compress: true },
    )
  })

  it('knows a ledger that was cut, changed or exchanged, and reads nothing of it', async () => {
    const options = { rotateMiB: 0.01 }
    const { begin, end } = await withLedger(async (ledger) => {
      const begin = await rest(ledger)
      await writePairs(ledger, 0, 60)
      return { begin, end: await rest(ledger) }
    }, options)
    await expect(follow(end, begin)).rejects.toThrow(LedgerGap)
    await expect(follow({ ...begin, hash: 'f'.repeat(64) }, end)).rejects.toThrow('is not chained')
    await expect(follow({ ...end, hash: 'f'.repeat(64) }, end)).rejects.toThrow('is another one')
    const [first = ''] = readdirSync(dirname(place.file)).filter((name) => /^audit-.*-1\.log$/.test(name))
    const path = join(dirname(place.file), first)
    const whole = readFileSync(path)
    writeFileSync(path, whole.toString('latin1').replace('req_00000003', 'req_00000004'), 'latin1')
    await expect(follow(begin, end)).rejects.toThrow('is not chained')
    truncateSync(path, whole.length - 300)
    await expect(follow(begin, end)).rejects.toThrow(LedgerGap)
    writeFileSync(path, whole)
    expect((await follow(begin, end)).requests).toEqual(named(0, 60))
    renameSync(path, `${path}.away`)
    await expect(follow(begin, end)).rejects.toThrow('is not there any more')
    rmSync(`${path}.away`)
  })
})
