import type { Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RefusedLine } from '../../src/contract/index.ts'
import { createGateServer, type GateServerParts, trustedNetworks } from '../../src/http/index.ts'
import { systemClock } from '../../src/kernel/index.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { type RawCaller, rawCaller, requestBytes } from '../support/raw-caller.ts'
import { listen } from '../support/server.ts'
import { ONE_OBJECT, type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

let upstream: TextBackend
let gate: GatewayUnderTest
let key: TestKey
beforeAll(async () => {
  upstream = await textBackend()
  gate = await startTestGateway({ OLLAMA_URL: upstream.url })
  key = await gate.key()
})
afterAll(async () => {
  await gate.stop()
  await upstream.close()
})

let hosts = 1
/** Nobody else's refusals have this address. */
const freshAddress = (): string => {
  hosts += 1
  return `127.0.9.${hosts}`
}

const refusalsFrom = async (from: string): Promise<RefusedLine[]> => (await gate.refusals()).filter(({ address }) => address === from)

/** Sends these bytes from an address of their own, and waits until the gate has closed the connection. */
async function toTheEnd(bytes: string): Promise<{ from: string; received: string }> {
  const from = freshAddress()
  const caller = await rawCaller(gate.port, { from })
  caller.write(bytes)
  await caller.gone()
  return { from, received: caller.received }
}

const BODY = JSON.stringify({ model: 'm', prompt: 'p', stream: false })
const offer = (protocols: string) => ({ Connection: 'Upgrade, HTTP2-Settings', Upgrade: protocols, 'HTTP2-Settings': 'AAMAAABkAAQAAP__' })
const answersIn = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status)

describe('an offer to upgrade', () => {
  it.each(['h2c', 'TLS/1.0', 'h2c, IRC/6.9', 'notawebsocket'])('to %s is ignored, with a body and without', async (protocols) => {
    upstream.forget()
    const posted = await toTheEnd(requestBytes({ key: key.text, headers: offer(protocols), body: BODY }))
    const got = await toTheEnd(requestBytes({ method: 'GET', path: '/health', headers: offer(protocols) }))
    expect(posted.received).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\nconnection: close\r\n/i)
    expect(posted.received.endsWith(ONE_OBJECT)).toBe(true)
    expect(got.received).toMatch(/^HTTP\/1\.1 200 [\s\S]*\{"status":"ok"\}$/)
    expect(upstream.asked.map((seen) => [seen.header('upgrade'), seen.header('http2-settings')])).toEqual([[undefined, undefined]])
  })

  it('says that the connection ends there, so that nothing is waited for that stood behind it', async () => {
    const one = requestBytes({ method: 'GET', path: '/health', headers: offer('h2c') })
    const { received } = await toTheEnd(`${one}${one}${one}`)
    expect(answersIn(received)).toEqual(['200'])
    expect(received).toMatch(/\r\nconnection: close\r\n/i)
  })

  it.each(['websocket', 'WebSocket', 'h2c, websocket', 'websocket/13'])('to %s is refused and recorded, once', async (protocols) => {
    upstream.forget()
    const headers = { Connection: 'Upgrade', Upgrade: protocols, 'Sec-WebSocket-Version': '13' }
    const { from, received } = await toTheEnd(
      `${requestBytes({ method: 'GET', path: '/chat/api/tags', key: key.text, headers })}\u0081\u0005hello`,
    )
    expect(answersIn(received)).toEqual(['426'])
    expect(received).toMatch(/\r\nconnection: close\r\n/i)
    expect(await refusalsFrom(from)).toEqual([expect.objectContaining({ code: 'UPGRADE_REFUSED', status: 426, path: '/chat/api/tags' })])
    expect(upstream.asked).toEqual([])
  })
})

const HEAD = 'POST /chat/api/generate HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n'
const withKey = (): string => `${HEAD}X-API-Key: ${key.text}\r\n\r\n`

describe('a refusal bears one id, in the answer and in the ledger', () => {
  it.each([
    ['headers that are too large', () => `GET / HTTP/1.1\r\nHost: gate\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`],
    ['what is no request', () => 'no request\r\n\r\n'],
    ['CONNECT', () => 'CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n'],
    ['a body that breaks', () => `${withKey()}5\r\n{"mod\r\nzz\r\n`],
  ])('of %s', async (_what, bytes) => {
    const { from, received } = await toTheEnd(bytes())
    const id = /^x-request-id: (req_\w+)\r$/im.exec(received)?.[1]
    expect(id).toBeDefined()
    expect(await refusalsFrom(from)).toEqual([expect.objectContaining({ request: id })])
  })

  it('of a connection too many', async () => {
    const ids: string[] = []
    const server = await listen(smallServer({ refusedSocket: (_address, _code, _reason, id) => void ids.push(id) }))
    const held = await rawCaller(server.port)
    const second = await rawCaller(server.port)
    await second.gone()
    expect(ids).toEqual([expect.stringMatching(/^req_/)])
    expect(second.received).toContain(`x-request-id: ${ids[0]}\r\n`)
    held.leave('close')
    await server.close()
  })
})

