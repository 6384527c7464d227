import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LIMITS } from '../../src/kernel/index.ts'
import { call } from '../support/caller.ts'
import { freePort } from '../support/free-port.ts'
import { cutBeforeHeaders, cutMidBody, json, silent } from '../support/hostile.ts'
import { busy, chatAnswer, chatStream, detailFault, openaiBackend, proxyFault } from '../support/openai-backend.ts'
import { until } from '../support/until.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

let scene: V1Scene
beforeEach(async () => {
  scene = await openV1Scene()
})
afterEach(() => scene.close())

const servedBy = async () => (await scene.gate.outcomes()).filter(({ service }) => service === 'v1').map(({ endpoint }) => endpoint)
const lastOutcome = async () => (await scene.gate.outcomes()).filter(({ service }) => service === 'v1').at(-1)
const deadUrl = async () => `http://127.0.0.1:${await freePort()}/v1`
const dead = async (name: string, priority = 0) =>
  scene.gate.gateway.house.models.manage.endpoints.create({ name, url: await deadUrl(), dialect: 'openai', priority })

describe('a model with several endpoints', () => {
  it('spreads what comes one after another, and asks a lower priority only when nobody else is left', async () => {
    const [one, two, spare] = [await scene.endpoint('one'), await scene.endpoint('two'), await scene.endpoint('spare', { priority: 5 })]
    await scene.model('m', ['one', 'two', 'spare'])
    for (let turn = 0; turn < 10; turn += 1) expect((await scene.chat()).status).toBe(200)
    expect([one.asked.length, two.asked.length, spare.asked.length]).toEqual([5, 5, 0])
  })

  it('goes where the fewest requests are', async () => {
    const [one, two] = [await scene.endpoint('one'), await scene.endpoint('two')]
    await scene.model('busy', ['one'])
    await scene.model('m', ['one', 'two'])
    one.choose((_seen, nth) => (nth <= 3 ? chatStream({ done: false, end: 'hang' }) : null))
    const running = [0, 1, 2].map(() => scene.chat({ model: 'busy', stream: true }))
    await until(() => one.asked.length === 3, { withinMs: 5_000, what: 'three streams to run at one of them' })
    for (let turn = 0; turn < 4; turn += 1) expect((await scene.chat()).status).toBe(200)
    expect([one.asked.length, two.asked.length]).toEqual([3, 4])
    for (const visit of scene.gate.gateway.house.corridor.inFlight) visit.envelope.outgoing.destroy()
    await Promise.all(running)
  })

  it('goes on to another one where nobody listens, and says so in the ledger', async () => {
    await dead('gone')
    const good = await scene.endpoint('good', { priority: 1 })
    await scene.model('m', ['gone', 'good'])
    expect((await scene.chat()).status).toBe(200)
    expect(good.asked.length).toBe(1)
    expect(await lastOutcome()).toMatchObject({
      endpoint: 'good',
      passed_over: 'gone: UPSTREAM_UNREACHABLE',
      status: 200,
      ended: 'complete',
    })
  })

  it.each([429, 503] as const)('goes on to another one that is not busy (%i)', async (status) => {
    const [full, free] = [await scene.endpoint('full'), await scene.endpoint('free', { priority: 1 })]
    await scene.model('m', ['full', 'free'])
    full.behave(busy(status, '9'))
    expect((await scene.chat()).status).toBe(200)
    expect([full.asked.length, free.asked.length]).toEqual([1, 1])
    expect(await lastOutcome()).toMatchObject({ endpoint: 'free', passed_over: 'full: UPSTREAM_BUSY' })
  })

  it.each([
    ['dies before it answers', cutBeforeHeaders('rst'), 502],
    ['dies within its answer', cutMidBody('rst'), 200],
    ['answers 500', json({ error: { message: 'CUDA out of memory' } }, 500), 502],
    ['answers 502 by a proxy', proxyFault(502), 502],
    ['refuses the request', detailFault(400, 'too long'), 400],
  ])('never sends a request again that one %s', async (_what, behaviour, status) => {
    const [one, two] = [await scene.endpoint('one'), await scene.endpoint('two', { priority: 1 })]
    await scene.model('m', ['one', 'two'])
    one.behave(behaviour)
    const answer = await scene.chat()
    expect([answer.status, answer.complete]).toEqual([status, status !== 200])
    expect([one.asked.length, two.asked.length]).toEqual([1, 0])
    if (status === 502) expect(answer.headers['x-should-retry']).toBe('false')
  })
})

