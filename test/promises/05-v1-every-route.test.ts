import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { OPEN_LISTS } from '../../src/openai/index.ts'
import { type Call, call } from '../support/caller.ts'
import { freePort } from '../support/free-port.ts'
import { type Behaviour, cutAfter, cutBeforeHeaders, json } from '../support/hostile.ts'
import { FORM_TYPE, formBytes } from '../support/media.ts'
import { busy, chatStream, detailFault, okFault, proxyFault } from '../support/openai-backend.ts'
import { type Asked, freshAddress, linesDuring, RECORDS, trailsOf } from '../support/trails.ts'
import { until } from '../support/until.ts'
import { V1_ASKS } from '../support/v1-asks.ts'
import { openV1World, type V1World } from '../support/v1-world.ts'

const PAGE = 'https://chat.example.org'
const PATHS = [...new Set(V1_ASKS.map(({ path }) => path))]
const LISTS = ['/v1/models', '/v1/models/text', '/v1/models/org%2Fmodel']

let world: V1World
let keys: Readonly<Record<'all' | 'observer' | 'bound' | 'slow' | 'poor' | 'still', string>>
beforeAll(async () => {
  world = await openV1World({ CORS_ORIGINS: PAGE })
  const { scene } = world
  const { house } = scene.gate.gateway
  await house.models.manage.endpoints.create({ name: 'gone', url: `http://127.0.0.1:${await freePort()}`, dialect: 'openai' })
  await scene.model('nowhere', ['gone'])
  await scene.model('dear', ['open'], { price_in: 1_000_000, price_out: 1_000_000, unit: 'token' })
  await scene.model('rare', ['open'], { rpm: 1 })
  await house.identity.users.create({ name: 'poor', balance: 0 })
  keys = {
    all: scene.key,
    observer: await scene.newKey({ rights: ['observe'] }),
    bound: await scene.newKey({ models: ['vectors'] }),
    slow: await scene.newKey({ rate: '1/h' }),
    poor: await scene.newKey({ user: 'poor' }),
    still: await scene.newKey({ concurrency: 0, tokens_per_minute: 1 }),
  }
})
beforeEach(() => world.forget())
afterAll(() => world.close())

const gate = () => world.scene.gate
const chatCall = (model: string, key: string, more: object = {}): Call => ({
  path: '/v1/chat/completions',
  key,
  body: { model, messages: [{ role: 'user', content: 'hi' }], ...more },
})

