import { afterAll, beforeAll, expect, it } from 'vitest'
import { randomBase62 } from '../../src/kernel/index.ts'
import { type Call, call } from '../support/caller.ts'
import { type Canary, canaryText, searchFor } from '../support/canaries.ts'
import { type GatewayPlace, gatewayPlace, type TestKey, verifyPlace } from '../support/gateway.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { type LeakyV1, leakyV1, V1_MANNERS, type V1Manner } from '../support/leaky-v1.ts'
import { FORM_TYPE, formBytes } from '../support/media.ts'
import type { Command } from '../support/secret-calls.ts'
import { neverFound, SecretHouse } from '../support/secret-house.ts'
import { Owner, ownSecrets, secretOf } from '../support/secret-scene.ts'
import { until } from '../support/until.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const ROUNDS = LONG ? 20 : 1
const HEARTBEAT_MS = 50

/** What is said by callers: told to backends, and back to the caller who said it in an error. */
const SAID = ['chat', 'completion', 'response', 'message', 'input', 'speech', 'hint', 'recording', 'picture', 'drawing'] as const
type Said = (typeof SAID)[number]
const TO_BACKENDS = ['backend body', 'backend head', 'errors', 'in band']
/** What one key wants kept may be shown to the owner who asks for that request. */
const KEPT = ['one request']
/** Where keys are pasted. None of these reaches a backend or comes back. */
const PASTED = ['model', 'model in a path', 'field name', 'form field', 'model in a form', 'query', 'wrong bearer'] as const
type Pasted = (typeof PASTED)[number]

let place: GatewayPlace
let backend: LeakyV1
let gate: GatewayProcess
let owner: Owner
let house: SecretHouse
let keys: Readonly<Record<'caller' | 'keeper' | Pasted, TestKey>>
let texts: Readonly<Record<Said | 'kept' | 'no json', string>>
const canaries: Canary[] = []
const statuses = new Map<number, number>()
let answered = ''

const secret = (name: string, text: string, allowed: readonly string[] = []): string => {
  canaries.push({ name, secret: text, allowed })
  return text
}

beforeAll(async () => {
  answered = secret('answer', canaryText(), ['good answers', ...KEPT])
  const said = SAID.map((name) => [name, secret(`said: ${name}`, canaryText(), TO_BACKENDS)])
  const kept = secret('said and kept', canaryText(), [...TO_BACKENDS, ...KEPT])
  texts = { ...Object.fromEntries(said), kept, 'no json': secret('no json', canaryText()) } as typeof texts // one for each name
  backend = await leakyV1(() => answered, HEARTBEAT_MS * 3)
  const rest = { CHAT_ENABLED: 'false', LOG_LEVEL: 'trace', AUDIT_ROTATE_MIB: '1', HEARTBEAT: `${HEARTBEAT_MS}ms` }
  place = gatewayPlace(rest)
  gate = await startGatewayProcess(place)
  owner = new Owner(place)
  house = new SecretHouse(place, gate)
  keys = await makeKeys()
  await addEndpoints()
}, 60_000)
afterAll(async () => {
  await backend.close()
  place.remove()
})

async function makeKeys(): Promise<typeof keys> {
  const made: Record<string, TestKey> = {}
  for (const name of ['caller', 'keeper', ...PASTED]) {
    const body = { user: 'ada', rights: ['all'], concurrency: 0, log_content: name === 'keeper' }
    made[name] = await owner.shown('/keys', body)
    secret(`key: ${name}`, secretOf(made[name].text))
  }
  return made as typeof keys // one for each name
}

/** Provider's keys, each sent in the way of its endpoint. They may be nowhere but in what the backend got. */
async function addEndpoints(): Promise<void> {
  const key = (name: string, before = 'sk-'): string => `${before}${secret(`provider: ${name}`, randomBase62(40), ['backend head'])}`
  const at = { url: backend.url }
  await owner.ask('POST', '/endpoints', { ...at, name: 'first', key: key('first'), discover: true })
  await owner.ask('POST', '/endpoints', { ...at, name: 'second', key: key('second'), priority: 1 })
  await owner.ask('POST', '/endpoints', { ...at, name: 'letters', dialect: 'anthropic', key: key('letters') })
  await owner.ask('POST', '/endpoints', { ...at, name: 'draws', dialect: 'a1111', key: key('draws', 'ada:') })
  await owner.ask('POST', '/endpoints', { ...at, name: 'speaks', dialect: 'speak', key: key('speaks') })
  await owner.ask('POST', '/endpoints', { ...at, name: 'hears', dialect: 'asr', key: key('hears') })
  const model = (name: string, capability: string, upstream: string | null, ...endpoints: readonly string[]) =>
    owner.ask('POST', '/models', { name, capability, endpoints: endpoints.map((endpoint) => ({ endpoint, upstream })) })
  await model('m', 'text', 'm', 'first', 'second')
  await model('renamed', 'text', 'there', 'first')
  await model('prose', 'text', 'prose', 'letters')
  await model('voice', 'speech', 'voice', 'first')
  await model('ears', 'transcription', 'ears', 'first')
  await model('brush', 'image', 'brush', 'first')
  await model('draws', 'image', null, 'draws')
  await model('speaks', 'speech', null, 'speaks')
  await model('hears', 'transcription', null, 'hears')
  await until(async () => (await owner.ask('GET', '/models')).includes('"listed"'), {
    withinMs: 5_000,
    what: 'a model to appear by itself',
  })
}

