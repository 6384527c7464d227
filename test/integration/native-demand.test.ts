import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { json as readJson } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { ask, FORM_TYPE, formBytes, toneWav } from '../support/media.ts'
import { type SpeechServer, speechOpenai } from '../support/speech-openai.ts'
import { until } from '../support/until.ts'
import { type WhisperServer, whisperOpenai } from '../support/whisper-openai.ts'

const MICRO = 1_000_000
const WAV = toneWav()
/** Of its bytes: this backend tells none in its plain answer. */
const SECONDS = Math.ceil(WAV.length / 32_000)
let gate: GatewayUnderTest
let standIns: StandIns
let speech: SpeechServer
let whisper: WhisperServer
let users = 0

beforeAll(async () => {
  standIns = await startStandIns({ tokensPerSecond: Number.POSITIVE_INFINITY, imageStepMs: 0, whisperMs: 0 })
  speech = await speechOpenai({ flavour: 'kokoro' })
  whisper = await whisperOpenai({ models: ['whisper-1', 'large'] })
})
afterAll(async () => {
  await Promise.all([standIns.close(), speech.close(), whisper.close()])
})
afterEach(() => gate.stop())

const open = async (over: Readonly<Record<string, string>> = {}): Promise<void> => {
  gate = await startTestGateway({
    DISCOVERY: 'false',
    OLLAMA_URL: standIns.ollama.url,
    TTS_ENABLED: 'true',
    TTS_URL: speech.url,
    TTS_DIALECT: 'openai',
    WHISPER_ENABLED: 'true',
    WHISPER_URL: whisper.url,
    WHISPER_DIALECT: 'openai',
    ...over,
  })
}
const house = () => gate.gateway.house
/** A key of somebody who is billed. */
const billed = async (balance: number): Promise<{ key: string; user: string }> => {
  users += 1
  const user = `user-${users}`
  await house().identity.users.create({ name: user, balance })
  return { user, key: (await gate.key({ user })).text }
}
const paid = async (user: string, given: number): Promise<number> => given - ((await house().identity.users.show(user)).balanceMicro ?? 0)
const model = (over: Partial<Parameters<ReturnType<typeof house>['models']['manage']['models']['create']>[0]>) =>
  house().models.manage.models.create({ name: 'm', capability: 'text', endpoints: [], ...over })
const at = (endpoint: string, upstream: string | null) => [{ endpoint: `builtin:${endpoint}`, upstream }]
const text = (path: string, key: string, body: object) =>
  call(gate.port, { path: `/chat/api/${path}`, key, body: { stream: false, ...body } })
const speak = (key: string, more: object = {}) => call(gate.port, { path: '/tts/api/speak', key, body: { text: 'Good evening', ...more } })
const hear = (key: string, fields: readonly (readonly [string, string])[] = [], query = '') =>
  ask(gate.port, {
    path: `/whisper/api/transcribe${query}`,
    key,
    body: formBytes([...fields, ['file', WAV]]),
    headers: { 'content-type': FORM_TYPE },
  })
const last = async () => (await gate.outcomes()).at(-1)

