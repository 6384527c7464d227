import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type CaddyOptions, type RunningCaddy, startCaddy } from '../support/caddy.ts'
import { parseAnswer, rawExchange } from '../support/raw-http.ts'
import { type StandIn, standInGatekeeper } from '../support/stand-in-gatekeeper.ts'
import { lacking, named } from '../support/tools.ts'

const reason = lacking('caddy')
/** Every header by which callers have claimed to be somebody else. */
const LIES = [
  'X-Forwarded-For: 6.6.6.6',
  'CF-Connecting-IP: 6.6.6.6',
  'CF-Connecting-IPv6: 2001:db8::6',
  'CF-Pseudo-IPv4: 6.6.6.6',
  'True-Client-IP: 6.6.6.6',
  'X-Real-IP: 6.6.6.6',
  'X-Client-IP: 6.6.6.6',
  'Forwarded: for=6.6.6.6;proto=https',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: evil.example',
]
// 127.0.0.2 plays the believed front, 127.0.0.1 anybody else; both are this machine.
const FRONT = '127.0.0.2'

describe.skipIf(reason)(named('the caller\u2019s address', reason), () => {
  let gatekeeper: StandIn
  let caddy: RunningCaddy | undefined
  beforeEach(async () => {
    gatekeeper = await standInGatekeeper()
  })
  afterEach(async () => {
    await caddy?.stop()
    await gatekeeper.close()
  })

  const start = async (options: Omit<CaddyOptions, 'gatekeeper'>) => {
    caddy = await startCaddy({ gatekeeper: gatekeeper.address, ...options })
    const { port } = caddy
    return async (headers: readonly string[], from = '127.0.0.1') => {
      gatekeeper.seen.length = 0
      const lines = ['GET /health HTTP/1.1', 'Host: gate', 'Connection: close', ...headers, '', '']
      const { status } = parseAnswer(await rawExchange(port, lines.join('\r\n'), { from }))
      return { status, headers: gatekeeper.seen[0]?.headers ?? {} }
    }
  }

  const expectNoLies = (headers: Readonly<Record<string, unknown>>) => {
    expect(JSON.stringify(headers)).not.toMatch(/6\.6\.6\.6|db8::6|evil\.example/)
    expect(headers['x-forwarded-proto']).toBe('http')
  }

  test('direct: nobody is believed', async () => {
    const ask = await start({})
    for (const from of ['127.0.0.1', FRONT]) {
      const { headers } = await ask(LIES, from)
      expect(headers['x-forwarded-for']).toBe(from)
      expectNoLies(headers)
    }
  })

  test('cloudflare: its CF-Connecting-IP is believed, and nobody else\u2019s', async () => {
    const ask = await start({ env: { CLIENT_ADDRESS: 'cloudflare' }, replace: [['173.245.48.0/20', `${FRONT}/32`]] })
    const through = await ask(['X-Forwarded-For: 6.6.6.6, 203.0.113.9', 'CF-Connecting-IP: 203.0.113.9'], FRONT)
    expect(through.headers['x-forwarded-for']).toBe('203.0.113.9')
    expect(JSON.stringify(through.headers)).not.toContain('6.6.6.6')
    const six = await ask(['CF-Connecting-IP: 2001:db8::7'], FRONT)
    expect(six.headers['x-forwarded-for']).toBe('2001:db8::7')
    // Without the header its own address is all that is known.
    expect((await ask(['X-Forwarded-For: 6.6.6.6'], FRONT)).headers['x-forwarded-for']).toBe(FRONT)
    const liar = await ask(LIES)
    expect(liar.headers['x-forwarded-for']).toBe('127.0.0.1')
    expectNoLies(liar.headers)
  })

  test('private: the right-most hop that the proxy next to us saw', async () => {
    const ask = await start({ env: { CLIENT_ADDRESS: 'private' }, replace: [['127.0.0.0/8', `${FRONT}/32`]] })
    const one = await ask(['X-Forwarded-For: 6.6.6.6, 203.0.113.9', 'X-Forwarded-Proto: https', 'X-Real-IP: 6.6.6.6'], FRONT)
    expect(one.headers['x-forwarded-for']).toBe('203.0.113.9')
    expect(one.headers['x-forwarded-proto']).toBe('https')
    // HAProxy adds a header line of its own after the caller's instead of joining them.
    const two = await ask(['X-Forwarded-For: 6.6.6.6', 'X-Forwarded-For: 203.0.113.9 '], FRONT)
    expect(two.headers['x-forwarded-for']).toBe('203.0.113.9')
    expect((await ask([], FRONT)).headers['x-forwarded-for']).toBe(FRONT)
    expect((await ask(['X-Forwarded-For:'], FRONT)).headers['x-forwarded-for']).toBe(FRONT)
    const liar = await ask(LIES)
    expect(liar.headers['x-forwarded-for']).toBe('127.0.0.1')
    expectNoLies(liar.headers)
  })

  test('ALLOW_FROM=private turns the rest of the world away, key or no key', async () => {
    const ask = await start({ env: { ALLOW_FROM: 'private' }, replace: [['127.0.0.0/8', `${FRONT}/32`]] })
    expect((await ask([], FRONT)).status).toBe(200)
    expect((await ask(['X-API-Key: pcl_x'])).status).toBe(403)
    expect(gatekeeper.seen).toEqual([])
  })

  test('ALLOW_FROM=cloudflare turns away who knocks at the origin directly', async () => {
    const env = { ALLOW_FROM: 'cloudflare', CLIENT_ADDRESS: 'cloudflare' }
    const ask = await start({ env, replace: [['173.245.48.0/20', `${FRONT}/32`]] })
    expect((await ask(['CF-Connecting-IP: 203.0.113.9'], FRONT)).headers['x-forwarded-for']).toBe('203.0.113.9')
    expect((await ask(['CF-Connecting-IP: 203.0.113.9'])).status).toBe(403)
    expect(gatekeeper.seen).toEqual([])
  })
})