describe('promise 5: every request to /v1 leaves a record', () => {
  it('one that is served: an intent and its outcome, whichever protocol and backend', async () => {
    const odd: string[] = []
    for (const { ask, model } of world.cases) {
      const lines = await linesDuring(gate(), () => ask.ask(world.clients, model))
      const [intent, outcome] = lines
      const isOne =
        lines.length === 2 &&
        intent?.event === 'intent' &&
        outcome?.event === 'outcome' &&
        intent.request === outcome.request &&
        [intent, outcome].every((line) => line.service === 'v1' && line.route === ask.path && line.model === model && line.user === 'ada')
      if (!isOne || outcome?.ended !== 'complete' || outcome.status !== 200 || typeof outcome.endpoint !== 'string')
        odd.push(`${ask.name} of ${model}: ${JSON.stringify(lines)}`)
    }
    process.stdout.write(`promise 05: ${world.cases.length} ways to be served over /v1, each one intent and one outcome\n`)
    expect(odd).toEqual([])
  })

  it('one that is refused before it reaches anybody: one refusal', async () => {
    const form = formBytes([
      ['model', 'no-such-model'],
      ['file', Buffer.from('RIFF')],
    ])
    const isForm = (path: string): boolean => /transcriptions|translations|edits/.test(path)
    const bodyFor = (path: string, model: string): Pick<Call, 'body' | 'headers'> =>
      isForm(path)
        ? { body: Buffer.from(form.toString().replace('no-such-model', model)), headers: { 'content-type': FORM_TYPE } }
        : { body: { model, input: 'x', prompt: 'x', messages: [] } }
    const each = (what: string, make: (path: string) => Omit<Call, 'path'>): readonly Asked[] =>
      PATHS.map((path) => ({ name: `${what} ${path}`, asked: { path, ...make(path) } }))
    const all: readonly Asked[] = [
      ...each('without a key', (path) => bodyFor(path, 'text')),
      ...each('with a wrong key', (path) => ({ key: 'sk-wrong', ...bodyFor(path, 'text') })),
      ...each('without the right', (path) => ({ key: keys.observer, ...bodyFor(path, 'text') })),
      ...each('for a model that is not there', (path) => ({ key: keys.all, ...bodyFor(path, 'no-such-model') })),
      ...each('for a model that the key may not use', (path) => ({ key: keys.bound, ...bodyFor(path, 'text') })),
      ...each('for a model of another kind', (path) => ({
        key: keys.all,
        ...bodyFor(path, path.includes('audio/speech') ? 'image' : 'speech'),
      })).filter(({ asked }) => asked.path !== '/v1/audio/speech'),
      ...each('by another method', () => ({ method: 'DELETE', key: keys.all })),
      ...each('with half a body', (path) => ({
        method: 'POST',
        key: keys.all,
        body: '{"model":',
        ...(isForm(path) && { headers: { 'content-type': FORM_TYPE } }),
      })),
      ...['/v1', '/v1/', '/v1/nothing', '/v1/chat', '/v1/engines/x/completions'].map((path) => ({
        name: path,
        asked: { path, key: keys.all },
      })),
      {
        name: 'a preflight of a page that is not named',
        asked: {
          path: PATHS[0] ?? '',
          method: 'OPTIONS',
          headers: { origin: 'https://x.example', 'access-control-request-method': 'POST' },
        },
      },
      { name: 'a balance that is used up', asked: chatCall('dear', keys.poor) },
      { name: 'tokens that are used up', asked: chatCall('text', keys.still) },
    ]
    const trails = await trailsOf(gate(), all)
    const odd = trails.filter(({ status, events }) => events !== 'refused' || status < 400)
    process.stdout.write(`promise 05: ${trails.length} refused requests to /v1, each one refusal\n`)
    expect(odd.map(({ name, status, events }) => `${name} answered ${status}: ${events}`)).toEqual([])
    const statuses = new Set(trails.map(({ status }) => status))
    expect([...statuses].sort()).toEqual([400, 401, 402, 403, 404, 405, 415, 429].filter((status) => status !== 415 || statuses.has(415)))
    expect([world.open, world.letters, world.foreign].flatMap(({ asked }) => asked)).toEqual([])
  })

  it('one that is above a rate: the first is served, the next refused', async () => {
    const twice = [chatCall('text', keys.slow), chatCall('text', keys.slow), chatCall('rare', keys.all), chatCall('rare', keys.all)]
    const trails = await trailsOf(
      gate(),
      twice.map((asked, nth) => ({ name: String(nth), asked })),
    )
    expect(trails.map(({ status, events }) => [status, events])).toEqual([
      [200, 'intent,outcome'],
      [429, 'refused'],
      [200, 'intent,outcome'],
      [429, 'refused'],
    ])
  })

  it('a list, and a model that is or is not there', async () => {
    const trails = await trailsOf(
      gate(),
      [...LISTS, '/v1/models/no-such-model'].flatMap((path) => [
        { name: path, asked: { path, key: keys.all } },
        { name: `${path} without a key`, asked: { path } },
      ]),
    )
    expect(trails.map(({ name, status, events }) => [name, status, RECORDS.includes(events)])).toEqual(
      trails.map(({ name, status }) => [name, status, true]),
    )
    expect(trails.filter(({ name }) => name.endsWith('without a key')).map(({ status, events }) => `${status} ${events}`)).toEqual(
      Array(LISTS.length + 1).fill('401 refused'),
    )
  })
})

