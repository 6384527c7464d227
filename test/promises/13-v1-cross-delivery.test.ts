import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Call } from '../support/caller.ts'
import { FAULTS, idOf, type Tongue, type Trick, UNASKED } from '../support/cross-tricks.ts'
import { type Crossing, crossingFigure, playCrossing } from '../support/crossing.ts'
import { chunk, head, LAST_CHUNK, whole } from '../support/hostile.ts'
import { FORM_TYPE, formBytes, toneWav } from '../support/media.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const REQUESTS = LONG ? 100_000 : 1_000
const CALLERS = 24
const SEED = Number(process.env.PORTCULLIS_SEED ?? Date.now() % 1_000_000)
/** The name of every model at its endpoints, so that every answer must be read and changed on its way. */
const THERE = 'weights-of-august'

let scene: V1Scene
let backends: readonly TextBackend[]
let crossing: Crossing
beforeEach(async () => {
  scene = await openV1Scene({ AUDIT_SYNC: 'write', AUDIT_ROTATE_MIB: '1024', CONNECTIONS_PER_ADDRESS: '1000', HEARTBEAT: '10ms' })
  backends = await Promise.all([textBackend(), textBackend(), textBackend()])
  const { endpoints, models } = scene.gate.gateway.house.models.manage
  const names = ['one', 'two', 'letters'] as const
  for (const [nth, name] of names.entries())
    await endpoints.create({ name, url: backends[nth]?.url ?? '', dialect: name === 'letters' ? 'anthropic' : 'openai' })
  const at = (...endpoint: readonly string[]) => endpoint.map((one) => ({ endpoint: one, upstream: THERE }))
  await models.create({ name: 'm', capability: 'text', endpoints: at('one', 'two'), fallback: 'spare' })
  await models.create({ name: 'spare', capability: 'text', endpoints: at('two') })
  await models.create({ name: 'prose', capability: 'text', endpoints: at('letters') })
  await models.create({ name: 'ears', capability: 'transcription', endpoints: at('one', 'two') })
  await models.create({ name: 'voice', capability: 'speech', endpoints: at('one', 'two') })
  const leaves = { path: '/v1/chat/completions', body: JSON.stringify(chatBody({ stream: true })) }
  const key = await scene.newKey({ concurrency: 0 })
  crossing = { gate: scene.gate, key, backends, tongue, asks: ASKS, leaves, seed: SEED, requests: REQUESTS, callers: CALLERS }
})
afterEach(async () => {
  await scene.close()
  await Promise.all(backends.map((backend) => backend.close()))
})

const chatBody = (more: Readonly<Record<string, unknown>> = {}) => ({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...more })
const form = formBytes([
  ['model', 'ears'],
  ['file', toneWav(0.05)],
])
const ASKS: readonly Call[] = [
  { path: '/v1/chat/completions', body: chatBody() },
  { path: '/v1/chat/completions', body: chatBody({ stream: true }) },
  { path: '/v1/chat/completions', body: chatBody({ stream: true, stream_options: { include_usage: true } }) },
  { path: '/v1/completions', body: { model: 'm', prompt: 'p', stream: true } },
  { path: '/v1/responses', body: { model: 'm', input: 'p', stream: true } },
  { path: '/v1/messages', body: { model: 'prose', max_tokens: 5, messages: [], stream: true } },
  { path: '/v1/messages', body: { model: 'prose', max_tokens: 5, messages: [] } },
  { path: '/v1/embeddings', body: { model: 'm', input: 'p', encoding_format: 'base64' } },
  { path: '/v1/audio/speech', body: { model: 'voice', input: 'p', voice: 'v' } },
  { path: '/v1/audio/transcriptions', method: 'POST', body: form, headers: { 'content-type': FORM_TYPE } },
]

const events = (...all: readonly (string | readonly [string, object])[]): readonly string[] =>
  all.map((event) => (typeof event === 'string' ? `data: ${event}\n\n` : `event: ${event[0]}\ndata: ${JSON.stringify(event[1])}\n\n`))

