import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silent } from '../support/hostile.ts'
import { chatAnswer } from '../support/openai-backend.ts'
import { until } from '../support/until.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

/** Limits that a model and an endpoint have of their own, through the whole gate: docs/limits.md. */

const PRICE = { price_in: 1_000_000_000, price_out: 1_000_000_000 } as const
const BOUND = { max_tokens: 10 } as const

let scene: V1Scene
beforeEach(async () => {
  scene = await openV1Scene()
})
afterEach(() => scene.close())

const two = async (over: object) => {
  const [first, second] = [await scene.endpoint('first', over), await scene.endpoint('second', { priority: 1 })]
  await scene.model('m', ['first', 'second'], PRICE)
  return [first, second] as const
}

describe('an endpoint', () => {
  it.each([
    ['tokens of a minute', { tokens_per_minute: 40 }],
    ['budget of a day', { budget_day: 20_000 }],
    ['budget of a month', { budget_month: 20_000 }],
  ])('whose %s are used up leaves requests to another', async (_what, over) => {
    const [first, second] = await two(over)
    for (let n = 0; n < 10; n += 1) expect((await scene.chat(BOUND)).status).toBe(200)
    expect(first.asked.length).toBeGreaterThan(0)
    expect(second.asked.length).toBeGreaterThan(0)
    expect(first.asked.length + second.asked.length).toBe(10)
  })

  it('that refuses a request costs its caller nothing of a rate', async () => {
    await scene.endpoint('only', { rpm: 1 })
    await scene.model('m', ['only'])
    const key = await scene.newKey({ rate: '2/m' })
    const answers = [await scene.chat(BOUND, key), await scene.chat(BOUND, key), await scene.chat(BOUND, key), await scene.chat(BOUND, key)]
    expect(answers.map(({ status }) => status)).toEqual([200, 429, 429, 429])
    for (const { body, headers } of answers.slice(1)) {
      expect(body).toContain('endpoint only: 1/m is used up; try again in')
      expect(Number(headers['retry-after'])).toBeGreaterThan(50)
    }
  })

  it('whose limits are free again first is the one that is told of', async () => {
    await scene.endpoint('soon', { rpm: 1 })
    await scene.endpoint('late', { budget_month: 1, priority: 1 })
    await scene.model('m', ['soon', 'late'], PRICE)
    expect((await scene.chat(BOUND)).status).toBe(200)
    const { status, body, headers } = await scene.chat(BOUND)
    expect([status, body.includes('endpoint soon: 1/m')]).toEqual([429, true])
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(60)
  })

  it('whose tokens or budget are used up says which, and until when', async () => {
    await scene.endpoint('few', { tokens_per_minute: 5 })
    await scene.endpoint('dear', { budget_day: 1 })
    await scene.model('m', ['few'], PRICE)
    await scene.model('n', ['dear'], PRICE)
    const [few, dear] = [await scene.chat(BOUND), await scene.chat({ ...BOUND, model: 'n' })]
    expect([few.status, few.body.includes('endpoint few: 5 tokens/m'), few.headers['x-should-retry']]).toEqual([429, true, 'false'])
    expect([dear.status, dear.body.includes('endpoint dear: 0.000001 a day'), dear.headers['x-should-retry']]).toEqual([429, true, 'false'])
  })

  it('whose budget is used up says so when there is no other, and holds it although the model has a rate of its own', async () => {
    await scene.endpoint('only', { budget_day: 1 })
    await scene.model('m', ['only'], { ...PRICE, rpm: 100 })
    const { status, body } = await scene.chat(BOUND)
    expect([status, body.includes('endpoint only')]).toEqual([429, true])
  })
})

describe('a model', () => {
  it('whose tokens or budget are used up is refused, and by that name', async () => {
    await scene.endpoint('one')
    await scene.model('m', ['one'], { tokens_per_minute: 5 })
    await scene.model('dear', ['one'], { ...PRICE, budget_day: 1 })
    for (const [model, code] of [
      ['m', 'model m: 5 tokens/m'],
      ['dear', 'model dear: 0.000001 a day'],
    ] as const) {
      const { status, body } = await scene.chat({ ...BOUND, model })
      expect([status, body.includes(code)]).toEqual([429, true])
    }
  })

  it('that runs as often at once as it may is refused, and then no more', async () => {
    const one = await scene.endpoint('one')
    await scene.model('m', ['one'], { concurrency: 1 })
    one.behave(silent())
    const first = scene.chat()
    await until(() => one.asked.length === 1, { withinMs: 5_000, what: 'the first to be there' })
    const { status, body } = await scene.chat()
    expect([status, body.includes('model m: 1 request at once')]).toEqual([429, true])
    one.behave(chatAnswer())
    const [visit] = scene.gate.gateway.house.corridor.inFlight
    visit?.envelope.outgoing.destroy()
    await first
    await until(() => scene.gate.gateway.house.corridor.inFlight.size === 0, { withinMs: 5_000, what: 'the first to be over' })
    expect((await scene.chat()).status).toBe(200)
  })
})
