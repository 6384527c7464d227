import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { call } from '../support/caller.ts'
import { delayed, json, stream } from '../support/hostile.ts'
import { ask, FORM_BOUNDARY, FORM_TYPE, formBytes, toneWav } from '../support/media.ts'
import { type OpenaiBackend, PNG, sse } from '../support/openai-backend.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

const MICRO = 1_000_000
const BEAT = ': keep-alive\n\n'
const PRICED = { capability: 'image', unit: 'image', price_out: MICRO } as const
let scene: V1Scene
let one: OpenaiBackend
let standIns: StandIns
beforeAll(async () => {
  standIns = await startStandIns({ imageStepMs: 0, whisperMs: 0 })
  scene = await openV1Scene({ HEARTBEAT: '200ms' })
  one = await scene.endpoint('one')
  const { endpoints } = scene.gate.gateway.house.models.manage
  await endpoints.create({ name: 'asr', url: standIns.whisper.url, dialect: 'asr' })
  await endpoints.create({ name: 'a1111', url: standIns.image.url, dialect: 'a1111' })
  await scene.model('brush', ['one'], PRICED)
  await scene.model('known', [], { ...PRICED, endpoints: [{ endpoint: 'one', upstream: 'brush-xl' }] })
  await scene.model('mixed', [], {
    ...PRICED,
    endpoints: [
      { endpoint: 'one', upstream: 'mixed' },
      { endpoint: 'a1111', upstream: null },
    ],
  })
  await scene.model('by-request', ['one'], { capability: 'image', unit: 'request', price_out: MICRO })
  await scene.model('voice', ['one'], { capability: 'speech', unit: 'character', price_in: MICRO })
  await scene.model('ears', ['one'], { capability: 'transcription' })
  await scene.model('whole', [], { capability: 'transcription', endpoints: [{ endpoint: 'asr', upstream: null }] })
})
afterAll(async () => {
  await scene.close()
  await standIns.close()
})
beforeEach(() => one.forget())

const draw = (body: object) =>
  call(scene.gate.port, { path: '/v1/images/generations', key: scene.key, body: { model: 'brush', prompt: 'a gate', ...body } })
const form = (path: string, parts: Parameters<typeof formBytes>[0]) =>
  ask(scene.gate.port, { path, key: scene.key, body: formBytes(parts), headers: { 'content-type': FORM_TYPE } })
const edit = (parts: Parameters<typeof formBytes>[0]) => form('/v1/images/edits', [['prompt', 'x'], ...parts, ['image', PNG]])
const hear = (model: string, more: Parameters<typeof formBytes>[0] = []) =>
  form('/v1/audio/transcriptions', [['model', model], ...more, ['file', toneWav()]])
const last = async () => (await scene.gate.outcomes()).at(-1)

describe('how many pictures are asked for', () => {
  it.each([0, -1, 11, 1.5, '11', '', 'two', '1e1', true, [1], {}])('%j is refused, and nothing is sent', async (n) => {
    const { status, body } = await draw({ n })
    expect([status, JSON.parse(body).error.param]).toEqual([400, 'n'])
    if (typeof n !== 'number' && typeof n !== 'string') return
    expect(
      (
        await edit([
          ['model', 'brush'],
          ['n', String(n)],
        ])
      ).json(),
    ).toMatchObject({ error: { param: 'n' } })
    expect(one.asked).toHaveLength(0)
  })

  it.each([
    ['n', '1', '10'],
    ['n', '2', '2'],
    ['model', 'brush', 'known'],
    ['prompt', 'x', 'y'],
    ['size', '64x64', '512x512'],
    ['response_format', 'b64_json', 'url'],
  ])('a form that says %s twice is refused', async (name, first, second) => {
    const parts = name === 'model' ? [] : [['model', 'brush'] as const]
    const { status, text } = await edit([...parts, [name, first], [name, second]])
    expect([status, text]).toEqual([400, expect.stringContaining(`${name}: is said twice`)])
    expect(one.asked).toHaveLength(0)
  })

  it.each(['brush', 'known'])('costs what came of them, be it more than was asked for (%s)', async (model) => {
    one.behave(json({ created: 1, data: ['A', 'B', 'C', 'D'].map((b64_json) => ({ b64_json })) }))
    expect((await draw({ model, n: 1 })).status).toBe(200)
    expect(await last()).toMatchObject({ units: { images: 4 }, cost_micro: 4 * MICRO })
    one.forget()
    expect((await draw({ model, n: 3 })).status).toBe(200)
    expect(await last()).toMatchObject({ units: { images: 3 }, cost_micro: 3 * MICRO })
    one.behave(json({ created: 1, data: [{ b64_json: 'AAAA' }], usage: { input_tokens: 5, output_tokens: 50, total_tokens: 55 } }))
    expect((await draw({ model, n: 3 })).status).toBe(200)
    expect(await last()).toMatchObject({ units: { images: 1, tokens_out: 50 }, cost_micro: MICRO })
  })
})

it.each([
  ['/v1/images/edits', 'brush'],
  ['/v1/audio/transcriptions', 'ears'],
])('a part without a name is the caller’s mistake, over %s', async (path, model) => {
  const nameless = Buffer.from(`--${FORM_BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n`)
  const body = Buffer.concat([
    nameless,
    formBytes([
      ['model', model],
      ['prompt', 'x'],
      ['image', PNG],
    ]),
  ])
  const { status, text } = await ask(scene.gate.port, { path, key: scene.key, body, headers: { 'content-type': FORM_TYPE } })
  expect([status, text]).toEqual([400, expect.stringContaining('has no name')])
})

