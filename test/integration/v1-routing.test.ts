import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { freePort } from '../support/free-port.ts'
import { cutBeforeHeaders, cutMidBody, json, silent } from '../support/hostile.ts'
import { busy, chatAnswer, chatStream, detailFault, proxyFault } from '../support/openai-backend.ts'
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
    await scene.model('m', ['one', 'two'])
    one.behave(chatStream({ end: 'hang' }))
    two.behave(chatStream({ end: 'hang' }))
    const running = [0, 1, 2, 3, 4].map(() => scene.chat({ stream: true }))
    await until(() => one.asked.length + two.asked.length === 5, { withinMs: 5_000, what: 'five streams to run' })
    expect([one.asked.length, two.asked.length].sort()).toEqual([2, 3])
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
    await dead('gone')
    await scene.model('m', ['gone'])
    for (let turn = 0; turn < 5; turn += 1) expect((await lastReason(scene)).reason).toContain('ECONNREFUSED')
    const { status, reason, retryAfter } = await lastReason(scene)
    expect([status, reason]).toEqual([503, 'm: no endpoint left'])
    expect(Number(retryAfter)).toBeGreaterThan(0)
    expect((await lastOutcome())?.passed_over).toBe('gone: breaker open')
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

  it('is not asked beyond its own rate, which is told when there is no other', async () => {
    const one = await scene.endpoint('one', { rpm: 2 })
    await scene.model('m', ['one'])
    const statuses = [await scene.chat(), await scene.chat(), await scene.chat()]
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(statuses[2]?.body).toContain('The limits of endpoint one are used up')
    expect(one.asked.length).toBe(2)
    const other = await scene.endpoint('other', { priority: 1 })
    await scene.model('n', ['one', 'other'])
    expect((await scene.chat({ model: 'n' })).status).toBe(200)
    expect(other.asked.length).toBe(1)
    expect(await servedBy()).toEqual(['one', 'one', undefined, 'other'])
  })
})

async function lastReason({ gate, chat }: V1Scene) {
  const answer = await chat()
  const outcome = (await gate.outcomes()).at(-1)
  return { status: answer.status, reason: outcome?.reason, retryAfter: answer.headers['retry-after'] }
}

async function statusOf({ gate }: V1Scene): Promise<{ endpoints: unknown }> {
  return JSON.parse((await call(gate.port, { path: '/status', headers: { host: 'localhost' } })).body) as { endpoints: unknown }
}
