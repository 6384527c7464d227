import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { intentOf, outcomeOf, refusalOf } from '../../test/support/ledger.ts'
import { ledgerLine } from '../contract/index.ts'
import {
  chained,
  finished,
  fitting,
  GENESIS,
  intentBody,
  isoTime,
  lifecycleBody,
  openBody,
  outcomeBody,
  quoted,
  refusedBody,
  sealBody,
  summaryBody,
} from './line.ts'

const AT = Date.parse('2025-06-04T08:20:54.123Z')
const sign = (): string => 'c2ln'

const BODIES = {
  intent: intentBody(intentOf('req_1', { old_secret: true, target: 'AbC' }), AT, 7),
  outcome: outcomeBody(outcomeOf('req_1', { code: 'UPSTREAM_DIED', reason: 'reset', estimated: true }), AT, 8),
  refused: refusedBody(refusalOf('req_2'), AT, 9),
  refused_summary: summaryBody(
    {
      tenant: 'default',
      address: '*',
      count: 3,
      first: isoTime(AT),
      last: isoTime(AT),
      samples: [{ code: 'UNAUTHORIZED', reason: 'malformed', key: 'k', path: '/x' }],
    },
    AT,
    10,
  ),
  'refused_summary of a key': summaryBody(
    {
      tenant: 'default',
      kind: 'key',
      user: 'ada',
      key: 'AbC',
      address: '192.0.2.1',
      count: 3,
      first: isoTime(AT),
      last: isoTime(AT),
      samples: [{ code: 'RATE_LIMITED', method: 'POST', route: '/chat/api/chat', service: 'chat', path: '/chat/api/chat' }],
    },
    AT,
    10,
  ),
  lifecycle: lifecycleBody({ what: 'start', detail: 'version 1' }, AT, 11),
  open: openBody(
    {
      segment: 'audit-20250604T082054Z-2',
      host: 'h',
      pid: 1,
      previous: { segment: 'audit-x-1', hash: GENESIS, bytes: 5, broken: true },
      unfinished_from: 3,
      public_key: 'cHVi',
    },
    AT,
    12,
    sign,
  ),
  seal: sealBody({ segment: 's', offset: 10, sha256: GENESIS, head: GENESIS, previous_seal: GENESIS }, AT, 13, sign),
}

describe('a ledger line', () => {
  it.each(Object.entries(BODIES))('%s is what the contract says, with nothing left out', (event, body) => {
    const line = JSON.parse(finished(body, chained(GENESIS, body)))
    expect(ledgerLine.parse(line)).toStrictEqual(line)
    expect(line).toMatchObject({ v: 1, event: event.split(' ')[0], time: '2025-06-04T08:20:54.123Z' })
    expect(Object.keys(line).at(-1)).toBe('hash')
  })

  it('is chained over the previous hash and its own bytes up to the hash', () => {
    const line = finished(BODIES.intent, chained(GENESIS, BODIES.intent))
    const before = line.slice(0, line.indexOf(',"hash":'))
    expect(JSON.parse(line).hash).toBe(createHash('sha256').update(GENESIS).update(before).digest('hex'))
  })

  it('is ASCII, whatever a caller sends, and loses nothing', () => {
    const nasty = 'a"b\\c\nd\u001b[31me\u009bf\u202eg\u2028h💥i\ud800j\u0000é'
    const body = refusedBody(refusalOf('req_1', { agent: nasty, path: nasty }), AT, 1)
    expect(body).toMatch(/^[\x20-\x7e]*$/)
    const line = JSON.parse(finished(body, GENESIS))
    expect(line.agent).toBe(nasty)
    expect(line.path).toBe(nasty)
  })

  it.each([
    ['plain', 20, 'plain'],
    ['x'.repeat(30), 20, `${'x'.repeat(14)}…`],
    ['é'.repeat(10), 20, 'éé…'],
    ['ééé', 20, 'ééé'],
    ['💥💥', 20, '💥…'],
    ['"'.repeat(10), 20, '"'.repeat(10)],
  ])('%j fits into %i bytes as %j', (text, bytes, cut) => {
    expect(fitting(text, bytes)).toBe(cut)
    expect(quoted(fitting(text, bytes)).length - 2).toBeLessThanOrEqual(bytes)
  })

  it('holds no endless field and no number that JSON does not know', () => {
    expect(JSON.parse(quoted('x'.repeat(5_000)))).toHaveLength(1_024)
    const body = outcomeBody(
      outcomeOf('r', { total_ms: Number.NaN, first_byte_ms: 1.23456, units: { a: Number.POSITIVE_INFINITY } }),
      AT,
      1,
    )
    expect(JSON.parse(`${body}}`)).toMatchObject({ total_ms: 0, first_byte_ms: 1.235, units: { a: 0 } })
  })
})
