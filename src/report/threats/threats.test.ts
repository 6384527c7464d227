import { describe, expect, it } from 'vitest'
import { BLANK, offenceOf, type Sighting } from '../sighting.ts'
import type { Threat, ThreatKind } from './threat.ts'
import { Watch } from './watch.ts'

const START_MS = Date.UTC(2026, 4, 4, 8)
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** A watch that is told things in a few words. */
class Log {
  readonly #watch = new Watch(Number.NEGATIVE_INFINITY)
  #line = 0

  see(more: Partial<Sighting>): void {
    this.#line += 1
    const atMs = more.atMs ?? START_MS
    this.#watch.see(
      { ...BLANK, event: 'refused', atMs, sinceMs: atMs, address: '203.0.113.5', method: 'POST', service: 'chat', ...more },
      { file: 0, line: this.#line },
    )
  }

  denied(atMs: number, reason: string, more: Partial<Sighting> = {}): void {
    const offence = offenceOf(more.code ?? 'UNAUTHORIZED', reason, more.key ?? '')
    this.see({ atMs, verdict: 'denied', offence, reason, code: 'UNAUTHORIZED', status: 401, route: '/chat/api/chat', ...more })
  }

  letIn(atMs: number, key: string, address = '203.0.113.5'): void {
    this.see({ event: 'outcome', atMs, recognised: true, user: `user-${key}`, key, address, status: 200, route: '/chat/api/chat' })
  }

  forbidden(atMs: number, route: string, key = 'K1'): void {
    this.see({ atMs, recognised: true, user: 'u', key, verdict: 'denied', offence: 'rights', code: 'FORBIDDEN', status: 403, route })
  }

  path(path: string, atMs = START_MS): void {
    this.see({ atMs, verdict: 'refused', offence: 'path', code: 'BAD_PATH', status: 400, path })
  }

  threats(kind?: ThreatKind): readonly Threat[] {
    return this.#watch.result(() => 'audit.log').threats.filter((threat) => kind === undefined || threat.kind === kind)
  }

  severity(kind: ThreatKind): string {
    return this.threats(kind)[0]?.severity ?? 'none'
  }
}

describe('brute force', () => {
  it.each([
    [4, 'none'],
    [5, 'medium'],
    [9, 'medium'],
    [10, 'high'],
  ])('%i failures from one address: %s', (count, severity) => {
    const log = new Log()
    for (let n = 0; n < count; n += 1) log.denied(START_MS + n * MINUTE_MS, 'malformed')
    expect(log.severity('brute_force')).toBe(severity)
  })

  it('counts what was summarised, and shows where', () => {
    const log = new Log()
    log.denied(START_MS, 'malformed')
    log.denied(START_MS + MINUTE_MS, 'malformed', { count: 400, sinceMs: START_MS + 50_000 })
    const [threat] = log.threats('brute_force')
    expect(threat).toMatchObject({
      severity: 'high',
      count: 401,
      first: '2026-05-04T08:00:00Z',
      last: '2026-05-04T08:01:00Z',
      evidence: [{ file: 'audit.log', lines: [1, 2] }],
      subject: { type: 'address', id: '203.0.113.5' },
    })
  })

  it('an office with a slip now and then is no attacker, but a burst from it is', () => {
    const log = new Log()
    for (let day = 0; day < 20; day += 1) {
      for (let n = 0; n < 200; n += 1) log.letIn(START_MS + day * DAY_MS + n * 2 * MINUTE_MS, `K${n % 12}`)
      for (let n = 0; n < 3; n += 1) log.denied(START_MS + day * DAY_MS + n * 2 * HOUR_MS, 'bad_crc')
    }
    expect(log.threats()).toEqual([])
    for (let n = 0; n < 15; n += 1) log.denied(START_MS + 20 * DAY_MS + n * 20_000, 'bad_crc')
    const [threat] = log.threats('brute_force')
    expect(threat).toMatchObject({ severity: 'high', first: '2026-05-24T08:00:00Z', let_in: 4_000 })
    expect(threat?.advice).toContain('shared')
  })

  it('another address of one IPv6 /64 is the same caller', () => {
    const log = new Log()
    for (let n = 0; n < 12; n += 1) log.denied(START_MS + n, 'malformed', { address: `2001:db8:1:2::${n}` })
    expect(log.threats('brute_force')).toMatchObject([{ subject: { id: '2001:db8:1:2::/64' }, count: 12 }])
  })

  it('a forgotten script with a dead key is no guesser, not even once it is throttled', () => {
    const log = new Log()
    for (let n = 0; n < 20; n += 1) log.denied(START_MS + n * 1_000, 'expired', { key: 'K1' })
    for (let n = 0; n < 300; n += 1) log.denied(START_MS + 30_000 + n * 1_000, '', { code: 'TOO_MANY_FAILURES' })
    expect(log.threats().map(({ kind, severity }) => [kind, severity])).toEqual([['dead_key', 'low']])
  })

  it('says when an address was let in afterwards', () => {
    const log = new Log()
    for (let n = 0; n < 30; n += 1) log.denied(START_MS + n * 1_000, 'malformed')
    log.letIn(START_MS + MINUTE_MS, 'K9')
    expect(log.threats('brute_force')[0]?.advice).toContain('let in with K9')
  })
})

