import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Answer, type Call, call } from '../support/caller.ts'
import { FIELD_SPELLINGS } from '../support/field-spellings.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { json } from '../support/hostile.ts'
import { MANAGEMENT } from '../support/management.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'

/** Ollama's own cloud, under a name of the house, its own name, and a name that stands in for another. */
const CLOUD_MODELS = { far: 'gpt-oss:120b-cloud', 'x:cloud': 'x:cloud', farther: 'X:CLOUD' }
const DIALECTS = ['openai', 'ollama', 'anthropic', 'a1111', 'asr', 'whispercpp', 'speak'] as const

let upstream: TextBackend
let gate: GatewayUnderTest
let ordinary: string
let manager: string
beforeAll(async () => {
  upstream = await textBackend(json({ choices: [], data: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }))
  gate = await startTestGateway({ OLLAMA_URL: upstream.url, DISCOVERY: 'false' })
  const { endpoints, models } = gate.gateway.house.models.manage
  for (const dialect of DIALECTS) await endpoints.create({ name: dialect, url: upstream.url, dialect })
  await models.create({ name: 'm', capability: 'text', endpoints: [{ endpoint: 'builtin:chat', upstream: 'llama3.2' }] })
  await models.create({ name: 'org/model', capability: 'text', endpoints: [{ endpoint: 'openai', upstream: 'org/model' }] })
  for (const [name, at] of Object.entries(CLOUD_MODELS))
    await models.create({ name, capability: 'text', endpoints: [{ endpoint: 'builtin:chat', upstream: at }] })
  await models.create({
    name: 'standing-in',
    capability: 'text',
    endpoints: [{ endpoint: 'builtin:chat', upstream: 'x:cloud' }],
    fallback: 'far',
  })
  ordinary = (await gate.key({ rights: ['all', 'observe', 'use:chat'], concurrency: 0 })).text
  manager = (await gate.key({ rights: ['all', 'manage:chat'], concurrency: 0 })).text
})
beforeEach(() => upstream.forget())
afterAll(async () => {
  await gate.stop()
  await upstream.close()
})

const BODY = '{"model":"m","messages":[],"prompt":"x","input":"x"}'

/** Where a caller would look for what a backend has at this path: below /v1, below a model, and out of it again. */
function placesOf(path: string): readonly string[] {
  const bare = path.replace(/^\/v1(?=\/)/, '')
  const encoded = bare.slice(1).replaceAll('/', '%2F')
  return [
    `/v1${path}`,
    `/v1${bare}`,
    `/v1/models${bare}`,
    `/v1/models/${encoded}`,
    `/v1/models/m${bare}`,
    `/v1/models/..${bare}`,
    `/v1/models/..%2F${encoded}`,
    `/v1/models/%2e%2e${bare}`,
    `/v1/models/m%2F..%2F..%2F${encoded}`,
    `/v1//${encoded}`,
    `/v1/chat/completions${bare}`,
    `/v1/chat/completions/..${bare}`,
    `/v1/chat/completions%2F..%2F${encoded}`,
    `/v1/chat/completions?/..${bare}`,
    `/V1${bare}`,
  ]
}

/** What a request to a model looks like at its backend, whichever language that speaks; everything else is what nobody may ask for. */
const isInference = ({ method, target }: { readonly method: string; readonly target: string }): boolean =>
  method === 'POST' && /^\/v1\/(?:chat\/completions|completions|embeddings|responses|messages)$/.test(target)

const callOf = (route: string, path: string): Call => {
  const [method = ''] = route.split(' ')
  return { method, path, ...(method === 'GET' || method === 'HEAD' ? {} : { body: BODY }) }
}

