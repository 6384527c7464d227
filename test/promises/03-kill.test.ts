import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listSegments, readLedger } from '../../src/audit/index.ts'
import { systemClock } from '../../src/kernel/index.ts'
import { type LedgerPlace, ledgerAt, ledgerPlace, linesOf, verifyPlace } from '../support/ledger.ts'
import { LedgerChild } from '../support/ledger-child.ts'
import { Random } from '../support/random.ts'
import { until } from '../support/until.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const KILLS = LONG ? 500 : 15
const SEED = Number(process.env.PORTCULLIS_SEED ?? Math.floor(Math.random() * 2 ** 31))

let place: LedgerPlace
beforeEach(() => {
  place = ledgerPlace()
})
afterEach(() => place.remove())

/** Ids of requests by what the ledger says of them, over all segments, failed tails left out. */
async function recorded(): Promise<{ intents: Set<string>; outcomes: Map<string, string> }> {
  const intents = new Set<string>()
  const outcomes = new Map<string, string>()
  for await (const { text } of readLedger(listSegments(place.file))) {
    const { event, request, ended } = parsed(text)
    if (event === 'intent') intents.add(String(request))
    if (event === 'outcome') outcomes.set(String(request), String(ended))
  }
  return { intents, outcomes }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

const sealNow = (): string | null => {
  try {
    return readFileSync(`${place.keyDir}/ledger.seal`, 'utf8')
  } catch {
    return null
  }
}

describe('promise 3: kill -9 at any moment leaves a ledger that verifies', () => {
  it(`after ${KILLS} kills at random moments under load`, { timeout: LONG ? 1_800_000 : 110_000 }, async () => {
    process.stdout.write(`promise 03: seed ${SEED}\n`)
    const random = new Random(SEED)
    const acknowledged: string[] = []
    const wrong: string[] = []
    let named = 0
    let torn = 0
    for (let kill = 0; kill < KILLS; kill += 1) {
      const sync = random.chance(0.5) ? 'sync' : 'write'
      const child = new LedgerChild({ ...place, sync, rotateMiB: random.of([0.01, 0.1]), concurrency: 8, everyMs: 5, tag: `k${kill}` })
      // One in five is killed while it still starts.
      if (random.chance(0.8)) await until(() => child.acknowledged.length > 0 || child.ended, { withinMs: 30_000, what: 'a first intent' })
      await new Promise((resolve) => setTimeout(resolve, random.int(0, 300)))
      await child.kill()
      acknowledged.push(...child.acknowledged)
      if (listSegments(place.file).length === 0) continue
      const report = await verifyPlace(place, sealNow())
      for (const { file, line, why } of report.problems) wrong.push(`kill ${kill} (${sync}): ${file}:${line} ${why}`)
      named += report.unfinished.filter(({ request }) => request.startsWith(`k${kill}_`)).length
      if (report.segments.some((s) => s.torn)) torn += 1
    }
    // A killed process may have left its own word of a settlement in this very file.
    const sinceMs = systemClock.nowMs()
    const last = await ledgerAt(place)
    await until(() => linesOf(place.file).some((l) => l.what === 'settled' && Date.parse(String(l.time)) >= sinceMs), {
      withinMs: 20_000,
      what: 'the last settlement',
    })
    await last.close()
    const report = await verifyPlace(place)
    const { intents, outcomes } = await recorded()
    const lost = acknowledged.filter((request) => !intents.has(request))
    const crashed = [...outcomes.values()].filter((ended) => ended === 'crashed').length
    process.stdout.write(
      `promise 03: kills ${KILLS}, verify failures ${wrong.length}, acknowledged intents ${acknowledged.length} (lost ${lost.length}), ` +
        `unfinished named ${named}, settled as crashed ${crashed}, unsettled ${report.unfinishedCount}, torn tails ${torn}, segments ${report.segments.length}\n`,
    )
    expect(wrong).toEqual([])
    expect(lost).toEqual([])
    expect(report).toMatchObject({ ok: true, unfinishedCount: 0, heldSealFound: true })
    expect(named).toBeGreaterThan(0)
    expect(crashed).toBe(named)
  })
})