describe('what is asked of a service in its own language', () => {
  it('costs nothing where only a description is asked for', async () => {
    await open()
    await model({ name: 'fast', endpoints: at('chat', 'stand-in'), unit: 'request', price_in: MICRO })
    const { key, user } = await billed(3 * MICRO)
    expect((await text('show', key, { model: 'stand-in' })).status).toBe(200)
    expect(await paid(user, 3 * MICRO)).toBe(0)
    expect((await text('generate', key, { model: 'stand-in', prompt: 'hi' })).status).toBe(200)
    await gate.quiet()
    expect(await paid(user, 3 * MICRO)).toBe(MICRO)
    expect((await text('show', (await gate.key({ models: ['other'] })).text, { model: 'stand-in' })).status).toBe(404)
  })

  it("is judged by the backend's usual model where none is named", async () => {
    await open()
    await model({ name: 'voice', capability: 'speech', endpoints: at('tts', 'tts-1'), unit: 'request', price_in: MICRO })
    const { key, user } = await billed(MICRO)
    expect((await speak(key)).status).toBe(200)
    await gate.quiet()
    expect(await paid(user, MICRO)).toBe(MICRO)
    expect([(await speak(key)).status, (await speak(key, { model: 'kokoro' })).status]).toEqual([402, 404])
    const bound = (await gate.key({ models: ['voice'] })).text
    expect([(await speak(bound)).status, (await speak(bound, { model: 'kokoro' })).status]).toEqual([200, 404])
  })

  it('is charged by the model that a form names, and none that may not be used reaches the backend', async () => {
    await open()
    const minute = { capability: 'transcription', unit: 'minute', price_in: 60 * MICRO } as const
    await model({ ...minute, name: 'big', endpoints: at('whisper', 'large') })
    const poor = await billed(0)
    const rich = await billed(100 * MICRO)
    const before = whisper.asked.length
    // The only one there is does what names none, and the server may know it by any other name.
    for (const answer of [await hear(poor.key, [['model', 'large']]), await hear(poor.key, [], '?model=large'), await hear(poor.key)])
      expect([answer.status, answer.json().code]).toEqual([402, 'BALANCE_EXHAUSTED'])
    expect((await hear(poor.key, [['model', 'whisper-1']])).status).toBe(404)
    const bound = (await gate.key({ models: ['big'] })).text
    expect((await hear(bound, [['model', 'whisper-1']])).status).toBe(404)
    expect((await hear((await gate.key({ models: ['other'] })).text)).status).toBe(404)
    expect(whisper.asked.length).toBe(before)
    expect((await hear(bound, [['model', 'large']])).status).toBe(200)
    expect((await hear(bound)).status).toBe(200)
    expect(whisper.asked.at(-1)?.form.fields.get('model')).toBe('large')
    expect((await hear(rich.key, [['model', 'large']])).status).toBe(200)
    expect(await last()).toMatchObject({
      model: 'big',
      endpoint: 'builtin:whisper',
      units: { seconds: SECONDS },
      cost_micro: SECONDS * MICRO,
    })
    expect(await paid(rich.user, 100 * MICRO)).toBe(SECONDS * MICRO)
    await model({ ...minute, name: 'usual', endpoints: at('whisper', 'whisper-1') })
    expect((await hear(poor.key)).status).toBe(402)
  })

  it.each(['', 'sound.opus', 'sound.wav'])(
    'is charged for sound that nobody announced or measured, whatever it is called: %j',
    async (filename) => {
      await open({ WHISPER_DIALECT: 'asr', WHISPER_URL: standIns.whisper.url })
      await model({ name: 'ears', capability: 'transcription', endpoints: at('whisper', null), unit: 'minute', price_in: 60 * MICRO })
      const { key, user } = await billed(60 * MICRO)
      const sound = toneWav(4)
      const form = formBytes([
        ['response_format', 'text'],
        ['file', sound],
      ]).toString('latin1')
      const body = Readable.from([Buffer.from(form.replace('sound.wav', filename || 'x'), 'latin1')])
      const headers = { 'content-type': FORM_TYPE, 'transfer-encoding': 'chunked' }
      expect((await ask(gate.port, { path: '/whisper/api/transcribe', key, method: 'POST', body, headers })).status).toBe(200)
      const seconds = Math.ceil(sound.length / 32_000)
      expect(await last()).toMatchObject({ model: 'ears', units: { seconds }, estimated: true })
      expect(await paid(user, 60 * MICRO)).toBe(seconds * MICRO)
      const poor = await billed(59 * MICRO) // less than the minute that is reserved
      const again = Readable.from([Buffer.from(form, 'latin1')])
      expect((await ask(gate.port, { path: '/whisper/api/transcribe', key: poor.key, method: 'POST', body: again, headers })).status).toBe(
        402,
      )
    },
  )

  it('is charged for sound in few bytes as for the same in many, and reserved so before it is sent', async () => {
    const opus = Buffer.concat([Buffer.from('OggS'), Buffer.alloc(16_000)]) // 8 seconds at 16 kbit/s
    const asked: string[] = []
    const server = createServer((incoming, outgoing) => {
      if (incoming.method === 'POST') asked.push(incoming.url ?? '')
      incoming.resume().on('end', () => outgoing.writeHead(200, { 'content-type': 'text/plain' }).end('so it was said'))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo // it listens at an address
    await open({ WHISPER_DIALECT: 'asr', WHISPER_URL: `http://127.0.0.1:${port}` })
    try {
      await model({ name: 'ears', capability: 'transcription', endpoints: at('whisper', null), unit: 'minute', price_in: 60 * MICRO })
      const orders = (sound: Buffer) =>
        [
          [
            ['response_format', 'text'],
            ['file', sound],
          ],
          [
            ['file', sound],
            ['response_format', 'text'],
          ],
        ] as const
      const send = (key: string, parts: Parameters<typeof formBytes>[0]) =>
        ask(gate.port, { path: '/whisper/api/transcribe', key, body: formBytes(parts), headers: { 'content-type': FORM_TYPE } })
      const poor = await billed(5 * MICRO)
      for (const parts of orders(opus)) expect((await send(poor.key, parts)).status).toBe(402)
      expect(asked).toEqual([])
      for (const parts of orders(opus)) {
        const { key, user } = await billed(60 * MICRO)
        expect((await send(key, parts)).status).toBe(200)
        expect(await last()).toMatchObject({ units: { seconds: 9, bytes: opus.length }, estimated: true })
        expect(await paid(user, 60 * MICRO)).toBe(9 * MICRO)
      }
      // Three seconds and a little, of which many bytes come: not refused to somebody who has enough for them.
      for (const parts of orders(toneWav(3))) expect((await send((await billed(5 * MICRO)).key, parts)).status).toBe(200)
    } finally {
      await gate.quiet()
      server.closeAllConnections()
      server.close()
    }
  })

  it('is counted under the names of the catalog, and the intent says what was asked', async () => {
    await open()
    await model({ name: 'fast', endpoints: at('chat', 'stand-in'), unit: 'token', price_in: 1_000 * MICRO, price_out: 1_000 * MICRO })
    const { key } = await billed(1_000 * MICRO)
    expect((await text('generate', key, { model: 'STAND-IN:latest', prompt: 'hi' })).status).toBe(200)
    const lines = (await gate.lines()).filter(({ service }) => service === 'chat')
    expect(lines.map(({ event, model: name, endpoint }) => [event, name, endpoint])).toEqual([
      ['intent', 'STAND-IN:latest', undefined],
      ['outcome', 'fast', 'builtin:chat'],
    ])
    const cost = Number(lines[1]?.cost_micro)
    expect(cost).toBeGreaterThan(0)
    await house().usage.caughtUp()
    const known = async (by: 'model' | 'endpoint') =>
      (await house().usage.summary({ by, from: '2000-01-01', to: '2999-01-01' })).rows.map(({ name, id, costMicro }) => [
        name || id,
        costMicro,
      ])
    expect([await known('model'), await known('endpoint')]).toEqual([[['fast', cost]], [['builtin:chat', cost]]])
    const { spent } = house().limits
    expect([spent.of('model', 'fast').dayMicro, spent.of('endpoint', 'builtin:chat').dayMicro]).toEqual([cost, cost])
  })

  it('shows a key that is bound to models no names of others', async () => {
    await open()
    await model({ name: 'fast', endpoints: at('chat', 'stand-in') })
    const names = async (path: string, models: string[] | null) => {
      const { body, status } = await call(gate.port, { path: `/chat/api/${path}`, key: (await gate.key({ models })).text })
      expect(status).toBe(200)
      return (JSON.parse(body) as { models: { name: string }[] }).models.map(({ name }) => name).sort()
    }
    await text('generate', (await gate.key()).text, { model: 'stand-in', prompt: 'hi', keep_alive: '5m' })
    expect(await names('tags', null)).toEqual(['stand-in-embed:latest', 'stand-in:latest'])
    expect(await names('tags', ['fast'])).toEqual(['stand-in:latest'])
    expect(await names('tags', ['stand-in-*'])).toEqual(['stand-in-embed:latest'])
    expect(await names('tags', ['nothing'])).toEqual([])
    await until(async () => (await names('ps', null)).length > 0, { withinMs: 2_000, what: 'a model to be loaded' })
    expect([await names('ps', ['fast']), await names('ps', ['nothing'])]).toEqual([['stand-in:latest'], []])
  })
})

it("gets a model's default options where it says nothing of them", async () => {
  const heard: unknown[] = []
  const server = createServer(async (incoming, outgoing) => {
    if (incoming.method === 'POST') heard.push(await readJson(incoming))
    outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{"response":"x","done":true}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens at an address
  await open({ OLLAMA_URL: `http://127.0.0.1:${port}`, TTS_ENABLED: 'false', WHISPER_ENABLED: 'false' })
  try {
    await model({ name: 'fast', endpoints: at('chat', 'llama3.2'), options: { num_ctx: 8192, num_gpu: 3, think: false } })
    const { text: key } = await gate.key()
    await text('generate', key, { model: 'llama3.2', prompt: 'hi' })
    await text('chat', key, { model: 'llama3.2', messages: [], options: { num_ctx: 512, seed: 1 }, think: true })
    await text('generate', key, { model: 'other', prompt: 'hi' })
    await text('show', key, { model: 'llama3.2' })
    expect(heard).toEqual([
      { stream: false, model: 'llama3.2', prompt: 'hi', think: false, options: { num_ctx: 8192, num_gpu: 3 } },
      { stream: false, model: 'llama3.2', messages: [], options: { num_ctx: 512, seed: 1, num_gpu: 3 }, think: true },
      { stream: false, model: 'other', prompt: 'hi' },
      { stream: false, model: 'llama3.2' },
    ])
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