/** What a backend does, and what is on record of it: [what, behaviour, status, how it ended, code]. */
const ENDINGS: readonly (readonly [
  what: string,
  behaviour: Behaviour,
  body: object,
  status: number,
  ended: string,
  code: string | undefined,
])[] = [
  ['busy', busy(429), {}, 503, 'complete', 'UPSTREAM_BUSY'],
  ['failing', proxyFault(502), {}, 502, 'complete', 'UPSTREAM_REFUSED'],
  ['refusing', detailFault(400, 'too long'), {}, 400, 'complete', 'UPSTREAM_REJECTED'],
  ['without the model', json({ error: 'model "x" not found' }, 404), {}, 404, 'complete', 'UPSTREAM_NO_MODEL'],
  ['dead', cutBeforeHeaders('rst'), {}, 502, 'upstream_died', 'UPSTREAM_DIED'],
  ['dying in a stream', cutAfter(600, 'rst', chatStream()), { stream: true }, 200, 'upstream_died', 'UPSTREAM_DIED'],
  ['saying so in band', chatStream({ failAfter: 1 }), { stream: true }, 200, 'upstream_died', 'UPSTREAM_DIED'],
  ['failing with status 200', okFault(), {}, 200, 'upstream_died', 'UPSTREAM_DIED'],
]

describe('promise 5: and so does one whose backend', () => {
  it.each(ENDINGS)('is %s', async (_what, behaviour, body, status, ended, code) => {
    world.open.behave(behaviour)
    const [trail] = await trailsOf(gate(), [{ name: 'it', asked: chatCall('text', keys.all, body) }])
    expect(trail).toMatchObject({ status, events: 'intent,outcome' })
    expect(trail?.lines[1]).toMatchObject({ ended, code, status, model: 'text' })
  })

  it('is not there', async () => {
    const [trail] = await trailsOf(gate(), [{ name: 'it', asked: chatCall('nowhere', keys.all) }])
    expect(trail).toMatchObject({ status: 503, events: 'intent,outcome' })
    expect(trail?.lines[1]).toMatchObject({ ended: 'refused', code: 'UPSTREAM_UNREACHABLE' })
  })

  it('is asked by a caller who leaves', async () => {
    world.open.behave(chatStream({ end: 'hang', done: false }))
    const lines = await linesDuring(gate(), async () => {
      const answer = call(gate().port, { ...chatCall('text', keys.all, { stream: true }), from: freshAddress(), withinMs: 300 })
      await until(() => world.open.asked.length === 1, { withinMs: 5_000, what: 'the backend to be asked' })
      await answer
    })
    expect(lines.map(({ event, ended }) => [event, ended])).toEqual([
      ['intent', undefined],
      ['outcome', 'client_closed'],
    ])
  })
})

describe('promise 5: what leaves no record over /v1', () => {
  const preflight = { origin: PAGE, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }

  it('are the open lists and the preflights of pages that are named, and nothing else', async () => {
    const open = OPEN_LISTS.map((name) => ({ name, asked: { path: name.split(' ')[1] ?? '' } }))
    const asked = PATHS.map((path) => ({ name: `OPTIONS ${path}`, asked: { path, method: 'OPTIONS', headers: preflight } }))
    const trails = await trailsOf(gate(), [...open, ...asked])
    const unrecorded = trails.filter(({ lines }) => lines.length === 0).map(({ name }) => name)
    process.stdout.write(
      `promise 05: over /v1 no record is left by ${OPEN_LISTS.join(', ')}, nor by the preflights of ${PATHS.length} routes for pages of CORS_ORIGINS\n`,
    )
    expect(unrecorded).toEqual(trails.map(({ name }) => name))
    expect(new Set(trails.map(({ status }) => status))).toEqual(new Set([200, 204]))
    const [page] = await trailsOf(gate(), [
      { name: 'the page itself', asked: { ...chatCall('text', keys.all), headers: { origin: PAGE } } },
    ])
    expect(page).toMatchObject({ status: 200, events: 'intent,outcome' })
  })

  it('and the lists leave one as well when they are closed', async () => {
    const closed = await openV1World({ OPEN_LISTS: 'false' })
    const ask = (key?: string) =>
      trailsOf(
        closed.scene.gate,
        OPEN_LISTS.map((name) => ({ name, asked: { path: name.split(' ')[1] ?? '', ...(key !== undefined && { key }) } })),
      )
    expect((await ask()).map(({ status, events }) => [status, events])).toEqual(OPEN_LISTS.map(() => [401, 'refused']))
    expect((await ask(closed.scene.key)).map(({ status, events }) => [status, events])).toEqual(
      OPEN_LISTS.map(() => [200, 'intent,outcome']),
    )
    await closed.close()
  })
})
