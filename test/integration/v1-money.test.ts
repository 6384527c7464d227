import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { json } from '../support/hostile.ts'
import { chatStream, type OpenaiBackend } from '../support/openai-backend.ts'
import { rawCaller, requestBytes } from '../support/raw-caller.ts'
import { until } from '../support/until.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

const MICRO = 1_000_000
/** A unit for each thousand tokens, so that small answers cost something to look at. */
const PRICED = { unit: 'token', price_in: 1_000 * MICRO, price_out: 1_000 * MICRO } as const
let scene: V1Scene
let one: OpenaiBackend
beforeEach(async () => {
  scene = await openV1Scene()
  one = await scene.endpoint('one')
  await scene.model('m', ['one'], PRICED)
  await scene.model('free', ['one'])
})
afterEach(() => scene.close())

const house = () => scene.gate.gateway.house
const bill = (balanceMicro: number) => house().identity.users.create({ name: 'grace', balance: balanceMicro })
const balance = async () => (await house().identity.users.show('grace')).balanceMicro
const usage = (tokens_in: number, tokens_out: number) =>
  json({ choices: [], usage: { prompt_tokens: tokens_in, completion_tokens: tokens_out, total_tokens: tokens_in + tokens_out } })
const outcomes = async () => (await scene.gate.outcomes()).filter(({ service }) => service === 'v1')

describe('a user who is billed', () => {
  it('pays for what was used, until nothing is left', async () => {
    await bill(3 * MICRO)
    const key = await scene.newKey({ user: 'grace' })
    one.behave(usage(500, 500))
    for (let turn = 0; turn < 3; turn += 1) expect((await scene.chat({ max_tokens: 10 }, key)).status).toBe(200)
    expect(await balance()).toBe(0)
    const refused = await scene.chat({ max_tokens: 10 }, key)
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([
      402,
      { error: { type: 'insufficient_quota', code: 'insufficient_quota' } },
    ])
    expect(refused.headers['x-should-retry']).toBeUndefined()
    expect((await scene.chat({ model: 'free' }, key)).status).toBe(200)
    expect((await outcomes()).map(({ cost_micro }) => cost_micro)).toEqual([MICRO, MICRO, MICRO, undefined])
    await house().identity.users.credit('grace', 1 * MICRO, 'top up')
    expect((await scene.chat({ max_tokens: 10 }, key)).status).toBe(200)
    await until(
      async () => (await house().usage.summary({ by: 'user', from: '2000-01-01', to: '2999-01-01' })).rows[0]?.costMicro === 4 * MICRO,
      {
        withinMs: 5_000,
        what: 'the accounts to follow the ledger',
      },
    )
  })

  it('is not let in for what the balance does not cover, and pays nothing for an error', async () => {
    await bill(1 * MICRO)
    const key = await scene.newKey({ user: 'grace' })
    expect((await scene.chat({ max_tokens: 2_000 }, key)).status).toBe(402)
    one.behave(json({ error: { message: 'no' } }, 500))
    expect((await scene.chat({ max_tokens: 10 }, key)).status).toBe(502)
    expect(await balance()).toBe(1 * MICRO)
    expect(one.asked.length).toBe(1)
  })

  it('is told which number is none, before anything is reserved for it', async () => {
    await bill(100 * MICRO)
    const key = await scene.newKey({ user: 'grace' })
    for (const over of [{ n: '64' }, { max_tokens: '100000' }, { max_completion_tokens: true }]) {
      const { status, body } = await scene.chat(over, key)
      expect([status, JSON.parse(body)]).toMatchObject([400, { error: { param: Object.keys(over)[0] } }])
    }
    expect((await scene.chat({ n: null, max_tokens: null }, key)).status).toBe(200)
    expect(one.asked).toHaveLength(1)
  })

  it('pays for what a stream had sent when its caller left', async () => {
    await bill(100 * MICRO)
    const key = await scene.newKey({ user: 'grace' })
    one.behave(chatStream({ tokens: Array.from({ length: 200 }, () => 'x'), everyMs: 10 }))
    const caller = await rawCaller(scene.gate.port)
    const body = JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: 'four words for you' }] })
    caller.write(requestBytes({ path: '/v1/chat/completions', key, body }))
    await caller.heard('"x"')
    caller.leave('reset')
    const [outcome] = await outcomes()
    expect(outcome).toMatchObject({ ended: 'client_closed', estimated: true })
    expect(outcome?.units?.tokens_out).toBeGreaterThan(0)
    expect(outcome?.units?.tokens_out).toBeLessThan(100)
    expect(await balance()).toBe(100 * MICRO - (outcome?.cost_micro ?? 0))
    expect(house().limits.spent.of('user', (await house().identity.users.show('grace')).id).reservedMicro).toBe(0)
  })

  it('cannot spend more by asking for all of it at once', async () => {
    await bill(5 * MICRO)
    const key = await scene.newKey({ user: 'grace' })
    one.behave(usage(10, 990))
    const answers = await Promise.all(Array.from({ length: 20 }, () => scene.chat({ max_tokens: 990 }, key)))
    const good = answers.filter(({ status }) => status === 200).length
    expect(answers.every(({ status }) => [200, 402, 429].includes(status))).toBe(true)
    expect(good).toBe(5)
    expect(await balance()).toBe(0)
  })
})