describe('arguments for stable-diffusion.cpp within a prompt', () => {
  const HIDDEN = 'a gate <sd_cpp_extra_args>{"batch_count":8}</sd_cpp_extra_args>'

  it.each(['prompt', 'negative_prompt'])('are refused in %s, however long the body is', async (field) => {
    for (const padding of ['', 'A'.repeat(2 * 1024 * 1024)]) expect((await draw({ [field]: HIDDEN, padding })).status).toBe(403)
    const parts: Parameters<typeof formBytes>[0] = [
      ['model', 'brush'],
      ['image', PNG],
      ['prompt', field === 'prompt' ? HIDDEN : 'x'],
    ]
    expect((await form('/v1/images/edits', field === 'prompt' ? parts : [...parts, [field, HIDDEN]])).status).toBe(403)
    expect(one.asked).toHaveLength(0)
  })

  it('are refused in a prompt that comes as a file', async () => {
    const { status, text } = await form('/v1/images/edits', [
      ['model', 'brush'],
      ['image', PNG],
      ['prompt', Buffer.from(HIDDEN)],
    ])
    expect([status, text]).toEqual([400, expect.stringContaining('prompt: is a file here')])
    expect(one.asked).toHaveLength(0)
  })

  it('pass with the right to manage pictures', async () => {
    const key = await scene.newKey({ rights: ['image', 'manage:image'] })
    const { status } = await call(scene.gate.port, { path: '/v1/images/generations', key, body: { model: 'brush', prompt: HIDDEN } })
    expect([status, one.asked.length]).toEqual([200, 1])
  })
})

describe('nothing is paid where no answer came', () => {
  const failed = json({ error: { message: 'out of memory' } })
  const say = () =>
    call(scene.gate.port, { path: '/v1/audio/speech', key: scene.key, body: { model: 'voice', input: 'hello', voice: 'x' } })

  it('for a sound whose backend dies after its head', async () => {
    one.behave(stream('audio/mpeg', [], { end: 'fin' }))
    await say()
    expect(await last()).toMatchObject({ ended: 'upstream_died', bytes_out: 0 })
    expect((await last())?.cost_micro ?? 0).toBe(0)
    one.forget()
    expect((await say()).status).toBe(200)
    expect((await last())?.cost_micro).toBeGreaterThan(0)
  })

  it.each([
    ['an error with status 200', failed],
    ['an error within a stream', sse([{ error: { message: 'out of memory' } }])],
    ['a stream that ends at once', sse([])],
  ])('for pictures, where %s came', async (_what, behaviour) => {
    one.behave(behaviour)
    await draw({ model: 'by-request' })
    expect(await last()).toMatchObject({ ended: 'upstream_died' })
    expect((await last())?.cost_micro ?? 0).toBe(0)
    one.forget()
    expect((await draw({ model: 'by-request' })).status).toBe(200)
    expect(await last()).toMatchObject({ cost_micro: MICRO })
  })
})

describe('how long a recording is', () => {
  it.each([
    ['Ogg', Buffer.concat([Buffer.from('OggS'), Buffer.alloc(16_000)]), 9],
    ['WAV', toneWav(4), 5],
  ])('is told by its kind where its backend does not tell (%s)', async (_kind, sound, seconds) => {
    const fields: Parameters<typeof form>[1] = [
      ['model', 'ears'],
      ['file', sound],
    ]
    one.behave(json({ text: 'Hello' }))
    expect((await form('/v1/audio/transcriptions', fields)).status).toBe(200)
    expect(await last()).toMatchObject({ units: { seconds }, estimated: true })
    one.behave(json({ text: 'Hello', usage: { type: 'duration', seconds: 4 } }))
    expect((await form('/v1/audio/transcriptions', fields)).status).toBe(200)
    expect(await last()).toMatchObject({ units: { seconds: 4 } })
  })
})

describe('media that are asked for as a stream', () => {
  const pictures = sse([{ type: 'image_generation.completed', b64_json: 'AAAA' }])
  const beats = (body: string): number => body.split(BEAT).length - 1

  it('has signs of life while nothing is there yet', async () => {
    one.behave(delayed(600, pictures))
    const drawn = await draw({ stream: true, n: 1 })
    expect([drawn.status, beats(drawn.body) >= 2]).toEqual([200, true])
    expect(drawn.body).toContain('image_generation.completed')
    expect(await last()).toMatchObject({ units: { images: 1 }, cost_micro: MICRO })
    one.behave(delayed(600, sse([{ type: 'transcript.text.done', text: 'hi' }])))
    const heard = await hear('ears', [['stream', 'true']])
    expect([beats(heard.text) >= 2, heard.text.includes('transcript.text.done')]).toEqual([true, true])
    one.behave(delayed(600, sse([{ type: 'image_edit.completed', b64_json: 'AAAA' }])))
    expect(
      beats(
        (
          await edit([
            ['model', 'brush'],
            ['stream', 'true'],
          ])
        ).text,
      ),
    ).toBeGreaterThanOrEqual(2)
  })

  it('has none where an answer may be whole, or was not asked for as a stream', async () => {
    one.behave(delayed(600, pictures))
    expect(beats((await draw({ model: 'mixed', stream: true })).body)).toBe(0)
    expect(beats((await draw({ stream: false })).body)).toBe(0)
  })

  it('is refused, with a sentence, where it cannot come as one', async () => {
    const heard = await hear('whole', [['stream', 'true']])
    expect([heard.status, heard.json()]).toMatchObject([
      400,
      { error: { param: 'stream', message: expect.stringContaining('leave it out') } },
    ])
    expect((await hear('whole', [['stream', 'false']])).status).toBe(200)
  })
})
