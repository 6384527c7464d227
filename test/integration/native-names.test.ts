import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json as readJson } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { type SpeechServer, speechOpenai } from '../support/speech-openai.ts'
import { until } from '../support/until.ts'

const MICRO = 1_000_000
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII='
const SDXL = 'sdxl.safetensors [31e35c80fc]'
const SD15 = 'v1-5.ckpt [cc6cb27103]'
const TURBO = 'sdxl-turbo.safetensors [e869ac7d69]'
/** Whatever AUTOMATIC1111 takes for the first of these. */
const SPELLINGS = ['sdxl.safetensors', 'sdxl', '31e35c80fc', 'dxl', 'sdxl.safetensors [00000000]', ' sdxl']

type Body = Readonly<Record<string, unknown>>
let painter: Server
let asked: Body[] = []
let gate: GatewayUnderTest
let users = 0

beforeAll(async () => {
  painter = createServer(async (incoming, outgoing) => {
    const title = (text: string) => ({ title: text, model_name: text.split('.')[0] })
    if (incoming.method === 'POST') asked.push((await readJson(incoming)) as Body)
    const answer =
      incoming.method === 'POST' ? { images: [PNG], parameters: {}, info: '{}' } : [SDXL, SD15, TURBO].map((text) => title(text))
    outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  await new Promise<void>((resolve) => painter.listen(0, '127.0.0.1', resolve))
})
afterAll(() => {
  painter.closeAllConnections()
  painter.close()
})
beforeEach(() => {
  asked = []
})
afterEach(() => gate.stop())

const open = async (over: Readonly<Record<string, string>> = {}): Promise<void> => {
  const { port } = painter.address() as AddressInfo // it listens at an address
  const image = { IMAGE_ENABLED: 'true', IMAGE_URL: `http://127.0.0.1:${port}` }
  gate = await startTestGateway({ DISCOVERY: 'false', CHAT_ENABLED: 'false', ...image, ...over })
}
const models = () => gate.gateway.house.models
const picture = (name: string, upstream: string | null, over: object = {}) =>
  models().manage.models.create({ name, capability: 'image', endpoints: [{ endpoint: 'builtin:image', upstream }], ...over })
const billed = async (balance: number, over: object = {}): Promise<string> => {
  users += 1
  const user = `user-${users}`
  await gate.gateway.house.identity.users.create({ name: user, balance })
  return (await gate.key({ user, ...over })).text
}
const draw = async (key: string, checkpoint: unknown, more: object = {}) => {
  const settings = checkpoint === null ? {} : { override_settings: { sd_model_checkpoint: checkpoint } }
  const { status, body } = await call(gate.port, { path: '/image/api/generate', key, body: { prompt: 'x', ...settings, ...more } })
  return { status, detail: String(JSON.parse(body).detail ?? '') }
}
const simple = (key: string) => call(gate.port, { path: '/image/api/generate/simple', key, body: { prompt: 'x' } })
const checkpointSent = (): unknown => (asked.at(-1)?.override_settings as Body | undefined)?.sd_model_checkpoint // as the test itself has it
const PRICED = { price_out: MICRO }

describe('a checkpoint of AUTOMATIC1111', () => {
  it('with a price is paid for however it is spelled', async () => {
    await open()
    await picture('xl', SDXL, PRICED)
    await picture('small', SD15)
    const poor = await billed(0)
    expect((await draw(poor, SDXL)).status).toBe(402)
    for (const spelling of [...SPELLINGS, 31, true]) {
      const { status, detail } = await draw(poor, spelling)
      expect([spelling, status]).toEqual([spelling, 404])
      expect(detail).toContain('want the whole name')
    }
    expect((await draw(poor, 'sdxl')).detail).toContain(`: "${SDXL}"`)
    expect(asked).toEqual([])
    expect((await draw(poor, SD15)).status).toBe(200)
    expect((await draw(await billed(MICRO), SDXL)).status).toBe(200)
    await gate.quiet()
    expect((await gate.outcomes()).at(-1)).toMatchObject({ model: 'xl', cost_micro: MICRO })
  })

  it.each([
    ['a limit', { rpm: 1 }],
    ['requests at once', { concurrency: 1 }],
    ['a budget', { budget_day: MICRO }],
  ])('with %s is limited so too', async (_what, limit) => {
    await open()
    await picture('xl', SDXL, limit)
    const { text: key } = await gate.key()
    expect((await draw(key, SDXL)).status).toBe(200)
    for (const spelling of SPELLINGS) expect((await draw(key, spelling)).status).toBe(404)
  })

  it('that is switched off is so under every name', async () => {
    await open()
    await picture('xl', SDXL)
    const { text: key } = await gate.key()
    for (const spelling of [SDXL, ...SPELLINGS]) expect((await draw(key, spelling)).status).toBe(200)
    await models().manage.models.edit('xl', { active: false })
    for (const spelling of [SDXL, ...SPELLINGS]) expect((await draw(key, spelling)).status).toBe(404)
    expect([(await draw(key, null)).status, (await simple(key)).status]).toEqual([404, 404])
    await models().manage.models.edit('xl', { active: true })
    expect((await draw(key, 'sdxl')).status).toBe(200)
  })

  it('is for keys that are bound to others under no name', async () => {
    await open()
    await picture('xl', SDXL)
    await picture('cheap', SD15)
    const { text: key } = await gate.key({ models: ['cheap', 's*'] })
    for (const spelling of [SDXL, ...SPELLINGS]) expect([spelling, (await draw(key, spelling)).status]).toEqual([spelling, 404])
    expect((await draw(key, SD15)).status).toBe(200)
    expect(asked).toHaveLength(1)
    const { text: free } = await gate.key()
    for (const spelling of [SDXL, ...SPELLINGS]) expect((await draw(free, spelling)).status).toBe(200)
  })

  it('is free in its spelling for holders of manage:image', async () => {
    await open()
    await picture('xl', SDXL, PRICED)
    const key = await billed(0, { rights: ['image', 'manage:image'] })
    expect([(await draw(key, SDXL)).status, (await draw(key, 'sdxl')).status, (await draw(key, null)).status]).toEqual([402, 200, 200])
  })

  it('is the only one there is where none is named, and has to be named where there are several', async () => {
    await open()
    await picture('xl', SDXL, PRICED)
    const [poor, rich] = [await billed(0), await billed(10 * MICRO)]
    expect([(await draw(poor, null)).status, (await simple(poor)).status, (await draw(poor, '')).status]).toEqual([402, 402, 402])
    expect((await draw(rich, null, { override_settings: { sd_vae: 'a' } })).status).toBe(200)
    expect(asked.at(-1)?.override_settings).toEqual({ sd_vae: 'a', sd_model_checkpoint: SDXL })
    expect((await simple(rich)).status).toBe(200)
    expect(checkpointSent()).toBe(SDXL)
    expect((await gate.outcomes()).slice(-2)).toMatchObject([
      { model: 'xl', cost_micro: MICRO },
      { model: 'xl', cost_micro: MICRO },
    ])
    await picture('small', SD15)
    expect((await draw(rich, null)).detail).toContain('name one as "override_settings.sd_model_checkpoint"')
    expect([(await draw(rich, null)).status, (await simple(rich)).status]).toEqual([404, 404])
    await picture('loaded', null)
    expect([(await draw(poor, null)).status, (await simple(poor)).status]).toEqual([200, 200])
    expect(checkpointSent()).toBe(undefined)
  })

  it('is known by its title where it appeared by itself, and not by what may be another one', async () => {
    await open({ DISCOVERY: 'true' })
    await until(() => models().find('v1-5'), { withinMs: 5_000, what: 'the checkpoints to appear' })
    const { text: key } = await gate.key()
    expect([(await draw(key, 'v1-5')).status, (await draw(key, null)).status]).toEqual([200, 200])
    const { text: bound } = await gate.key({ models: ['v1-5', 'stable-diffusion'] })
    expect([(await draw(bound, SD15)).status, (await draw(bound, 'v1-5')).status, (await draw(bound, null)).status]).toEqual([
      200, 404, 200,
    ])
    await picture('xl', 'sdxl', PRICED) // by a part of its title: which of the two it is only the backend knows
    expect([(await draw(key, SD15)).status, (await draw(key, SDXL)).status, (await draw(key, TURBO)).status]).toEqual([200, 404, 404])
    expect([(await draw(key, null)).status, (await draw(bound, null)).status]).toEqual([404, 404]) // what is loaded may be the one with the price
  })
})

describe('a second checkpoint for the same picture', () => {
  const besides = (name: unknown): readonly object[] => [
    { refiner_checkpoint: name, refiner_switch_at: 0.1 },
    { enable_hr: true, hr_checkpoint_name: name },
    { alwayson_scripts: { Refiner: { args: [true, name, 0.1] } } },
    { alwayson_scripts: { ADetailer: { args: [true, { ad_model: 'face.pt', ad_use_checkpoint: true, ad_checkpoint: name }] } } },
  ]

  it('is for no key that may not use it', async () => {
    await open()
    await picture('cheap-pic', SD15)
    await picture('xl', SDXL)
    const { text: bound } = await gate.key({ models: ['cheap-pic'] })
    for (const name of [SDXL, ...SPELLINGS]) {
      for (const beside of besides(name)) expect([beside, (await draw(bound, SD15, beside)).status]).toEqual([beside, 404])
    }
    expect(asked).toEqual([])
    for (const name of [SD15, '', 'None', 'Use same checkpoint'])
      for (const beside of besides(name)) expect((await draw(bound, SD15, beside)).status).toBe(200)
    const { text: free } = await gate.key()
    for (const beside of besides('sdxl')) expect((await draw(free, SD15, beside)).status).toBe(200)
  })

  it('has no price of its own, but for holders of manage:image', async () => {
    await open()
    await picture('cheap', SD15)
    await picture('xl', SDXL, PRICED)
    const rich = await billed(100 * MICRO)
    for (const beside of besides(SDXL)) {
      const { status, detail } = await draw(rich, SD15, beside)
      expect([status, detail.includes('manage:image')]).toEqual([403, true])
    }
    for (const beside of besides('sdxl')) expect((await draw(rich, SD15, beside)).status).toBe(404)
    expect(asked).toEqual([])
    for (const beside of [...besides(SD15), ...besides(SDXL)]) expect((await draw(rich, SDXL, beside)).status).toBe(200)
    const { text: manager } = await gate.key({ rights: ['image', 'manage:image'] })
    for (const beside of besides('sdxl')) expect((await draw(manager, SD15, beside)).status).toBe(200)
  })
})

describe('a voice of a speech server in the manner of OpenAI', () => {
  let speech: SpeechServer
  beforeAll(async () => {
    speech = await speechOpenai({ flavour: 'kokoro' })
  })
  afterAll(() => speech.close())
  const speak = async (key: string, model?: string): Promise<number> =>
    (await call(gate.port, { path: '/tts/api/speak', key, body: { text: 'x', ...(model !== undefined && { model }) } })).status
  const voice = (name: string, upstream: string, over: object = {}) =>
    models().manage.models.create({
      name,
      capability: 'speech',
      endpoints: [{ endpoint: 'builtin:tts', upstream }],
      unit: 'request',
      ...over,
    })

  it.each(['false', 'true'])('with a price is paid for under every name of it (discovery %s)', async (discovery) => {
    await open({ DISCOVERY: discovery, IMAGE_ENABLED: 'false', TTS_ENABLED: 'true', TTS_URL: speech.url, TTS_DIALECT: 'openai' })
    if (discovery === 'true') await until(() => models().find('tts-1-hd'), { withinMs: 5_000, what: 'the voices to appear' })
    const [poor, rich] = [await billed(0), await billed(10 * MICRO)]
    expect([await speak(poor), await speak(poor, 'tts-1-hd')]).toEqual([200, 200])
    await voice('narrator', 'kokoro', { price_in: MICRO })
    const before = speech.asked.length
    expect([await speak(poor, 'kokoro'), await speak(poor), await speak(poor, 'tts-1'), await speak(poor, 'tts-1-hd')]).toEqual([
      402, 402, 404, 404,
    ])
    expect(speech.asked.length).toBe(before)
    expect(await speak(rich)).toBe(200)
    expect(speech.asked.at(-1)).toMatchObject({ model: 'kokoro' })
    expect((await gate.outcomes()).at(-1)).toMatchObject({ model: 'narrator', cost_micro: MICRO })
    await voice('usual', 'tts-1')
    expect([await speak(poor), await speak(poor, 'tts-1-hd')]).toEqual([200, 404])
    await models().manage.models.delete('usual')
    await voice('fine', 'tts-1-hd')
    expect([await speak(poor), await speak(poor, 'tts-1-hd')]).toEqual([404, 200])
  })
})
