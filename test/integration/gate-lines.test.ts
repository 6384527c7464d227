import { createServer } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { mustBeTaken } from '../../src/http/index.ts'
import { LIMITS } from '../../src/kernel/index.ts'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { rawCaller, requestBytes } from '../support/raw-caller.ts'
import { listen } from '../support/server.ts'
import { endlessStream, generation, type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

let upstream: TextBackend
let gate: GatewayUnderTest
let key: TestKey
beforeAll(async () => {
  upstream = await textBackend()
  gate = await startTestGateway({ OLLAMA_URL: upstream.url, TRUSTED_PROXIES: '127.0.77.1/32' })
  key = await gate.key()
})
afterEach(() => {
  upstream.behave(generation())
  upstream.forget()
  vi.useRealTimers()
})
afterAll(async () => {
  await gate.stop()
  await upstream.close()
})

const BODY = JSON.stringify({ model: 'm', prompt: 'p' })
const generate = (): string => requestBytes({ key: key.text, body: BODY })
const health = requestBytes({ method: 'GET', path: '/health' })
const statuses = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status)
const inFlight = (): number => gate.gateway.house.corridor.inFlight.size

describe('requests in line on one connection', () => {
  it.each([
    ['n', LIMITS.pipelinedRequestsMax, false],
    ['n+1', LIMITS.pipelinedRequestsMax + 1, true],
  ])('behind a stream: %s', async (_name, count, cut) => {
    upstream.behave(endlessStream(1))
    const from = `127.0.78.${count}`
    const caller = await rawCaller(gate.port, { from })
    caller.write(generate())
    await caller.heard('"done":false')
    caller.write(health.repeat(count))
    if (cut) await caller.gone()
    else expect(await call(gate.port, { path: '/health' })).toMatchObject({ status: 200 })
    expect(caller.closed).toBe(cut)
    caller.leave('close')
    await until(() => inFlight() === 0, { withinMs: 5_000, what: 'its places to be given back' })
    const told = (await gate.refusals()).filter(({ address }) => address === from)
    expect(told.map(({ code, reason }) => [code, reason])).toEqual(
      cut ? [['BAD_REQUEST', expect.stringContaining('in line on one connection')]] : [],
    )
  })

  it('are counted as they stand, and not as they came', async () => {
    const caller = await rawCaller(gate.port, { from: '127.0.78.99' })
    for (let round = 1; round <= 5; round += 1) {
      caller.write(health.repeat(LIMITS.pipelinedRequestsMax))
      await until(() => statuses(caller.received).length === round * LIMITS.pipelinedRequestsMax, { withinMs: 5_000, what: 'all answers' })
    }
    expect(new Set(statuses(caller.received))).toEqual(new Set(['200']))
    caller.leave('close')
  })

  it('end with their key when it is disabled at once, also while a body is still coming', async () => {
    const other = await gate.key()
    upstream.behave(endlessStream(1))
    const caller = await rawCaller(gate.port, { from: '127.0.78.98' })
    caller.write(generate())
    await caller.heard('"done":false')
    const half = requestBytes({ key: other.text, body: BODY })
    caller.write(half.slice(0, -5))
    await until(() => inFlight() === 2, { withinMs: 5_000, what: 'the second to be in the corridor' })
    await gate.gateway.house.identity.keys.disable(other.id, { now: true })
    await until(() => inFlight() === 0, { withinMs: 1_000, what: 'both to be out of it' })
    expect((await gate.refusals()).filter(({ key: id }) => id === other.id)).toMatchObject([{ code: 'REVOKED' }])
  })
})

describe('a last word', () => {
  it('to CONNECT stands alone, and never in another answer', async () => {
    upstream.behave(endlessStream(1))
    const caller = await rawCaller(gate.port, { from: '127.0.78.97' })
    caller.write(generate())
    await caller.heard('"done":false')
    caller.write('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n')
    await caller.gone()
    expect(statuses(caller.received)).toEqual(['200'])
    const alone = await rawCaller(gate.port, { from: '127.0.78.96' })
    alone.write('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n')
    await alone.gone()
    expect(statuses(alone.received)).toEqual(['400'])
  })
})

describe('an open route', () => {
  it('does not read a body for ever', async () => {
    const one = async (path: string): Promise<void> => {
      const caller = await rawCaller(gate.port, { from: '127.0.78.95' })
      caller.write(`GET ${path} HTTP/1.1\r\nHost: gate\r\nContent-Length: 9999999\r\n\r\nx`)
      await caller.heard('HTTP/1.1 200')
      await caller.gone(LIMITS.unwantedBodyMsMax + 2_000)
    }
    await Promise.all(['/', '/health', '/ready', '/chat', '/chat/'].map(one))
  })
})

describe('an answer made here', () => {
  it('must be taken, from its turn on', async () => {
    const server = await listen(
      createServer((_request, response) => {
        mustBeTaken(response)
        response.end(Buffer.alloc(64 * 1024 * 1024))
      }),
    )
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const caller = await rawCaller(server.port, { reads: false })
    caller.write(health)
    await until(() => server.sockets.size === 1, { withinMs: 2_000, what: 'the connection' })
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    vi.advanceTimersByTime(LIMITS.clientStallMsMax - 1)
    expect([...server.sockets].map(({ destroyed }) => destroyed)).toEqual([false])
    vi.advanceTimersByTime(1)
    expect([...server.sockets].every(({ destroyed }) => destroyed)).toBe(true)
    vi.useRealTimers()
    caller.leave('close')
    await server.close()
  })
})

it('a refused envelope behind a trusted proxy stands under the address that the proxy tells', async () => {
  const headers = { 'x-forwarded-for': '203.0.113.77' }
  const twice = `X-API-Key: ${key.text}\r\nX-API-Key: ${key.text}x`
  const caller = await rawCaller(gate.port, { from: '127.0.77.1' })
  caller.write(`GET /chat/api/tags HTTP/1.1\r\nHost: gate\r\n${twice}\r\nX-Forwarded-For: ${headers['x-forwarded-for']}\r\n\r\n`)
  await caller.heard('HTTP/1.1 400')
  caller.leave('close')
  const many = Object.fromEntries(Array.from({ length: LIMITS.headersMax + 1 }, (_, n) => [`x-${n}`, '1']))
  expect(await call(gate.port, { path: '/chat/api/tags', from: '127.0.77.1', headers: { ...many, ...headers } })).toMatchObject({
    status: 431,
  })
  const told = (await gate.refusals()).filter(({ address }) => address === headers['x-forwarded-for'])
  expect(told.map(({ code }) => code)).toEqual(['CREDENTIAL_CONFLICT', 'HEADERS_TOO_LARGE'])
})
