import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AnthropicBackend, anthropicBackend, messageStream } from '../support/anthropic-backend.ts'
import { call } from '../support/caller.ts'
import { answer, delayed, json, silent } from '../support/hostile.ts'
import { busy, chatAnswer, chatStream, type OpenaiBackend, proxyFault, silentBefore } from '../support/openai-backend.ts'
import { rawCaller, requestBytes } from '../support/raw-caller.ts'
import { until } from '../support/until.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

const BEAT = ': keep-alive\n\n'
let scene: V1Scene
let one: OpenaiBackend
let other: OpenaiBackend
let letters: AnthropicBackend
beforeAll(async () => {
  scene = await openV1Scene({ HEARTBEAT: '200ms' })
  one = await scene.endpoint('one')
  other = await scene.endpoint('other', { priority: 1 })
  letters = await anthropicBackend()
  const { endpoints } = scene.gate.gateway.house.models.manage
  await endpoints.create({ name: 'letters', url: letters.url, dialect: 'anthropic' })
  await endpoints.create({ name: 'patient', url: one.baseUrl, dialect: 'openai', abort: 'drain' })
  await scene.model('m', ['one', 'other'])
  await scene.model('prose', ['letters'])
  await scene.model('vectors', ['one'], { capability: 'embedding' })
  await scene.model('whole', ['patient'], { price_in: 1_000_000, price_out: 2_000_000, unit: 'token' })
})
afterAll(async () => {
  await scene.close()
  await letters.close()
})
beforeEach(() => {
  one.forget()
  other.forget()
  letters.forget()
})

const lastOutcome = async () => (await scene.gate.outcomes()).filter(({ service }) => service === 'v1').at(-1)
const streamed = (body: Readonly<Record<string, unknown>> = {}) => scene.chat({ stream: true, ...body })
const messages = () =>
  call(scene.gate.port, {
    path: '/v1/messages',
    key: scene.key,
    body: { model: 'prose', max_tokens: 9, stream: true, messages: [{ role: 'user', content: 'hi' }] },
  })