describe('promise 17: management endpoints stay closed over /v1', () => {
  it('wherever below it a caller looks for them, in whatever spelling', { timeout: 60_000 }, async () => {
    const open: string[] = []
    let asked = 0
    let endpoints = 0
    for (const [backend, { routes }] of Object.entries(MANAGEMENT)) {
      for (const route of routes) {
        endpoints += 1
        for (const path of new Set(placesOf(route.split(' ')[1] ?? ''))) {
          upstream.forget()
          const { status } = await call(gate.port, { ...callOf(route, path), key: ordinary })
          asked += 1
          const strange = upstream.asked.filter((seen) => !isInference(seen))
          if (strange.length > 0 || status === 0 || status >= 500)
            open.push(`${backend}: ${route} at ${path} answered ${status}, ${strange.map(({ method, target }) => `${method} ${target}`)}`)
        }
      }
    }
    process.stdout.write(
      `promise 17: ${endpoints} management endpoints of ${Object.keys(MANAGEMENT).length} backends looked for over /v1 in ${asked} requests: reached ${open.length}\n`,
    )
    expect(open).toEqual([])
  })

  it('and models are neither made, loaded, deleted nor unloaded there', async () => {
    const statuses = new Set<number>()
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      for (const path of [
        '/v1/models',
        '/v1/models/m',
        '/v1/models/org/model',
        '/v1/models/org%2Fmodel',
        '/v1/audio/models',
        '/v1/audio/voices',
      ])
        for (const key of [ordinary, manager]) statuses.add((await call(gate.port, { method, path, key, body: '{}' })).status)
    expect([...statuses]).toEqual([405])
    expect(upstream.asked).toEqual([])
  })
})

type Fields = Readonly<Record<string, unknown>>
const PATHS = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', '/v1/messages'] as const
const ask = (path: string, fields: Fields | string, key = ordinary): Promise<Answer> =>
  call(gate.port, { path, key, body: typeof fields === 'string' ? fields : { ...JSON.parse(BODY), ...fields } })
const sent = (): Fields[] => upstream.asked.map(({ body }) => JSON.parse(body.toString()) as Fields)

describe('promise 17: what a body over /v1 asks of Ollama', () => {
  it.each(PATHS)('neither pins nor unloads a model, nor has it loaded anew, unless its key may manage: %s', async (path) => {
    for (const keep_alive of [-1, '-1s', 0, '0s', 86_400]) expect((await ask(path, { keep_alive })).status).toBe(200)
    expect(sent().map(({ keep_alive }) => keep_alive)).toEqual(['1800s', '1800s', '60s', '60s', '1800s'])
    upstream.forget()
    for (const options of [{ num_gpu: 0 }, { NUM_GPU: 0 }, { num_thread: 1 }, { num_ctx: 1e9 }, { use_mmap: false }]) {
      expect(await ask(path, { options })).toMatchObject({ status: 403, body: expect.stringMatching(/options\.num_ctx|reloads the model/) })
    }
    expect((await ask(path, { keep_alive: 'for ever' })).status).toBe(400)
    expect(upstream.asked).toEqual([])
    const free = { keep_alive: -1, options: { num_gpu: 0 } }
    expect((await ask(path, free, manager)).status).toBe(200)
    expect(sent()[0]).toMatchObject(free)
  })

  it.each(PATHS)('is refused in any spelling that Ollama would take for another one: %s', async (path) => {
    const values = { model: '"m"', keep_alive: '"5m"', options: '{"seed":1}', stream: 'false', images: '[]' }
    const taken: string[] = []
    for (const [field, value] of Object.entries(values)) {
      for (const [how, spelled] of Object.entries(FIELD_SPELLINGS)) {
        const answers = [ordinary, manager].map((key) => ask(path, `{"prompt":"a",${spelled(field, value)}}`, key))
        for (const { status, body } of await Promise.all(answers))
          if (status !== 400 || !/in lower case|more than once/.test(body)) taken.push(`${field} ${how}: ${status} ${body}`)
      }
    }
    expect(taken).toEqual([])
    expect(upstream.asked).toEqual([])
  })

  it('never goes to its cloud, whatever the model is called here, since CHAT_CLOUD_MODELS is off', async () => {
    let refused = 0
    for (const path of PATHS) {
      for (const model of [...Object.keys(CLOUD_MODELS), 'standing-in']) {
        for (const key of [ordinary, manager]) {
          expect(await ask(path, { model }, key), `${model} at ${path}`).toMatchObject({
            status: 403,
            body: expect.stringContaining('cloud'),
          })
          refused += 1
        }
      }
      for (const model of ['gpt-oss:120b-cloud', 'm:cloud', 'm-cloud', 'M']) expect((await ask(path, { model })).status).toBe(404)
    }
    expect(upstream.asked).toEqual([])
    process.stdout.write(`promise 17: ${refused} requests for models of Ollama's cloud over /v1, by four names: reached 0\n`)
  })
})
