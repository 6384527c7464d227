import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type BackendHealth, createHealth, DIALECTS, type DialectName, type Health } from '../../src/catalog/index.ts'
import { probeOf } from '../../src/dialects/index.ts'
import { LIMITS } from '../../src/kernel/index.ts'
import { call } from '../support/caller.ts'
import { manualClock } from '../support/clock.ts'
import { answer, type Behaviour, cutBeforeHeaders, type HostileUpstream, hostileUpstream } from '../support/hostile.ts'
import { until } from '../support/until.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

const good = answer(200, '{}')
const lost = cutBeforeHeaders('rst')

let upstream: HostileUpstream
let health: Health
let written: string[]
/** What it does to the questions that come, one after another; those after the last are answered well. */
let script: Behaviour[]
beforeEach(async () => {
  script = []
  written = []
  upstream = await hostileUpstream(() => script.shift() ?? good)
})
afterEach(async () => {
  health?.stop()
  await upstream.close()
})

const backendOf = (dialect: DialectName) => ({
  name: `a ${dialect}`,
  url: upstream.url,
  dialect,
  deadlines: { firstByteMs: 1_000, idleMs: 1_000, totalMs: 1_000 },
  concurrency: 0,
  auth: null,
  abort: 'cancel' as const,
})

function watch(dialects: readonly DialectName[], known: readonly BackendHealth[] = []): Health {
  health = createHealth({
    backends: () => dialects.map(backendOf),
    probeOf: ({ dialect }) => probeOf(dialect),
    clock: manualClock(),
    known,
    log: { info: (_fields, message) => void written.push(message), warn: (_fields, message) => void written.push(message) },
  })
  return health
}

/** What is known after the backend was asked once more and did so. */
async function checked(...behaviours: readonly Behaviour[]): Promise<{ readonly up: boolean | null | undefined; readonly asked: number }> {
  script = [...behaviours]
  const before = upstream.requests
  await health.check()
  return { up: health.read()[0]?.up, asked: upstream.requests - before }
}

describe('a backend that is watched', () => {
  it('is believed at once the first time, and then only when it says another thing twice', async () => {
    watch(['openai'])
    expect(health.read()[0]).toMatchObject({ up: null, note: 'not asked yet' })
    expect(await checked(good)).toEqual({ up: true, asked: 1 })
    expect(await checked(lost, good)).toEqual({ up: true, asked: 2 })
    expect(await checked(good)).toEqual({ up: true, asked: 1 })
    expect(await checked(lost, lost)).toEqual({ up: false, asked: 2 })
    expect(health.read()[0]?.note).toContain(upstream.url)
    expect(await checked(lost)).toEqual({ up: false, asked: 1 })
    expect(await checked(good, lost)).toEqual({ up: false, asked: 2 })
    expect(await checked(good, good)).toEqual({ up: true, asked: 2 })
    expect(written).toEqual(['backend up', expect.stringMatching(/^backend down: /), 'backend up'])
  })

  it('is what it was before a reload, until it says another thing twice', async () => {
    watch(['openai'])
    await checked(lost)
    const [before] = health.read()
    health.stop()
    watch(['openai'], health.read())
    expect(health.read()).toEqual([before])
    expect(await checked(good, lost)).toEqual({ up: false, asked: 2 })
  })

  it('is asked once though it stands there twice', async () => {
    watch(['openai', 'openai'])
    expect(await checked()).toEqual({ up: true, asked: 1 })
  })
})

/** What its documentation says is answered without a model: versions, lists, states and pages. Everything else may load one, and take minutes and the memory of another. */
const HARMLESS: Readonly<Record<DialectName, string>> = {
  ollama: '/api/version',
  speak: '/health',
  openai: '/v1/models',
  anthropic: '/v1/models',
  a1111: '/sdapi/v1/samplers',
  asr: '/docs',
  whispercpp: '/health',
  plain: '/',
}

describe('the question whether a backend is there', () => {
  it.each(DIALECTS)('is cheap and loads no model (%s)', async (dialect) => {
    watch([dialect])
    expect(await checked()).toEqual({ up: true, asked: 1 })
    expect(upstream.seen.map(({ method, target, bodyBytes }) => [method, target, bodyBytes])).toEqual([['GET', HARMLESS[dialect], 0]])
  })

  it.each([
    ['ollama', 404, false],
    ['a1111', 404, false],
    ['openai', 401, true],
    ['openai', 404, true],
    ['openai', 500, false],
    ['speak', 404, true],
    ['asr', 503, false],
    ['plain', 500, true],
  ] as const)('is answered by %s with %i: up is %s', async (dialect, status, up) => {
    watch([dialect])
    expect(await checked(answer(status))).toEqual({ up, asked: 1 })
  })
})

describe('an endpoint that health checks call down', () => {
  let scene: V1Scene
  beforeEach(async () => {
    scene = await openV1Scene()
  })
  afterEach(() => scene.close())

  const states = async (): Promise<readonly unknown[]> => {
    const { body } = await call(scene.gate.port, { path: '/status', headers: { host: 'localhost' } })
    return (JSON.parse(body) as { endpoints: readonly { up: unknown }[] }).endpoints.map(({ up }) => up) // what our own route says
  }

  /** One that answers whatever is asked of its models, and 500 to whoever asks how it is, when told to. */
  async function moody(name: string, priority: number) {
    let well = true
    let asked = 0
    const completion = {
      id: 'a',
      object: 'chat.completion',
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: name } }],
    }
    const upstream = await hostileUpstream(({ method }) => {
      if (method === 'GET') return answer(well ? 200 : 500, '{"data":[]}', { 'content-type': 'application/json' })
      asked += 1
      return answer(200, JSON.stringify(completion), { 'content-type': 'application/json' })
    })
    const { endpoints } = scene.gate.gateway.house.models.manage
    await endpoints.create({ name, url: `${upstream.url}/v1`, dialect: 'openai', priority })
    return {
      get asked() {
        return asked
      },
      sicken: () => {
        well = false
      },
      close: () => upstream.close(),
    }
  }

  it('is asked last, and asked all the same when no other is left', async () => {
    const [first, second] = [await moody('first', 0), await moody('second', 5)]
    await scene.model('m', ['first', 'second'])
    first.sicken()
    await scene.gate.gateway.reload(() => scene.gate.config)
    const withinMs = 2 * LIMITS.probeAgainMs + 5_000
    await until(async () => (await states()).join() === 'false,true', { withinMs, what: 'the first to be seen down' })
    for (let turn = 0; turn < 3; turn += 1) expect((await scene.chat()).status).toBe(200)
    expect([first.asked, second.asked]).toEqual([0, 3])
    const outcome = (await scene.gate.outcomes()).filter(({ service }) => service === 'v1').at(-1)
    expect(outcome).toMatchObject({ endpoint: 'second', passed_over: 'first: down' })

    second.sicken()
    await scene.gate.gateway.reload(() => scene.gate.config)
    await until(async () => (await states()).join() === 'false,false', { withinMs, what: 'both to be seen down' })
    expect((await scene.chat()).status).toBe(200)
    expect([first.asked, second.asked]).toEqual([1, 3])
    await Promise.all([first.close(), second.close()])
  })
})