const form = (...fields: readonly (readonly [string, string])[]): Pick<Call, 'body' | 'headers'> => ({
  body: formBytes([...fields, ['file', Buffer.from(`RIFF${texts.recording}`)]]),
  headers: { 'content-type': FORM_TYPE },
})

/** One call of each protocol, whole and as a stream, at each kind of endpoint. */
function calls(): Readonly<Record<string, Omit<Call, 'key'>>> {
  const chat = (model: string, more: object = {}) => ({
    path: '/v1/chat/completions',
    body: { model, messages: [{ role: 'user', content: texts.chat }], ...more },
  })
  const message = { model: 'prose', max_tokens: 5, messages: [{ role: 'user', content: texts.message }] }
  const stream = true
  return {
    chat: chat('m'),
    'chat as a stream': chat('m', { stream }),
    'renamed chat': chat('renamed'),
    'renamed chat as a stream': chat('renamed', { stream }),
    completion: { path: '/v1/completions', body: { model: 'm', prompt: texts.completion, stream } },
    response: { path: '/v1/responses', body: { model: 'm', input: texts.response, stream } },
    message: { path: '/v1/messages', body: message },
    'message as a stream': { path: '/v1/messages', body: { ...message, stream } },
    vectors: { path: '/v1/embeddings', body: { model: 'renamed', input: texts.input } },
    speech: { path: '/v1/audio/speech', body: { model: 'voice', voice: 'v', input: texts.speech } },
    'speech, translated': { path: '/v1/audio/speech', body: { model: 'speaks', voice: 'v', input: texts.speech } },
    transcript: { path: '/v1/audio/transcriptions', ...form(['model', 'ears'], ['prompt', texts.hint]) },
    'transcript, translated': { path: '/v1/audio/transcriptions', ...form(['model', 'hears'], ['prompt', texts.hint]) },
    picture: { path: '/v1/images/generations', body: { model: 'brush', prompt: texts.picture } },
    'picture, translated': { path: '/v1/images/generations', body: { model: 'draws', prompt: texts.drawing } },
  }
}

/** Asks, and keeps the answer as a sink. */
async function ask(name: string, asked: Call, manner: V1Manner = 'good'): Promise<string> {
  const { status, headers, body } = await call(gate.port, { agent: house.agent, ...asked })
  statuses.set(status, (statuses.get(status) ?? 0) + 1)
  const group = status !== 200 ? 'errors' : manner === 'good' ? 'good answers' : 'in band'
  house.keep(group, `${group}: ${name}, ${manner}`, `${status} ${JSON.stringify(headers)}\n${body}`)
  return String(headers['x-request-id'])
}

/** A key where none belongs, beside a good one. */
function misplaced(): readonly (readonly [name: string, asked: Call])[] {
  const key = keys.caller.text
  const pasted = (name: Pasted): string => keys[name].text
  const chat = (body: Call['body'] & {}): Call => ({ path: '/v1/chat/completions', key, body })
  return [
    ['a key for a model', chat({ model: pasted('model'), messages: [] })],
    ['a key for a model of a message', { path: '/v1/messages', key, body: { model: pasted('model'), messages: [] } }],
    ['a key beside a model', chat({ model: `m/${pasted('model')}`, messages: [] })],
    ['a key for a model in a path', { path: `/v1/models/${pasted('model in a path')}`, key }],
    ['a key for a model in a path, spelled', { path: `/v1/models/x%2F${pasted('model in a path').replaceAll('_', '%5F')}`, key }],
    ['a key in a path', { path: `/v1/chat/${pasted('model in a path')}`, key }],
    ['a key for a model of a form', { path: '/v1/audio/transcriptions', key, ...form(['model', pasted('model in a form')]) }],
    ['a key for a field of a form', { path: '/v1/audio/transcriptions', key, ...form(['model', 'hears'], [pasted('form field'), 'x']) }],
    ['a key twice for a field', chat(`{"${pasted('field name')}":1,"${pasted('field name')}":2,"model":"m"}`)],
    ['a key for a field of a picture', { path: '/v1/images/generations', key, body: { model: 'draws', [pasted('field name')]: 1 } }],
    ['a key in a query', { path: `/v1/models?key=${pasted('query')}`, key }],
    ['a key that is cut', { path: '/v1/models', headers: { authorization: `Bearer ${pasted('wrong bearer').slice(0, -2)}` } }],
    ['a key that has no scheme', { path: '/v1/models', headers: { authorization: pasted('wrong bearer') } }],
    ['two keys', { path: '/v1/models', key, headers: { authorization: `Bearer ${pasted('wrong bearer')}` } }],
    ['no JSON', chat(`hello ${texts['no json']}`)],
    ['half of JSON', chat(`{"model":"m","messages":${texts['no json']}}`)],
  ]
}

