import { afterEach, expect, it } from 'vitest'
import { listSegments } from '../../src/audit/index.ts'
import { systemClock } from '../../src/kernel/index.ts'
import { analyse, findInputs } from '../../src/report/index.ts'
import { intentOf, type LedgerPlace, ledgerAt, ledgerPlace, outcomeOf, refusalOf } from '../support/ledger.ts'

let place: LedgerPlace | undefined
afterEach(() => place?.remove())

async function reportOn(file: string) {
  const { inputs, unreadable } = await findInputs(listSegments(file))
  expect(unreadable).toEqual([])
  return analyse(inputs, { clock: systemClock, stdin: process.stdin })
}

it('reads what the ledger itself writes: all its lines, through a restart, with nothing malformed', async () => {
  place = ledgerPlace()
  for (let start = 0; start < 2; start += 1) {
    const ledger = await ledgerAt(place)
    await ledger.lifecycle({ what: 'start' })
    for (let n = 0; n < 20; n += 1) {
      const request = `req_${start}_${n}`
      await ledger.intent(intentOf(request))
      if (n < 19) ledger.outcome(outcomeOf(request))
    }
    // More than the ledger records one by one: the rest comes as summaries.
    for (let n = 0; n < 300; n += 1) ledger.refused(refusalOf(`bad_${start}_${n}`, { reason: 'malformed' }))
    await ledger.close()
  }
  const { summary, threats } = await reportOn(place.file)
  expect(summary.lines).toMatchObject({ malformed: 0, malformed_shown: [] })
  // The second start settles what the first left open, in the background: it may have come to that by now.
  expect(summary.authorised.total).toBeGreaterThanOrEqual(38)
  expect(summary.authorised.total + summary.unfinished.count).toBe(40)
  expect(summary.denied.total).toBe(600)
  expect(summary.events.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['open', 'seal', 'intent', 'outcome', 'refused', 'refused_summary']),
  )
  expect(threats).toMatchObject([{ kind: 'brute_force', severity: 'high', count: 600, subject: { id: '198.51.100.9' } }])
})