describe('a stream whose backend is silent', () => {
  it('is kept alive before its first byte, and goes on as if nothing had been', async () => {
    one.behave(delayed(700, chatStream({ tokens: ['a', 'b'] })))
    const { status, headers, body, complete } = await streamed()
    expect([status, headers['content-type'], complete]).toEqual([200, 'text/event-stream; charset=utf-8', true])
    expect(body.split(BEAT).length - 1).toBeGreaterThanOrEqual(2)
    expect(body.startsWith(BEAT)).toBe(true)
    expect(body.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(await lastOutcome()).toMatchObject({ status: 200, ended: 'complete', units: { tokens_out: 2 } })
  })

  it('says what is left of its limits, though it has begun with a sign of life', async () => {
    const limited = await scene.newKey({ rate: '1000/m', tokens_per_minute: 1_000_000 })
    one.behave(delayed(700, chatStream({ tokens: ['a'] })))
    const { headers, body } = await scene.chat({ stream: true }, limited)
    expect(body.startsWith(BEAT)).toBe(true)
    expect(headers).toMatchObject({ 'x-ratelimit-limit-requests': '1000', 'x-ratelimit-limit-tokens': '1000000' })
  })

  it('is kept alive between its events, and never within one', async () => {
    one.behave(silentBefore(3, 700, chatStream({ tokens: ['a', 'b', 'c'], writes: 150 })))
    const { body } = await streamed()
    expect(body.split(BEAT).length - 1).toBeGreaterThanOrEqual(2)
    const events = body.split('\n\n').filter((event) => event.startsWith('data: {'))
    for (const event of events) expect(() => JSON.parse(event.slice('data: '.length))).not.toThrow()
  })

  it('is kept alive by pings where that is what clients know', async () => {
    letters.behave(delayed(700, messageStream()))
    const { body } = await messages()
    expect(body.startsWith('event: ping\ndata: {"type":"ping"}\n\n')).toBe(true)
    expect(body).toContain('event: message_stop')
  })

  it('is no stream where vectors are asked for, whatever was said', async () => {
    one.behave(delayed(700, json({ data: [{ embedding: [1] }], usage: { prompt_tokens: 1, total_tokens: 1 } })))
    const { status, headers, body } = await call(scene.gate.port, {
      path: '/v1/embeddings',
      key: scene.key,
      body: { model: 'vectors', input: 'x', stream: true },
    })
    expect([status, headers['content-type'], JSON.parse(body)]).toMatchObject([200, 'application/json', { data: [{ embedding: [1] }] }])
  })

  it('is told of an error within the stream, once it was told that it lives', async () => {
    one.behave(delayed(500, proxyFault(502)))
    const { status, body, complete } = await streamed()
    expect([status, complete]).toEqual([200, true])
    const last = body.split('\n\n').findLast((event) => event.startsWith('data: '))
    expect(JSON.parse(last?.slice('data: '.length) ?? '')).toMatchObject({
      error: { type: 'api_error', param: null, code: 'upstream_refused' },
    })
    expect(await lastOutcome()).toMatchObject({ status: 200, code: 'UPSTREAM_REFUSED' })
  })

  it('is served by another endpoint even then, when the first says that it is busy', async () => {
    one.behave(delayed(500, busy(503)))
    other.behave(chatStream({ tokens: ['from the other'] }))
    const { body } = await streamed()
    expect(body).toContain(BEAT)
    expect(body).toContain('from the other')
    expect(await lastOutcome()).toMatchObject({ endpoint: 'other', passed_over: 'one: UPSTREAM_BUSY', ended: 'complete' })
  })

  it('ends with an error when what comes then is no stream', async () => {
    one.behave(delayed(500, chatAnswer()))
    const { body } = await streamed()
    expect(body).toContain('"code":"upstream_died"')
  })

  it('is not kept alive where nobody asked for a stream', async () => {
    one.behave(delayed(600, chatAnswer()))
    const { body, headers } = await scene.chat()
    expect(headers['content-type']).toContain('application/json')
    expect(body.startsWith('{')).toBe(true)
  })
})

describe('a stream whose backend is silent, with HEARTBEAT=off', () => {
  let quiet: V1Scene
  beforeAll(async () => {
    quiet = await openV1Scene({ HEARTBEAT: 'off' })
  })
  afterAll(() => quiet.close())

  it('has nothing but what the backend says, and an error before that as a status of its own', async () => {
    const backend = await quiet.endpoint('one')
    await quiet.model('m', ['one'])
    backend.behave(delayed(700, chatStream({ tokens: ['a', 'b'] })))
    const { status, body, complete } = await quiet.chat({ stream: true })
    expect([status, complete]).toEqual([200, true])
    expect(body.split('\n\n').filter((event) => event !== '' && !event.startsWith('data: '))).toEqual([])
    backend.behave(delayed(500, proxyFault(502)))
    expect((await quiet.chat({ stream: true })).status).toBe(502)
  })

  it('has no pings either', async () => {
    const { endpoints } = quiet.gate.gateway.house.models.manage
    await endpoints.create({ name: 'letters', url: letters.url, dialect: 'anthropic' })
    await quiet.model('prose', ['letters'])
    letters.behave(delayed(500, messageStream()))
    const asked = { model: 'prose', max_tokens: 9, stream: true, messages: [{ role: 'user', content: 'hi' }] }
    const { status, body } = await call(quiet.gate.port, { path: '/v1/messages', key: quiet.key, body: asked })
    expect([status, body.startsWith('event: message_start')]).toEqual([200, true])
  })
})

describe('a stream that breaks', () => {
  it.each([
    ['after words, without [DONE]', chatStream({ tokens: ['a', 'b'], done: false })],
    ['after words, by a reset', chatStream({ tokens: ['a', 'b'], done: false, end: 'rst' })],
    ['in the midst of an event', chatStream({ tokens: ['a', 'b'], done: false, end: 'rst', writes: 333 })],
  ])('%s, ends with an error that clients see', async (_how, behaviour) => {
    one.behave(behaviour)
    const { status, body } = await streamed()
    expect(status).toBe(200)
    const events = body.split('\n\n').filter((event) => event.startsWith('data: '))
    const told = events.map((event) => JSON.parse(event.slice('data: '.length)) as { error?: unknown })
    expect(told.at(-1)).toMatchObject({ error: { type: 'api_error', code: 'upstream_died' } })
    expect(body).not.toContain('[DONE]')
    expect(await lastOutcome()).toMatchObject({ ended: 'upstream_died', estimated: true })
  })

  it("ends in Anthropic's own way where that is spoken", async () => {
    letters.behave(messageStream({ stop: false }))
    const { body } = await messages()
    expect(body).toMatch(/event: error\ndata: \{"type":"error","error":\{"type":"api_error","message":"[^"]+"\}\}\n\n$/)
  })

  it('tells a failure of the backend as the backend told it', async () => {
    one.behave(chatStream({ tokens: ['a'], failAfter: 1, fault: { error: { message: 'CUDA out of memory', code: 500 } } }))
    const { body } = await streamed()
    expect(body).toContain('CUDA out of memory')
    expect(await lastOutcome()).toMatchObject({ ended: 'upstream_died' })
  })

  it('of an answer that is an error with status 200 is on record as one', async () => {
    one.behave(json({ error: { message: 'not loaded' } }))
    expect((await scene.chat()).status).toBe(200)
    expect(await lastOutcome()).toMatchObject({ status: 200, ended: 'upstream_died' })
  })
})

describe('a stream that is whole', () => {
  it('ends for its caller, and frees the endpoint, though the backend keeps the connection', async () => {
    one.behave(chatStream({ tokens: ['a'], end: 'hang' }))
    const { body, complete, totalMs } = await streamed()
    expect([body.endsWith('data: [DONE]\n\n'), complete]).toEqual([true, true])
    expect(totalMs).toBeLessThan(4_000)
    await until(() => one.last.leftMs !== null, { withinMs: 1_000, what: 'the backend to be let go' })
    expect(await lastOutcome()).toMatchObject({ ended: 'complete', units: { tokens_in: 7, tokens_out: 1 } })
  })
})

describe('a caller who leaves', () => {
  const leave = async (model: string): Promise<void> => {
    const caller = await rawCaller(scene.gate.port)
    const body = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'hi' }] })
    caller.write(requestBytes({ method: 'POST', path: '/v1/chat/completions', key: scene.key, body }))
    await until(() => one.asked.length === 1, { withinMs: 5_000, what: 'the request to arrive' })
    await caller.heard('data: ')
    caller.leave('reset')
  }

  it('takes the backend along', async () => {
    one.behave(chatStream({ tokens: Array.from({ length: 100 }, () => 'x'), everyMs: 20 }))
    await leave('m')
    await until(() => one.last.leftMs !== null, { withinMs: 1_000, what: 'the backend to be let go' })
    expect(await lastOutcome()).toMatchObject({ ended: 'client_closed', estimated: true })
  })

  it('is outlasted by an endpoint that is read to its end, and pays for all of it', async () => {
    one.behave(chatStream({ tokens: Array.from({ length: 30 }, () => 'x'), everyMs: 20 }))
    await leave('whole')
    expect(await lastOutcome()).toMatchObject({ ended: 'client_closed', units: { tokens_in: 7, tokens_out: 30 }, cost_micro: 67 })
  })

  it('frees the endpoint when it was silent', async () => {
    one.behave(silent())
    const caller = await rawCaller(scene.gate.port)
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] })
    caller.write(requestBytes({ method: 'POST', path: '/v1/chat/completions', key: scene.key, body }))
    await until(() => one.asked.length === 1, { withinMs: 5_000, what: 'the request to arrive' })
    caller.leave('close')
    await until(() => one.last.leftMs !== null, { withinMs: 1_000, what: 'the backend to be let go' })
    await scene.gate.quiet()
    expect(other.asked.length).toBe(0)
  })
})

describe('what is no answer', () => {
  it.each([
    ['a page that asks for a login', { status: 200, type: 'text/html', body: '<html>Sign in</html>' }],
    ['nothing at all', { status: 204, type: '', body: '' }],
    ['JSON without a body', { status: 200, type: 'application/json', body: '' }],
  ])('is told as an error, and nobody pays for it: %s', async (_what, { status, type, body }) => {
    one.behave(answer(status, body, type === '' ? {} : { 'content-type': type }))
    for (const stream of [true, false]) {
      const seen = await scene.chat({ model: 'whole', stream }).catch(() => null)
      expect(seen === null || seen.status === 502 || !seen.complete).toBe(true)
      const outcome = await lastOutcome()
      expect([outcome?.ended, outcome?.cost_micro]).toEqual(['upstream_died', undefined])
    }
  })
})
