import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { scanObject } from '../../src/http/index.ts'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { rawCaller, requestBytes } from '../support/raw-caller.ts'
import { endlessStream, generation, type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

let upstream: TextBackend
let gate: GatewayUnderTest
beforeEach(async () => {
  upstream = await textBackend()
  gate = await startTestGateway({ OLLAMA_URL: upstream.url })
})
afterEach(async () => {
  await gate.stop()
  await upstream.close()
})

const path = '/chat/api/generate'
const body = JSON.stringify({ model: 'm', prompt: 'p' })

describe('a key that is disabled at once', () => {
  it('cuts an answer that waits, whole, behind another on its connection, and the gateway lives on', async () => {
    const key = await gate.key()
    let asked = 0
    upstream.choose(() => {
      asked += 1
      return asked === 1 ? endlessStream() : generation()
    })
    const caller = await rawCaller(gate.port)
    const one = requestBytes({ path, key: key.text, body })
    caller.write(Buffer.concat([Buffer.from(one), Buffer.from(one)]))
    await until(() => typeof upstream.asked[1]?.doneMs === 'number', { withinMs: 5_000, what: 'the second answer' })
    const waits = () => [...gate.gateway.house.corridor.inFlight].some(({ envelope }) => envelope.outgoing.writableEnded)
    await until(waits, { withinMs: 5_000, what: 'the second answer to wait for the first' })
    await gate.gateway.house.identity.keys.disable(key.id, { now: true })
    await caller.gone()
    await gate.quiet()
    expect((await gate.outcomes()).map(({ ended }) => ended)).toContain('revoked')
    expect((await call(gate.port, { path: '/health' })).status).toBe(200)
  })

  it('is told apart from a caller who leaves, while its body is still coming', async () => {
    const key = await gate.key()
    const caller = await rawCaller(gate.port)
    caller.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${key.text}\r\ncontent-length: 1000\r\n\r\n{"model":`)
    await until(() => gate.gateway.house.corridor.inFlight.size === 1, { withinMs: 5_000, what: 'the request in the corridor' })
    await until(() => [...gate.gateway.house.corridor.inFlight][0]?.principal !== null, { withinMs: 5_000, what: 'the key to be known' })
    await gate.gateway.house.identity.keys.disable(key.id, { now: true })
    await caller.gone()
    expect((await gate.refusals()).at(-1)).toMatchObject({ code: 'REVOKED', key: key.id })
  })
})

describe('HEAD on a route that takes GET', () => {
  it('asks the backend with HEAD, and answers', async () => {
    const key = await gate.key()
    const answer = await call(gate.port, { method: 'HEAD', path: '/chat/api/tags', key: key.text, withinMs: 5_000 })
    expect(answer.status).toBe(200)
    expect(upstream.asked.at(-1)?.method).toBe('HEAD')
  })
})

describe('a body of very many keys', () => {
  it.each([
    ['outermost', (n: number) => `{${Array.from({ length: n }, (_, i) => `"k${i}":1`).join(',')}}`, 257],
    ['within', (n: number) => `{"format":{${Array.from({ length: n }, (_, i) => `"k${i}":1`).join(',')}}}`, 20_001],
  ])('is refused before it is parsed: %s', async (_where, make, many) => {
    const key = await gate.key()
    const answer = await call(gate.port, { path, key: key.text, body: make(many) })
    expect({ status: answer.status, asked: upstream.asked.length }).toEqual({ status: 400, asked: 0 })
    expect(() => scanObject(Buffer.from(make(100)))).not.toThrow()
  })

  it('and a long array of numbers is neither refused nor parsed', async () => {
    const key = await gate.key()
    const context = Array.from({ length: 400_000 }, () => 123).join(',')
    const answer = await call(gate.port, { path, key: key.text, body: `{"keep_alive":-1,"model":"m","context":[${context}]}` })
    expect(answer.status).toBe(200)
    expect(upstream.asked[0]?.body.toString('utf8')).toMatch(/^\{"keep_alive":"1800s" ,"model"/)
  })

  it('still refuses a cloud model in a long body', async () => {
    const key = await gate.key()
    const answer = await call(gate.port, { path, key: key.text, body: `{"prompt":"${'x'.repeat(2_000_000)}","model":"x:cloud"}` })
    expect(answer.status).toBe(403)
  })
})