let kept: readonly string[] = []

it('callers and endpoints say things over /v1 that nobody else should read', async () => {
  const key = keys.caller.text
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const manner of V1_MANNERS) {
      backend.behave(manner)
      await Promise.all(Object.entries(calls()).map(([name, asked]) => ask(name, { ...asked, key }, manner)))
    }
    backend.behave('good')
    await Promise.all(misplaced().map(([name, asked]) => ask(name, asked)))
    const content = [{ role: 'user', content: texts.kept }]
    const keeps = (more: object = {}) => ({
      path: '/v1/chat/completions',
      key: keys.keeper.text,
      body: { model: 'm', messages: content, ...more },
    })
    kept = await Promise.all([ask('kept', keeps()), ask('kept as a stream', keeps({ stream: true }))])
  }
  for (const status of [200, 400, 401, 404, 502, 503]) expect([...statuses.keys()]).toContain(status)
  expect(backend.faults).toEqual([])
}, 120_000)

const SUMMARIES = ['user', 'key', 'model', 'endpoint', 'day']

/** Everything that a command can print of endpoints, models, requests and what was used. */
const commands = (): readonly Command[] =>
  [
    ...['first', 'letters', 'draws'].flatMap((name) => [`endpoint show ${name}`, `endpoint show ${name} --json`]),
    ...['endpoint list', 'endpoint list --all --json', 'model list', 'model list --all --json', 'model show m', 'model show m --json'],
    ...[`endpoint show ${keys.model.text}`, `model show ${keys.model.text}`, `endpoint add ${keys.model.text} --url http://127.0.0.1:1`],
    ...SUMMARIES.map((by) => `usage --by ${by} --csv`),
    ...['usage --by endpoint', 'usage --by key --json'],
    ...['usage requests', 'usage requests --json', 'usage requests --csv', 'key list --all --json', `key show ${keys.keeper.id} --json`],
    ...[
      'audit verify',
      'audit tail -n 100000 --json',
      'audit export --csv',
      'report',
      'report --json',
      'report --html',
      'status',
      'status --json',
    ],
  ].map((line) => ({ words: line.split(' ') }))

it('no secret of /v1 is in any sink', async () => {
  if (LONG) await house.rotate({ path: '/v1/models', key: keys.caller.text, headers: { 'user-agent': 'x'.repeat(120) } })
  await house.keepOpenRoutes()
  await until(async () => (await owner.ask('GET', '/usage?by=day')).includes('"behind":0'), {
    withinMs: 10_000,
    what: 'the accounts to catch up',
  })
  for (const page of [
    '/endpoints?all=true',
    '/endpoints/first',
    '/models?all=true',
    '/models/m',
    ...SUMMARIES.map((by) => `/usage?by=${by}`),
    '/usage/requests?limit=200',
  ])
    await owner.ask('GET', page)
  const before = owner.answers.length
  const shown = kept.map((id) => `usage show ${id}`)
  for (const id of kept) await owner.ask('GET', `/usage/requests/${id}`)
  for (const answer of owner.answers.splice(before)) house.keep('one request', 'a request whose key wants it kept', answer)
  for (const [at, answer] of owner.answers.entries()) house.keep('admin', `answer ${at} of the owner's socket`, answer)
  const ran = await house.runCommands(commands())
  expect(ran.filter(({ words, status }) => ['audit', 'report', 'usage', 'status'].includes(words[0] ?? '') && status !== 0)).toEqual([])
  for (const { out, err } of await house.runCommands(
    shown.map((line) => ({ words: line.split(' ') })),
    'one request',
  ))
    expect(`${out}${err}`).toContain('m')
  await house.stopAndKeep()
  house.keepWhatTheBackendGot(backend.seen)

  const all = [...canaries, ...ownSecrets(place)]
  const { searches, leaks, rightly } = searchFor(all, house.sinks)
  process.stdout.write(
    `promise 06: over /v1 ${all.length} canaries × ${house.sinks.length} sinks, ${searches.toLocaleString('en')} searches, leaks ${leaks.length}\n`,
  )
  expect(leaks.map(({ canary, form: how, sink, around }) => `${canary} (${how}) in ${sink}: ${around}`)).toEqual([])
  expect(neverFound(all, rightly)).toEqual([])
  expect([...rightly].filter((found) => found.startsWith('one request ')).sort()).toEqual([
    'one request answer',
    'one request said and kept',
  ])
  await verifyPlace(place)
}, 120_000)
