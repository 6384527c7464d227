import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningCaddy, startCaddy } from '../support/caddy.ts'
import { parseAnswer, rawExchange } from '../support/raw-http.ts'
import { type StandIn, standInGatekeeper } from '../support/stand-in-gatekeeper.ts'
import { lacking, named } from '../support/tools.ts'

const reason = lacking('caddy')

/** What the caller writes is what the gatekeeper judges. */
const VERBATIM = [
  '/chat/api/generate',
  '//chat//api/generate',
  '/chat/api/generate/',
  '/chat/./api/generate',
  '/x/../chat/api/generate',
  '/chat%2Fapi%2fgenerate',
  '/%2e%2e/chat',
  '/chat/api/%64elete',
  '/chat/..;/api/delete',
  '/chat;v=1/api/tags',
  '/chat/api/tags%00',
  '/chat%5capi%5cdelete',
  '/CHAT/API/TAGS',
  '/chat/api/tags?x=1;y=2&%zz',
  '/chat/api/tags?',
  '/chat/api/blobs/sha256:aa',
  '/%C3%A9',
  '/%252e%252e/x',
  '/a+b%20c',
]

/** Bytes that no request target may hold leave Go's server percent-encoded, so they still are what they were. */
const ENCODED: readonly (readonly [string, string])[] = [
  ['/chat\\api\\delete', '/chat%5Capi%5Cdelete'],
  ['/a|b', '/a%7Cb'],
  ['/a"b<c>', '/a%22b%3Cc%3E'],
  ['/a#b', '/a%23b'],
]

describe.skipIf(reason)(named('paths', reason), () => {
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

  const forwarded = async (target: string, host = 'gate') => {
    gatekeeper.seen.length = 0
    const answer = await rawExchange(caddy.port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nX-API-Key: k\r\nConnection: close\r\n\r\n`)
    return { status: parseAnswer(answer).status, seen: gatekeeper.seen[0] }
  }

  test.each(VERBATIM)('reaches the gatekeeper as it was written: %s', async (target) => {
    expect((await forwarded(target)).seen?.target).toBe(target)
  })

  test.each(ENCODED)('%s stays encoded: %s', async (target, expected) => {
    expect((await forwarded(target)).seen?.target).toBe(expected)
  })

  test.each(['/chat%', '/chat%zz', 'chat', ''])('what is no path at all ends here: "%s"', async (target) => {
    const { status, seen } = await forwarded(target)
    expect(status).toBe(400)
    expect(seen).toBeUndefined()
  })

  test('the Host is the caller\u2019s, and an absolute target replaces it as RFC 9112 asks of a proxy', async () => {
    expect((await forwarded('/chat', 'ai.example.org:8443')).seen?.headers.host).toBe('ai.example.org:8443')
    const absolute = (await forwarded('http://elsewhere.example/chat')).seen
    expect(absolute?.target).toBe('/chat')
    expect(absolute?.headers.host).toBe('elsewhere.example')
  })

  test('two Host headers, or two ways to measure a body, are not forwarded as such', async () => {
    gatekeeper.seen.length = 0
    const twice = 'GET /chat HTTP/1.1\r\nHost: a\r\nHost: b\r\nX-API-Key: k\r\nConnection: close\r\n\r\n'
    expect(parseAnswer(await rawExchange(caddy.port, twice)).status).toBe(400)
    const both =
      'POST /chat HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nConnection: close\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
    await rawExchange(caddy.port, both)
    expect(gatekeeper.seen.map(({ headers }) => headers['content-length'])).not.toContain('4')
  })
})