describe('key spraying', () => {
  it.each([
    [4, 'none'],
    [5, 'medium'],
    [14, 'medium'],
    [15, 'high'],
  ])('%i key ids from one address: %s', (count, severity) => {
    const log = new Log()
    for (let n = 0; n < count; n += 1) log.denied(START_MS + n * HOUR_MS, 'unknown_key', { key: `K${n}` })
    expect(log.severity('key_spraying')).toBe(severity)
  })

  it('one key id again and again is no spraying; a network that shares the work is', () => {
    const log = new Log()
    for (let n = 0; n < 50; n += 1) log.denied(START_MS + n, 'wrong_secret', { key: 'K1' })
    expect(log.threats('key_spraying')).toEqual([])
    for (let n = 0; n < 12; n += 1) log.denied(START_MS + n * MINUTE_MS, 'unknown_key', { key: `S${n}`, address: `198.51.100.${n % 4}` })
    expect(log.threats('key_spraying')).toMatchObject([{ subject: { type: 'network', id: '198.51.100.0/24' }, severity: 'medium' }])
  })
})

describe('one key from many networks', () => {
  const scattered = (networks: number, everyMs: number): Log => {
    const log = new Log()
    for (let n = 0; n < networks; n += 1) log.letIn(START_MS + n * everyMs, 'K1', `100.64.${n}.1`)
    return log
  }

  it.each([
    [5, 5 * MINUTE_MS, 'none'],
    [6, 5 * MINUTE_MS, 'medium'],
    [12, 5 * MINUTE_MS, 'high'],
    [11, 50 * MINUTE_MS, 'none'],
    [12, 50 * MINUTE_MS, 'medium'],
  ])('%i networks, one each %i ms: %s', (networks, everyMs, severity) => {
    expect(scattered(networks, everyMs).severity('many_networks')).toBe(severity)
  })

  it('a traveller comes from many, one after the other', () => {
    expect(scattered(14, 95 * MINUTE_MS).threats()).toEqual([])
  })

  it('many addresses of one network are one network', () => {
    const log = new Log()
    for (let n = 0; n < 60; n += 1) log.letIn(START_MS + n, 'K1', `100.64.7.${n}`)
    expect(log.threats()).toEqual([])
  })
})

describe('dead keys', () => {
  it.each([
    ['expired', 'low'],
    ['disabled', 'medium'],
    ['rotated_out', 'medium'],
  ])('%s: %s', (reason, severity) => {
    const log = new Log()
    log.letIn(START_MS, 'K1')
    log.denied(START_MS + HOUR_MS, reason, { key: 'K1' })
    expect(log.threats()).toMatchObject([{ kind: 'dead_key', severity, subject: { type: 'key', id: 'K1', user: 'user-K1' } }])
  })

  it('from a network the key was never used from, it has leaked', () => {
    const log = new Log()
    log.letIn(START_MS, 'K1')
    log.denied(START_MS + HOUR_MS, 'expired', { key: 'K1', address: '192.0.2.1' })
    expect(log.severity('dead_key')).toBe('high')
  })
})

describe('probing', () => {
  it('a key that is told no everywhere', () => {
    const log = new Log()
    const routes = ['/tts/api/speak', '/image/api/generate', '/whisper/api/transcribe', '/chat/api/embed']
    for (const route of routes.slice(0, 3)) for (let n = 0; n < 20; n += 1) log.forbidden(START_MS + n, route)
    expect(log.threats()).toEqual([])
    log.forbidden(START_MS, routes[3] ?? '')
    expect(log.threats()).toMatchObject([{ kind: 'probing', severity: 'medium', subject: { type: 'key', id: 'K1' } }])
  })

  it('one management route may be a slip, two are none', () => {
    const log = new Log()
    for (let n = 0; n < 5; n += 1) log.forbidden(START_MS, '/chat/api/pull')
    expect(log.threats()).toEqual([])
    log.forbidden(START_MS, '/chat/api/delete')
    expect(log.severity('probing')).toBe('medium')
    log.forbidden(START_MS, '/chat/api/create')
    log.forbidden(START_MS, '/admin/api/keys')
    expect(log.severity('probing')).toBe('high')
  })

  it('a walk that was answered in several ways is told with all of them', () => {
    const log = new Log()
    const stranger = { verdict: 'refused', offence: 'missing', code: 'NOT_FOUND', status: 404 } as const
    for (let n = 0; n < 8; n += 1) log.see({ ...stranger, path: `/word-${n}` })
    expect(log.threats('probing')[0]?.advice).toContain('Nothing of it was answered but 404, so')
    log.see({ ...stranger, code: 'METHOD_NOT_ALLOWED', status: 405, path: '/chat' })
    log.denied(START_MS, '', { route: '', path: '/word-9' })
    expect(log.threats('probing')[0]?.advice).toContain('Nothing of it was answered but 401, 404 and 405, so')
  })

  it('a stranger walks through paths; a monitor asks for one', () => {
    const log = new Log()
    for (let n = 0; n < 600; n += 1) log.denied(START_MS + n * 5 * MINUTE_MS, '', { address: '198.51.100.9', method: 'GET' })
    for (let n = 0; n < 8; n += 1) log.denied(START_MS + n, '', { route: '', path: `/word-${n}` })
    expect(log.threats().map(({ kind, severity, subject }) => [kind, severity, subject.id])).toEqual([
      ['probing', 'medium', '203.0.113.5'],
      ['probing', 'low', '198.51.100.9'],
    ])
  })
})