describe('a key', () => {
  it('has a budget of money for the day, and its answers say what is left of tokens', async () => {
    const key = await scene.newKey({ budget_day: 2 * MICRO, tokens_per_minute: 100_000 })
    one.behave(usage(500, 500))
    const first = await scene.chat({ max_tokens: 10 }, key)
    expect(first.headers).toMatchObject({
      'x-ratelimit-limit-tokens': '100000',
      'x-ratelimit-reset-tokens': expect.stringMatching(/^(?:\d+m)?\d+s$/),
    })
    await scene.chat({ max_tokens: 10 }, key)
    const { status, body, headers } = await scene.chat({ max_tokens: 10 }, key)
    expect([status, headers['x-should-retry']]).toEqual([429, 'false'])
    expect(body).toContain('"code":"insufficient_quota"')
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  })

  it('has so many tokens for a minute, and the prompt counts', async () => {
    const key = await scene.newKey({ tokens_per_minute: 300 })
    const { status, body } = await scene.chat(
      { model: 'free', max_tokens: 200, messages: [{ role: 'user', content: 'x'.repeat(2_000) }] },
      key,
    )
    expect([status, JSON.parse(body)]).toMatchObject([429, { error: { code: 'rate_limit_exceeded' } }])
    expect((await scene.chat({ model: 'free', max_tokens: 200 }, key)).status).toBe(200)
  })

  it('may use the models that it is given, and knows of no others', async () => {
    const key = await scene.newKey({ models: ['fr*'] })
    expect((await scene.chat({ model: 'm' }, key)).status).toBe(404)
    expect((await scene.chat({ model: 'free' }, key)).status).toBe(200)
    const { body } = await call(scene.gate.port, { path: '/v1/models', key })
    expect((JSON.parse(body) as { data: { id: string }[] }).data.map(({ id }) => id)).toEqual(['free'])
    const unknown = await scene.chat({ model: 'fre' }, key)
    expect(unknown.body).toContain('did you mean free?')
    expect(unknown.body).not.toContain('"m"')
  })

  it('has its words kept where it wants them to be, and the request log knows them by its id', async () => {
    const key = await scene.newKey({ log_content: true })
    one.behave(chatStream({ tokens: ['canary', ' answer'] }))
    const answer = await scene.chat({ model: 'free', stream: true, messages: [{ role: 'user', content: 'canary prompt' }] }, key)
    const id = String(answer.headers['x-request-id'])
    await scene.gate.lines()
    await house().usage.caughtUp()
    const found = await until(
      async () => {
        const request = await house().usage.request(id)
        return request?.content ? request : null
      },
      { withinMs: 5_000, what: 'the request and its content' },
    )
    expect(String(found.content?.prompt)).toContain('canary prompt')
    expect(String(found.content?.answer)).toContain('canary')
  })
})

describe("the gate's own faces", () => {
  it('charge as /v1 does, and know the models of a key', async () => {
    await scene.close()
    scene = await openV1Scene({ CHAT_ENABLED: 'true', OLLAMA_URL: one.url })
    const { models } = house().models.manage
    await models.create({ name: 'fast', capability: 'text', endpoints: [{ endpoint: 'builtin:chat', upstream: 'llama3.2' }], ...PRICED })
    await bill(0)
    const key = await scene.newKey({ user: 'grace' })
    const ask = (model: string, as = key) =>
      call(scene.gate.port, { path: '/chat/api/generate', key: as, body: { model, prompt: 'hi', stream: false } })
    expect((await ask('llama3.2')).status).toBe(402)
    expect((await ask('LLAMA3.2:latest')).status).toBe(402)
    const bound = await scene.newKey({ models: ['fast'] })
    expect((await ask('other', bound)).status).toBe(404)
    expect((await ask('llama3.2', bound)).status).not.toBe(404)
  })
})
