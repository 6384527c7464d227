import { describe, expect, it } from 'vitest'
import type { Sighting } from '../sighting.ts'
import { tellLine } from './line.ts'
import type { Told } from './told.ts'

const tell = (text: string): Told => {
  const bytes = Buffer.from(text)
  return tellLine(bytes, 0, bytes.length)
}

function only(text: string): Sighting {
  const told = tell(text)
  if (told.what !== 'sightings') throw new Error(`${told.what}: ${text}`)
  const [first] = told.list
  if (first === undefined || told.list.length !== 1) throw new Error(`${told.list.length} sightings`)
  return first
}

const ledger = (fields: object): string =>
  JSON.stringify({ v: 1, time: '2026-05-04T08:20:54.123Z', seq: 1, ...fields, hash: 'a'.repeat(64) })
const ABOUT = { request: 'req_1', tenant: 'default', address: '203.0.113.9', method: 'POST', route: '/chat/api/chat', service: 'chat' }

describe('lines of the ledger', () => {
  it('an outcome tells what was carried', () => {
    const s = only(
      ledger({
        event: 'outcome',
        ...ABOUT,
        kind: 'key',
        user: 'anna',
        key: 'K1',
        old_secret: true,
        status: 200,
        bytes_in: 3,
        bytes_out: 9,
        units: { tokens_in: 4 },
        first_byte_ms: 1.5,
        total_ms: 20,
        ended: 'complete',
      }),
    )
    expect(s).toMatchObject({
      verdict: 'served',
      recognised: true,
      oldSecret: true,
      totalMs: 20,
      firstByteMs: 1.5,
      units: { tokens_in: 4 },
    })
    expect(s.atMs).toBe(Date.UTC(2026, 4, 4, 8, 20, 54, 123))
  })

  it.each([
    [{ status: 502, code: 'UPSTREAM_DIED' }, 'failed', 'other'],
    [{ status: 403, code: 'POLICY_REFUSED' }, 'failed', 'rights'],
    [{ status: 0, ended: 'client_closed' }, 'failed', ''],
  ])('an outcome %j', (fields, verdict, offence) => {
    expect(only(ledger({ event: 'outcome', ...ABOUT, ...fields }))).toMatchObject({ verdict, offence })
  })

  it.each([
    [{ code: 'UNAUTHORIZED', reason: 'malformed' }, 'denied', 'sign_in'],
    [{ code: 'UNAUTHORIZED', reason: 'wrong_secret', key: 'K1' }, 'denied', 'sign_in'],
    [{ code: 'UNAUTHORIZED' }, 'denied', 'keyless'],
    [{ code: 'UNAUTHORIZED', reason: 'no_credential' }, 'denied', 'keyless'],
    [{ code: 'UNAUTHORIZED', reason: 'unusable_hash', key: 'K1' }, 'refused', 'other'],
    [{ code: 'UNAUTHORIZED', reason: 'expired', key: 'K1' }, 'denied', 'dead_key'],
    [{ code: 'TOO_MANY_FAILURES' }, 'denied', 'throttled'],
    [{ code: 'FORBIDDEN' }, 'denied', 'rights'],
    [{ code: 'BAD_PATH' }, 'refused', 'path'],
    [{ code: 'RATE_LIMITED' }, 'refused', 'other'],
    [{ code: 'NOT_FOUND' }, 'refused', 'missing'],
  ])('a refusal %j', (fields, verdict, offence) => {
    expect(only(ledger({ event: 'refused', ...ABOUT, status: 400, ...fields }))).toMatchObject({ verdict, offence })
  })

  it('refusals counted together are divided among their samples, and add up', () => {
    const told = tell(
      ledger({
        event: 'refused_summary',
        tenant: 'default',
        address: '2001:db8:1:2::/64',
        count: 8,
        first: '2026-05-04T08:20:45.000Z',
        last: '2026-05-04T08:20:54.000Z',
        samples: [{ code: 'UNAUTHORIZED', reason: 'malformed' }, { code: 'BAD_PATH', path: '/a/../b' }, { code: 'UNAUTHORIZED' }],
      }),
    )
    if (told.what !== 'sightings') throw new Error(told.what)
    expect(told.list.map((s) => [s.count, s.offence, s.firstOfLine])).toEqual([
      [3, 'sign_in', true],
      [3, 'path', false],
      [2, 'keyless', false],
    ])
    expect(told.list[0]?.sinceMs).toBe(Date.UTC(2026, 4, 4, 8, 20, 45))
  })

  it('refusals of a key that were counted together stand to its account, in a network only where one is named', () => {
    const fields = { event: 'refused_summary', tenant: 'default', kind: 'key', user: 'ada', key: 'K1', count: 9, first: '' }
    const samples = [{ code: 'FORBIDDEN', method: 'POST', route: '/chat/api/pull', service: 'chat', path: '/chat/api/pull' }]
    const about = { recognised: true, user: 'ada', key: 'K1', method: 'POST', route: '/chat/api/pull', service: 'chat' }
    const counted = { count: 9, verdict: 'denied', offence: 'rights', status: 403, ...about }
    expect(only(ledger({ ...fields, address: '192.0.2.1', samples }))).toMatchObject({ ...counted, address: '192.0.2.1' })
    expect(only(ledger({ ...fields, address: '*', samples }))).toMatchObject({ ...counted, address: '' })
  })

  it('an intent opens a request, and lines about the ledger itself are notes', () => {
    expect(tell(ledger({ event: 'intent', ...ABOUT }))).toMatchObject({ what: 'intent', intent: { request: 'req_1' } })
    expect(tell(ledger({ event: 'lifecycle', what: 'start' }))).toMatchObject({ what: 'note', event: 'lifecycle', detail: 'start' })
    expect(tell(ledger({ event: 'seal', offset: 3 }))).toMatchObject({ what: 'note', event: 'seal' })
  })

  it('fields of another type than they should have are unknown, and not believed', () => {
    const s = only(ledger({ event: 'outcome', request: 1, address: ['x'], status: '200', units: [1], total_ms: null, user: { a: 1 } }))
    expect(s).toMatchObject({ request: '', address: '', status: 0, units: null, totalMs: -1, user: '' })
  })

  it.each([
    ['{"v":1,"time":"2026-05-04T08:20:54.123Z","event":"outcome"', 'cut or broken'],
    ['{"v":2,"time":"2026-05-04T08:20:54.123Z","event":"outcome"}', 'another version'],
    ['{"v":1,"time":"yesterday","event":"outcome"}', 'without a time'],
    ['{"v":1,"time":"1970-01-01T00:00:00.000Z","event":"outcome"}', 'without a time'],
    ['{"v":1,"time":"2026-05-04T08:20:54.123Z","event":"party"}', 'unknown event'],
    ['{"level":30,"msg":"hello"}', 'neither'],
    ['\u0000\u0000\u0000', 'neither'],
    ['hello', 'neither'],
  ])('%j is malformed: %s', (text, why) => {
    expect(tell(text)).toMatchObject({ what: 'malformed', why: expect.stringContaining(why) })
  })
})