/** Streams by the path that asks for them, with usage that nobody asked for and the model's name there. */
const STREAMS: Readonly<Record<string, (tag: string) => readonly string[]>> = {
  '/v1/responses': (tag) =>
    events(
      ['response.created', { type: 'response.created', response: { id: tag, model: THERE } }],
      ['response.output_text.delta', { type: 'response.output_text.delta', delta: tag }],
      [
        'response.completed',
        { type: 'response.completed', response: { id: tag, model: THERE, usage: { input_tokens: 1, output_tokens: 1 } } },
      ],
    ),
  '/v1/messages': (tag) =>
    events(
      ['message_start', { type: 'message_start', message: { id: tag, model: THERE, usage: { input_tokens: 1 } } }],
      ['content_block_delta', { type: 'content_block_delta', delta: { text: tag } }],
      ['message_stop', { type: 'message_stop', id: tag }],
    ),
}
const chatEvents = (tag: string): readonly string[] => {
  const said = (choices: readonly object[], more: object = {}): string => JSON.stringify({ id: tag, model: THERE, choices, ...more })
  const counts = { usage: { prompt_tokens: 1, completion_tokens: 1 } }
  return events(said([{ delta: { content: tag } }]), said([{ delta: {}, finish_reason: 'stop' }]), said([], counts), '[DONE]')
}

const tongue: Tongue = (seen) => {
  const tag = `<${idOf(seen)}>`
  const isSound = seen.target === '/v1/audio/speech'
  const parts = (STREAMS[seen.target] ?? chatEvents)(tag)
  const choices = [{ index: 0, message: { role: 'assistant', content: tag } }]
  const object = {
    id: tag,
    model: THERE,
    choices,
    data: [{ embedding: [1, 2], tag }],
    text: tag,
    usage: { prompt_tokens: 1, completion_tokens: 1 },
  }
  const streamHead = head(200, { 'content-type': isSound ? 'audio/mpeg' : 'text/event-stream', 'transfer-encoding': 'chunked' })
  // In pieces that are no events, so that each must wait for the next.
  const bytes = Buffer.from(parts.join(''))
  const cut = Math.floor(bytes.length / 3)
  const pieces = [bytes.subarray(0, cut), bytes.subarray(cut, cut * 2 + 1), bytes.subarray(cut * 2 + 1)]
  return {
    type: isSound ? 'audio/mpeg' : 'application/json',
    tagged: JSON.stringify(object),
    stream: Buffer.concat([Buffer.from(streamHead), ...pieces.map((piece) => chunk(piece)), Buffer.from(LAST_CHUNK)]),
  }
}

/** What these backends do besides: they are busy, and slow enough for signs of life, and stop in the midst of an event. */
const V1_FAULTS: Readonly<Record<string, Trick>> = {
  ...FAULTS,
  'a stream in small writes': async (x, { stream }) => {
    await x.body()
    for (let at = 0; at < stream.length; at += 97) await x.send(stream.subarray(at, at + 97))
  },
  'a stream that is late': async (x, { stream }, random) => {
    await x.body()
    await x.wait(random.int(40, 120))
    await x.send(stream)
  },
  busy: async (x, { tagged }, random) => {
    await x.body()
    await x.send(whole(random.of([429, 503]), tagged, { 'content-type': 'application/json' }))
  },
  'an error that repeats itself': async (x, { tagged }, random) => {
    await x.body()
    await x.send(
      whole(random.of([400, 404, 500]), `{"error":{"message":${JSON.stringify(tagged)}}}`, { 'content-type': 'application/json' }),
    )
  },
}

describe("promise 13: over /v1 user B never gets user A's bytes", () => {
  it('from endpoints that answer early, late, cut and busy, with names and counts that are changed on the way', {
    timeout: 3_600_000,
  }, async () => {
    const tally = await playCrossing(crossing, V1_FAULTS)
    process.stdout.write(crossingFigure(`over /v1, ${Object.keys(V1_FAULTS).length} faults of 3 endpoints`, crossing, tally))
    expect(tally.crossed).toEqual([])
    expect(tally.whole).toBeGreaterThan(REQUESTS / 3)
    expect(tally.connections).toBeLessThan(tally.reached * 0.7)
    expect(tally.again).toBeGreaterThan(REQUESTS / 200)
    expect(scene.gate.log()).not.toContain('used twice')
  })

  it('from endpoints that answer twice, or more than they said', { timeout: 3_600_000 }, async () => {
    const tally = await playCrossing(crossing, { ...V1_FAULTS, ...UNASKED })
    process.stdout.write(crossingFigure(`over /v1, ${Object.keys(UNASKED).length} ways to send what nobody asked for`, crossing, tally))
    expect(tally.crossed).toEqual([])
    expect(tally.whole).toBeGreaterThan(REQUESTS / 4)
    expect(scene.gate.log().split('no connection to it is used twice from now on')).toHaveLength(backends.length + 1)
    expect(tally.connections).toBeGreaterThan(tally.reached * 0.85)
  })
})
