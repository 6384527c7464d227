import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type RunningCaddy, startCaddy } from '../support/caddy.ts'
import { parseAnswer, rawExchange } from '../support/raw-http.ts'
import { type StandIn, standInGatekeeper } from '../support/stand-in-gatekeeper.ts'
import { lacking, named } from '../support/tools.ts'

const reason = lacking('caddy')
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']
const OPEN_PATHS = ['/', '/health', '/ready', '/console', '/console/', '/console/assets/a.js', '/admin/api', '/admin/api/keys/1/rotate']
/** Lists that whoever has no key may read, unless the gatekeeper is told otherwise. */
const OPEN_LISTS = ['/v1/audio/voices', '/v1/audio/models']
const CLOSED_PATHS = [
  '/chat',
  '/chat/api/generate',
  '/tts/api/speak',
  '/image/api/generate/simple',
  '/whisper/api/transcribe',
  '/v1/models',
  '/v1/models/org%2Fmodel',
  '/v1/chat/completions',
  '/v1/audio/speech',
  '/v1/audio/voices/',
  '/v1/audio/models/x',
  '/admin',
  '/healthz',
  '/health/x',
  '/console/../chat/api/generate',
  '/%63hat/api/tags',
  '/nothing/here?api_key=x',
  'http://elsewhere/chat',
]

describe.skipIf(reason)(named('the first check', reason), () => {
  let gatekeeper: StandIn
  let caddy: RunningCaddy
  beforeAll(async () => {
    gatekeeper = await standInGatekeeper()
    caddy = await startCaddy({ gatekeeper: gatekeeper.address })
  })
  afterAll(async () => {
    await caddy?.stop()
    await gatekeeper?.close()
  })
  beforeEach(() => {
    gatekeeper.seen.length = 0
  })

  const ask = async (method: string, target: string, headers: readonly string[] = []) =>
    parseAnswer(
      await rawExchange(caddy.port, [`${method} ${target} HTTP/1.1`, 'Host: gate', 'Connection: close', ...headers, '', ''].join('\r\n')),
    )

  test.each(CLOSED_PATHS)('without a key every method but OPTIONS is turned away: %s', async (target) => {
    for (const method of METHODS.filter((name) => name !== 'OPTIONS')) {
      const { status, head, body } = await ask(method, target)
      expect(status, method).toBe(401)
      expect(head, method).toMatch(/\r\nWww-Authenticate: Bearer realm="portcullis"/i)
      expect(body, method).toBe(method === 'HEAD' ? '' : '401 Unauthorized - API Key Required')
    }
    expect(gatekeeper.seen).toEqual([])
    expect((await ask('OPTIONS', target)).status).toBe(200)
    expect(gatekeeper.seen).toHaveLength(1)
  })

  test.each(OPEN_PATHS)('needs no key: %s', async (target) => {
    for (const method of METHODS) expect((await ask(method, target)).status, method).toBe(200)
    expect(gatekeeper.seen.map(({ method }) => method)).toEqual(METHODS)
  })

  test.each(OPEN_LISTS)('can be read without a key, and nothing more: %s', async (target) => {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) expect((await ask(method, target)).status, method).toBe(200)
    expect(gatekeeper.seen.map(({ method }) => method)).toEqual(['GET', 'HEAD', 'OPTIONS'])
    for (const method of ['POST', 'PUT', 'DELETE', 'PROPFIND']) expect((await ask(method, target)).status, method).toBe(401)
    expect(gatekeeper.seen).toHaveLength(3)
  })

  test.each([['X-API-Key: pcl_x'], ['x-api-key: pcl_x'], ['Authorization: Bearer pcl_x'], ['Authorization: Basic eDp5']])(
    'with %s the gatekeeper decides, and sees it unchanged',
    async (header) => {
      for (const target of CLOSED_PATHS) expect((await ask('POST', target, [header, 'Content-Length: 0'])).status).toBe(200)
      expect(gatekeeper.seen).toHaveLength(CLOSED_PATHS.length)
      const [name = '', value] = header.split(': ')
      for (const { headers } of gatekeeper.seen) expect(headers[name.toLowerCase()]).toBe(value)
    },
  )

  test('a repeated or doubled credential is the gatekeeper\u2019s to judge, so both reach it', async () => {
    await ask('GET', '/chat', ['X-API-Key: a', 'X-API-Key: b', 'Authorization: Bearer c'])
    expect(gatekeeper.seen[0]?.headers).toMatchObject({ 'x-api-key': 'a, b', authorization: 'Bearer c' })
  })

  test.each(['/metrics', '/status', '/metrics/', '/status/x', '/%6detrics', '//status', '/STATUS'])(
    'operations do not exist from outside: %s',
    async (target) => {
      for (const headers of [[], ['X-API-Key: pcl_x']]) {
        const { status, body } = await ask('GET', target, headers)
        expect({ status, body }).toEqual({ status: 404, body: '404 Not Found' })
      }
      expect(gatekeeper.seen).toEqual([])
    },
  )

  test('answers carry the security headers and do not name the server', async () => {
    for (const head of [(await ask('GET', '/health')).head, (await ask('GET', '/chat')).head, (await ask('GET', '/status')).head]) {
      expect(head).toMatch(/\r\nX-Content-Type-Options: nosniff\r\n/)
      expect(head).toMatch(/\r\nX-Frame-Options: DENY\r\n/)
      expect(head).toMatch(/\r\nReferrer-Policy: no-referrer\r\n/)
      expect(head).toMatch(/\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n/)
      expect(head).not.toMatch(/\r\n(?:Server|Via|Strict-Transport-Security):/i)
    }
  })
})

test.skipIf(reason)(named('OPERATIONS=on lets /status and /metrics through to the gatekeeper, with a key only', reason), async () => {
  const gatekeeper = await standInGatekeeper()
  const caddy = await startCaddy({ gatekeeper: gatekeeper.address, env: { OPERATIONS: 'on' } })
  try {
    const status = async (headers: Record<string, string>) => (await fetch(`${caddy.url}/metrics`, { headers })).status
    expect(await status({})).toBe(401)
    expect(await status({ 'x-api-key': 'pcl_x' })).toBe(200)
    expect(gatekeeper.seen).toHaveLength(1)
    // The gatekeeper must not take it for a call from its own machine.
    expect(gatekeeper.seen[0]?.headers['x-forwarded-for']).toBe('127.0.0.1')
  } finally {
    await caddy.stop()
    await gatekeeper.close()
  }
})