describe('lines of the old audit log', () => {
  it.each([
    [
      '2025-06-04 08:20:54 UTC | INFO | AUTHORIZED | POST /chat/api/generate | User: NAME | Service: tts | IP: 172.18.0.1',
      {
        event: 'AUTHORIZED',
        verdict: 'served',
        user: 'NAME',
        service: 'tts',
        address: '172.18.0.1',
        method: 'POST',
        route: '/chat/api/generate',
      },
    ],
    [
      '2025-06-04 08:20:55 UTC | WARNING | UNAUTHORIZED | GET /image/api/generate?key=x | Key: abcd1234... | IP: 203.0.113.5',
      {
        verdict: 'denied',
        offence: 'sign_in',
        key: 'legacy_abcd1234',
        path: '/image/api/generate',
        service: 'image',
        address: '203.0.113.5',
      },
    ],
    ['2025-06-04 08:20:55 UTC | WARNING | UNAUTHORIZED | GET /x | Key: None | IP: 203.0.113.5', { offence: 'keyless', key: '' }],
    [
      '2025-06-04 08:20:56 UTC | INFO | PUBLIC | GET /health | IP: 10.0.0.1 | Status: 200',
      { verdict: 'served', status: 200, recognised: false },
    ],
    [
      '2025-06-04 08:20:57 UTC | INFO | TEMP_KEY_GENERATED | POST /api/temp-key | User: admin | IP: 10.0.0.1',
      { user: 'admin', verdict: 'served' },
    ],
  ])('%s', (text, expected) => {
    expect(only(text)).toMatchObject(expected)
    expect(only(text).atMs).toBeGreaterThan(Date.UTC(2025, 5, 4))
  })

  it('a path that spells another address does not hide the real one', () => {
    const s = only('2025-06-04 08:20:54 UTC | WARNING | UNAUTHORIZED | GET /x | IP: 9.9.9.9 | Key: abcd1234... | IP: 203.0.113.5')
    expect(s.address).toBe('203.0.113.5')
  })

  it('other events and other texts are malformed', () => {
    expect(tell('2025-06-04 08:20:54 UTC | INFO | PARTY | GET / | IP: 1.1.1.1').what).toBe('malformed')
    expect(tell('2025-13-44 08:20:54 UTC | INFO | PUBLIC | GET / | IP: 1.1.1.1').what).toBe('malformed')
  })
})