describe('an endpoint that fails', () => {
  it('is left alone after five refused connections, and tried again by one request', async () => {
    const port = await freePort()
    await scene.gate.gateway.house.models.manage.endpoints.create({ name: 'gone', url: `http://127.0.0.1:${port}/v1`, dialect: 'openai' })
    await scene.model('m', ['gone'])
    for (let turn = 0; turn < 5; turn += 1) expect((await lastReason(scene)).reason).toContain('ECONNREFUSED')
    const { status, reason, retryAfter } = await lastReason(scene)
    expect([status, reason]).toEqual([503, 'm: no endpoint left'])
    expect(Number(retryAfter)).toBeGreaterThan(0)
    expect((await lastOutcome())?.passed_over).toBe('gone: breaker open')

    const back = await openaiBackend({ port })
    const breaker = async () => (await statusOf(scene)).endpoints[0]?.breaker
    const withinMs = LIMITS.breakerOpenMs + 3_000
    await until(async () => (await breaker()) === 'half-open', { withinMs, what: 'its time to be over' })
    let mayAnswer = false
    back.behave(async (exchange) => {
      await until(() => mayAnswer, { withinMs: 10_000, what: 'the trial to be let end' })
      await chatAnswer()(exchange)
    })
    const trial = scene.chat()
    await until(() => back.asked.length === 1, { withinMs: 5_000, what: 'the trial to be there' })
    expect((await scene.chat()).status).toBe(503)
    mayAnswer = true
    expect((await trial).status).toBe(200)
    expect([(await scene.chat()).status, back.asked.length, await breaker()]).toEqual([200, 2, 'closed'])
    await back.close()
  })

  it('is not left alone for what one caller alone has met', async () => {
    const one = await scene.endpoint('one')
    await scene.model('m', ['one'])
    one.behave(proxyFault(502))
    for (let turn = 0; turn < 8; turn += 1) expect((await scene.chat()).status).toBe(502)
    one.behave(chatAnswer())
    expect((await scene.chat()).status).toBe(200)
    one.behave(proxyFault(502))
    const other = await scene.newKey({ user: 'grace' })
    for (let turn = 0; turn < 5; turn += 1) await scene.chat({}, turn % 2 === 0 ? other : scene.key)
    one.behave(chatAnswer())
    expect((await scene.chat()).status).toBe(503)
    expect(one.asked.length).toBe(14)
  })

  it('is not asked beyond its own rate, which is told when there is no other', async () => {
    const one = await scene.endpoint('one', { rpm: 2 })
    await scene.model('m', ['one'])
    const statuses = [await scene.chat(), await scene.chat(), await scene.chat()]
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(statuses[2]?.body).toContain('endpoint one: 2/m is used up; try again in')
    expect(one.asked.length).toBe(2)
    const other = await scene.endpoint('other', { priority: 1 })
    await scene.model('n', ['one', 'other'])
    expect((await scene.chat({ model: 'n' })).status).toBe(200)
    expect(other.asked.length).toBe(1)
    expect(await servedBy()).toEqual(['one', 'one', undefined, 'other'])
  })
})

