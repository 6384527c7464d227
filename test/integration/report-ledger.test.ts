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

it('counts a flood of one key in full, to its account, and takes it for nothing else', async () => {
  place = ledgerPlace()
  const ledger = await ledgerAt(place)
  const ada = { kind: 'key', user: 'ada', key: 'AbCdEfGhIjKl', method: 'POST', service: 'chat' } as const
  const busy = { ...ada, code: 'RATE_LIMITED', status: 429, route: '/chat/api/chat', path: '/chat/api/chat', reason: 'rate' }
  const doors = ['/chat/api/embed', '/chat/api/tags']
  for (let n = 0; n < 5_000; n += 1) {
    ledger.refused(refusalOf(`busy_${n}`, { ...busy, address: `192.0.2.${n % 9}` }))
    if (n % 10 > 0) continue
    const door = doors[(n / 10) % 2] ?? ''
    const shut = { ...ada, code: 'FORBIDDEN', status: 403, route: door, path: door, reason: 'rights' }
    ledger.refused(refusalOf(`shut_${n}`, { ...shut, address: '192.0.2.1' }))
  }
  await ledger.close()
  const { summary, threats, users } = await reportOn(place.file)
  expect(summary.lines).toMatchObject({ malformed: 0 })
  expect(summary.lines.read).toBeLessThan(100)
  expect(summary.requests).toMatchObject({ total: 5_500, refused: 5_000, denied: 500 })
  expect(summary.authorised.total).toBe(0)
  expect(summary.errors).toMatchObject([
    { service: 'chat', status: 429, code: 'RATE_LIMITED', count: 5_000 },
    { service: 'chat', status: 403, code: 'FORBIDDEN', count: 500 },
  ])
  expect(users).toMatchObject([{ user: 'ada', requests: 5_500, failed: 0, refused: 5_000, denied: 500, keys: [ada.key] }])
  // Three doors, however many lines and summaries name them.
  expect(summary.endpoints.distinct).toBe(3)
  expect(threats).toEqual([])
})

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