describe('a line as long as one may be', () => {
  // A path in a log may hold such a sign as it is, and `.` does not match it.
  const END = '\u2028!'
  const front = (uri: string): string =>
    JSON.stringify({ ts: 1795256980.45, logger: 'x', request: { method: 'GET', uri, remote_ip: '1.1.1.1' }, status: 403, resp_headers: {} })
  const old = (rest: string): string => `2025-06-04 08:20:54 UTC | WARNING | UNAUTHORIZED | ${rest}`

  it.each(['?', '#', '?#', '…', '/', ' '])('is read in one go: %j', (unit) => {
    const long = unit.repeat(200_000 / unit.length) + END
    const startedMs = performance.now()
    for (const line of [
      front(`/${long}`),
      old(`GET /${long} | IP: 1.1.1.1`),
      old(`${long} | IP: 1.1.1.1`),
      old(`Key: ${long}`),
      old(`Key: ....${long}`),
    ])
      tell(line)
    expect(performance.now() - startedMs).toBeLessThan(1_000)
  })

  it('does not hide what stands behind such a sign', () => {
    expect(only(front(`/x?key=secret${END}`)).path).toBe('/x')
    expect(only(old(`GET /x?key=secret${END} | IP: 203.0.113.5`))).toMatchObject({ path: '/x', address: '203.0.113.5' })
  })
})

describe("lines of the front's log", () => {
  const front = (status: number, more: object = {}, request: object = {}): string =>
    JSON.stringify({
      level: 'error',
      ts: 1795256980.4514744,
      logger: 'http.log.access.log0',
      msg: 'handled request',
      request: {
        remote_ip: '198.51.100.7',
        method: 'GET',
        uri: '/chat/api/tags?api_key=secret',
        headers: { 'User-Agent': ['curl'] },
        ...request,
      },
      duration: 0.000024627,
      size: 35,
      status,
      resp_headers: { Server: ['Caddy'] },
      ...more,
    })

  it('a call without a key, which the front answered itself', () => {
    const s = only(front(401))
    expect(s).toMatchObject({
      event: 'front',
      verdict: 'denied',
      offence: 'keyless',
      address: '198.51.100.7',
      path: '/chat/api/tags',
      service: 'front',
    })
    expect(s.atMs).toBe(1795256980451)
  })

  it('what reached the gate is the ledger’s to tell', () => {
    expect(tell(front(401, { resp_headers: { 'X-Request-Id': ['req_1'] } })).what).toBe('passed_on')
    expect(tell(front(200, { resp_headers: { 'x-request-id': ['req_1'] } })).what).toBe('passed_on')
  })

  it('without response headers only its own 401 is taken for its own', () => {
    expect(tell(front(401, { resp_headers: undefined })).what).toBe('sightings')
    expect(tell(front(401, { resp_headers: undefined, size: 99 })).what).toBe('passed_on')
  })

  it('a gate that is away is a failure of the front', () => {
    expect(only(front(502))).toMatchObject({ verdict: 'failed', status: 502 })
  })

  it('takes the address that our Caddyfile found, and no name for one', () => {
    expect(only(front(401, { user_id: '203.0.113.77' })).address).toBe('203.0.113.77')
    expect(only(front(401, { user_id: 'anna' })).address).toBe('198.51.100.7')
    expect(only(front(401, {}, { client_ip: '203.0.113.78' })).address).toBe('203.0.113.78')
  })

  it('takes times as seconds and as texts, and paths without what was cut off', () => {
    expect(only(front(401, { ts: '2026-11-21T12:09:27.993Z' })).atMs).toBe(Date.UTC(2026, 10, 21, 12, 9, 27, 993))
    expect(only(front(401, {}, { uri: '/chat…' })).path).toBe('/chat')
    expect(tell(front(401, { ts: 'soon' })).what).toBe('malformed')
  })

  it('a key sent in clear, which the front refuses', () => {
    expect(only(front(403))).toMatchObject({ verdict: 'denied', offence: 'rights' })
  })
})