describe('a broken request leaves one record', () => {
  it('when its chunks make no sense, and says whose it was', async () => {
    const { from, received } = await toTheEnd(`${withKey()}5\r\n{"mod\r\nzz\r\n`)
    expect(answersIn(received)).toEqual(['400'])
    expect(await refusalsFrom(from)).toEqual([
      expect.objectContaining({
        code: 'BAD_REQUEST',
        status: 400,
        key: key.id,
        reason: expect.stringMatching(/^HPE_/),
        route: '/chat/api/generate',
      }),
    ])
  })

  it('when they stop making sense while it is read', async () => {
    const from = freshAddress()
    const caller = await rawCaller(gate.port, { from })
    caller.write(`${withKey()}5\r\n{"mod\r\n`)
    await until(() => gate.gateway.house.corridor.inFlight.size === 1, { withinMs: 2_000, what: 'the request to be read' })
    caller.write('zz\r\n')
    await caller.gone()
    expect(answersIn(caller.received)).toEqual(['400'])
    expect(await refusalsFrom(from)).toEqual([expect.objectContaining({ code: 'BAD_REQUEST', key: key.id })])
  })

  it('when it ends in the middle, and is told so by then', async () => {
    const from = freshAddress()
    const caller = await rawCaller(gate.port, { from })
    caller.write(`${withKey()}5\r\n{"mod\r\n`)
    caller.leave('fin')
    await caller.gone()
    expect(caller.received).toMatch(/^HTTP\/1\.1 400 [\s\S]*BODY_INCOMPLETE/)
    expect(await refusalsFrom(from)).toEqual([expect.objectContaining({ code: 'BODY_INCOMPLETE', key: key.id })])
  })

  it('when it was refused already', async () => {
    const from = freshAddress()
    const caller = await rawCaller(gate.port, { from })
    caller.write(`${HEAD}\r\n`)
    await caller.heard('not valid"}')
    caller.write('zz\r\n')
    await caller.gone()
    expect(answersIn(caller.received)).toEqual(['401'])
    expect(await refusalsFrom(from)).toEqual([expect.objectContaining({ code: 'UNAUTHORIZED' })])
  })

  it('when it came with one that is good, before it', async () => {
    upstream.forget()
    const { from, received } = await toTheEnd(`${requestBytes({ key: key.text, body: BODY })}no request\r\n\r\n`)
    expect(await refusalsFrom(from)).toEqual([expect.objectContaining({ code: 'BAD_REQUEST' })])
    // The good one was let in, so nothing may look like its answer.
    expect(answersIn(received)).toEqual([])
  })

  it('when its connection was one too many, whatever it says', async () => {
    const refused: string[] = []
    const requests: string[] = []
    const server = await listen(smallServer({ refusedSocket: (_address, code) => void refused.push(code), seen: requests }))
    const held = await rawCaller(server.port)
    const second = await rawCaller(server.port)
    second.write('GET /health HTTP/1.1\r\nHost: gate\r\n\r\nno request\r\n\r\n')
    await second.gone()
    expect([answersIn(second.received), refused, requests]).toEqual([['429'], ['TOO_MANY_CONNECTIONS'], []])
    held.leave('close')
    await server.close()
  })
})

/** A gate's server with one place for each address. */
function smallServer({ seen = [], ...over }: Partial<GateServerParts> & { readonly seen?: string[] }): Server {
  const nobody = trustedNetworks([])
  return createGateServer({
    clock: systemClock,
    trusted: () => nobody,
    connectionsPerAddressMax: () => 1,
    fetch: (request) => {
      seen.push(request.url)
      return new Response('{}')
    },
    turnAway: () => {},
    refusedSocket: () => {},
    ...over,
  })
}

describe('connections', () => {
  it('are bounded for the whole process, too: n−1, n, n+1', async () => {
    const reasons: string[] = []
    const server = await listen(
      smallServer({ connectionsMax: 3, refusedSocket: (address, code, reason) => void reasons.push(`${address} ${code} ${reason}`) }),
    )
    const ask = async (from: string): Promise<RawCaller> => {
      const caller = await rawCaller(server.port, { from })
      caller.write('GET /health HTTP/1.1\r\nHost: gate\r\n\r\n')
      await caller.heard('HTTP/1.1 ')
      return caller
    }
    const callers = []
    for (const from of ['127.0.8.1', '127.0.8.2', '127.0.8.3', '127.0.8.4']) callers.push(await ask(from))
    expect(callers.map(({ received }) => received.slice(9, 12))).toEqual(['200', '200', '200', '429'])
    expect(reasons).toEqual(['127.0.8.4 TOO_MANY_CONNECTIONS more than 3 connections in all'])
    callers[0]?.leave('close')
    await until(async () => (await ask('127.0.8.5')).received.startsWith('HTTP/1.1 200'), { withinMs: 2_000, what: 'a place' })
    await server.close()
  })

  it('of a trusted proxy are as many as it likes', async () => {
    const proxies = trustedNetworks(['127.0.8.0/24'])
    const server = await listen(smallServer({ trusted: () => proxies, connectionsMax: 3 }))
    const callers = []
    for (let n = 0; n < 4; n += 1) {
      const caller = await rawCaller(server.port, { from: '127.0.8.1' })
      caller.write('GET /health HTTP/1.1\r\nHost: gate\r\n\r\n')
      await caller.heard('HTTP/1.1 ')
      callers.push(caller)
    }
    expect(callers.map(({ received }) => received.slice(9, 12))).toEqual(['200', '200', '200', '429'])
    await server.close()
  })
})

describe('headers that do not come', () => {
  it('end after 10 s with a code of their own, recorded once', async () => {
    const [silent, half] = [freshAddress(), freshAddress()]
    const callers = [await rawCaller(gate.port, { from: silent }), await rawCaller(gate.port, { from: half })]
    callers[1]?.write('GET /health HTTP/1.1\r\nHo')
    const sinceMs = performance.now()
    for (const caller of callers) await caller.gone(13_000)
    expect(performance.now() - sinceMs).toBeGreaterThan(9_000)
    for (const caller of callers) expect(caller.received).toMatch(/^HTTP\/1\.1 408 [\s\S]*HEADERS_TOO_SLOW/)
    for (const from of [silent, half])
      expect(await refusalsFrom(from)).toEqual([expect.objectContaining({ code: 'HEADERS_TOO_SLOW', status: 408 })])
  })
})