describe('an endpoint that takes so many at a time', () => {
  it('has a queue of its own, and a caller who leaves it frees the place', async () => {
    const one = await scene.endpoint('one', { concurrency: 1 })
    await scene.model('m', ['one'])
    one.behave(silent())
    const first = scene.chat()
    await until(() => one.asked.length === 1, { withinMs: 5_000, what: 'the first to be there' })
    const { corridor } = scene.gate.gateway.house
    const second = scene.chat()
    await until(() => corridor.inFlight.size === 2, { withinMs: 5_000, what: 'the second to wait' })
    const status = await statusOf(scene)
    expect(status.endpoints).toMatchObject([{ endpoint: 'one', in_flight: 1, waiting: 1, breaker: 'closed' }])
    one.behave(chatAnswer())
    const [visit] = corridor.inFlight
    visit?.envelope.outgoing.destroy()
    await first
    expect((await second).status).toBe(200)
  })

  it('refuses whom its queue has no place for, until somebody leaves that', async () => {
    const one = await scene.endpoint('one', { concurrency: 1 })
    await scene.model('m', ['one'])
    one.behave(silent())
    const waitFor = async (waiting: number) =>
      until(async () => (await statusOf(scene)).endpoints[0]?.waiting === waiting, { withinMs: 10_000, what: `${waiting} to wait` })
    const all = Array.from({ length: 1 + LIMITS.queueLengthMax }, () => scene.chat())
    await waitFor(LIMITS.queueLengthMax)
    const refused = await scene.chat()
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '5'])
    expect(JSON.parse(refused.body)).toMatchObject({ error: { type: 'rate_limit_error', code: 'queue_full' } })

    const { corridor } = scene.gate.gateway.house
    const leave = (nth: number): void => void [...corridor.inFlight].at(nth)?.envelope.outgoing.destroy()
    leave(-1)
    await waitFor(LIMITS.queueLengthMax - 1)
    all.push(scene.chat())
    await waitFor(LIMITS.queueLengthMax)
    one.behave(chatAnswer())
    leave(0)
    const statuses = (await Promise.all(all)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(LIMITS.queueLengthMax)
    expect(one.asked.length).toBe(1 + LIMITS.queueLengthMax)
    const full = (await scene.gate.outcomes()).filter(({ code }) => code === 'QUEUE_FULL')
    expect(full).toEqual([expect.objectContaining({ status: 429, passed_over: 'one: QUEUE_FULL', ended: 'refused' })])
  })

  it('is passed over for another when its queue is full', async () => {
    const [one, other] = [await scene.endpoint('one', { concurrency: 1 }), await scene.endpoint('other', { priority: 1 })]
    await scene.model('m', ['one', 'other'])
    one.behave(silent())
    const all = Array.from({ length: 1 + LIMITS.queueLengthMax }, () => scene.chat())
    await until(async () => (await statusOf(scene)).endpoints[0]?.waiting === LIMITS.queueLengthMax, {
      withinMs: 10_000,
      what: 'its queue to be full',
    })
    expect([(await scene.chat()).status, other.asked.length]).toEqual([200, 1])
    for (const visit of scene.gate.gateway.house.corridor.inFlight) visit.envelope.outgoing.destroy()
    await Promise.all(all)
    const served = (await scene.gate.outcomes()).filter(({ endpoint }) => endpoint === 'other')
    expect(served).toEqual([expect.objectContaining({ status: 200, passed_over: 'one: QUEUE_FULL' })])
  })
})

async function lastReason({ gate, chat }: V1Scene) {
  const answer = await chat()
  const outcome = (await gate.outcomes()).at(-1)
  return { status: answer.status, reason: outcome?.reason, retryAfter: answer.headers['retry-after'] }
}

interface StatusTold {
  readonly endpoints: readonly { readonly waiting: number; readonly breaker: string }[]
}

async function statusOf({ gate }: V1Scene): Promise<StatusTold> {
  return JSON.parse((await call(gate.port, { path: '/status', headers: { host: 'localhost' } })).body) as StatusTold // what our own route says
}