describe('path tricks', () => {
  it.each([
    '/chat/../admin',
    '/chat/..%2fadmin',
    '/chat/%2e%2e/admin',
    '/chat\\admin',
    '/chat/%5cadmin',
    '/chat/..;/admin',
    '/chat/%00',
    '/chat/%252e%252e/x',
    '/..',
    '/chat;x/admin',
    '/chat;',
    '/a;b;c/d',
  ])('one %s is enough', (path) => {
    const log = new Log()
    log.path(path)
    expect(log.severity('path_tricks')).toBe('medium')
  })

  it.each(['/v1/models/meta-llama%2FLlama-3', '/chat//api/generate', '//chat', '/chat/a..b', '/files/v1..2', '/chat/%C3%A4'])(
    '%s a hundred times is clumsiness',
    (path) => {
      const log = new Log()
      for (let n = 0; n < 100; n += 1) log.path(path)
      expect(log.threats()).toEqual([])
    },
  )

  it('are looked for in one go, however long a path is', () => {
    const log = new Log()
    const startedMs = performance.now()
    for (const unit of [';', '.', '/', '%2e', '\\u', '%25']) log.path(`/${unit.repeat(200_000)}x`)
    expect(performance.now() - startedMs).toBeLessThan(1_000)
  })

  it('five are high, whatever they are', () => {
    const log = new Log()
    for (let n = 0; n < 5; n += 1) log.path('/a/../b')
    expect(log.severity('path_tricks')).toBe('high')
  })
})

describe('unusual volume', () => {
  /** So many requests in each of ten hours of a day. */
  const days = (log: Log, count: number, perHour: number, fromDay = 0): void => {
    for (let day = fromDay; day < fromDay + count; day += 1)
      for (let hour = 0; hour < 10; hour += 1)
        for (let n = 0; n < perHour; n += 1) log.letIn(START_MS + day * DAY_MS + hour * HOUR_MS + n * 1_000, 'K1')
  }
  const burst = (log: Log, day: number, count: number, address?: string): void => {
    for (let n = 0; n < count; n += 1) log.letIn(START_MS + day * DAY_MS + 12 * HOUR_MS + n * 1_000, 'K1', address)
  }

  it('far above its own habit is unusual, and worse from elsewhere', () => {
    const usual = new Log()
    days(usual, 5, 12)
    burst(usual, 5, 400)
    expect(usual.threats()).toMatchObject([{ kind: 'unusual_volume', severity: 'medium', count: 400 }])
    const elsewhere = new Log()
    days(elsewhere, 5, 12)
    burst(elsewhere, 5, 400, '192.0.2.200')
    expect(elsewhere.threats()).toMatchObject([{ kind: 'unusual_volume', severity: 'high', addresses: ['192.0.2.200'] }])
  })

  it('the same burst is usual for a key that has ten times the traffic', () => {
    const log = new Log()
    days(log, 5, 250)
    burst(log, 5, 400)
    expect(log.threats()).toEqual([])
  })

  it('a new key has no habit yet, and a few requests are never many', () => {
    const fresh = new Log()
    days(fresh, 1, 5)
    burst(fresh, 1, 2_000)
    expect(fresh.threats()).toEqual([])
    const quiet = new Log()
    days(quiet, 10, 1)
    burst(quiet, 10, 99)
    expect(quiet.threats()).toEqual([])
  })

  it('what comes every night is a habit, and a lasting new load becomes one', () => {
    const nightly = new Log()
    for (let day = 0; day < 12; day += 1) {
      days(nightly, 1, 5, day)
      burst(nightly, day, 600)
    }
    expect(nightly.threats()).toEqual([])
    const grown = new Log()
    days(grown, 10, 12)
    days(grown, 20, 400, 10)
    expect(grown.threats()[0]?.title).toMatch(/\(\d+ such hours\)/)
    expect(grown.threats()).toHaveLength(1)
  })
})

it('no more threats are told than somebody can read, and the worst are', () => {
  const log = new Log()
  for (let n = 0; n < 1_500; n += 1)
    for (let k = 0; k < (n % 100 === 0 ? 10 : 5); k += 1) log.denied(START_MS + k, 'malformed', { address: `10.${n >> 8}.${n & 255}.1` })
  const threats = log.threats()
  expect(threats).toHaveLength(1_000)
  expect(threats.slice(0, 15).every(({ severity }) => severity === 'high')).toBe(true)
})
