import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { type Call, call } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { asrJson, type HostileUpstream, hostileUpstream } from '../support/hostile.ts'
import { ask, FORM_TYPE, formBytes } from '../support/media.ts'
import { type RawCaller, rawCaller } from '../support/raw-caller.ts'
import { parseAnswer, rawExchange } from '../support/raw-http.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

// One less, all, and one more of each limit. The numbers stand here as they were promised, so that a limit that is moved is seen.

const CONNECTIONS = 6
const IMAGE_BYTES = 4_096
const AUDIO_BYTES = 8_192

let chat: TextBackend
let media: StandIns
let ears: HostileUpstream
let gate: GatewayUnderTest
let key: TestKey
beforeAll(async () => {
  ;[chat, media, ears] = await Promise.all([textBackend(), startStandIns({ imageStepMs: 0 }), hostileUpstream(() => asrJson(' Hello'))])
  gate = await startTestGateway({
    OLLAMA_URL: chat.url,
    TTS_ENABLED: 'true',
    TTS_URL: media.tts.url,
    IMAGE_ENABLED: 'true',
    IMAGE_URL: media.image.url,
    IMAGE_BODY_MAX: `${IMAGE_BYTES / 1_024}KiB`,
    WHISPER_ENABLED: 'true',
    WHISPER_URL: ears.url,
    WHISPER_DIALECT: 'asr',
    WHISPER_BODY_MAX: `${AUDIO_BYTES / 1_024}KiB`,
    CONNECTIONS_PER_ADDRESS: String(CONNECTIONS),
  })
  key = await gate.key()
})
afterEach(() => chat.forget())
afterAll(async () => {
  await gate.stop()
  await Promise.all([chat.close(), media.close(), ears.close()])
})

/** What the limit's neighbours come to, in order. */
const around = async <T>(limit: number, tried: (n: number) => Promise<T>): Promise<T[]> => [
  await tried(limit - 1),
  await tried(limit),
  await tried(limit + 1),
]

describe('a JSON body', () => {
  const nested = (levels: number): string => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`
  const containers = (count: number): string => `{"a":[${Array(count - 2).fill('[]')}]}`
  const objects = (count: number): string => `{"a":[${Array(count - 2).fill('{}')}]}`
  const outerKeys = (count: number): string => `{${Array.from({ length: count }, (_, n) => `"k${n}":1`)}}`
  const keys = (count: number): string => `{"a":{${Array.from({ length: count - 1 }, (_, n) => `"k${n}":1`)}}}`
  const texts = (count: number): string => `{"a":[${Array(count - 1).fill('""')}]}`
  const keysSpread = (count: number): string => `{"a":[${Array(count - 1).fill('{"b":1}')}]}`

  it.each<readonly [string, number, (n: number) => string]>([
    ['levels', 64, nested],
    ['arrays', 100_000, containers],
    ['objects', 100_000, objects],
    ['texts, the names of keys included', 1_000_000, texts],
    ['outermost keys', 256, outerKeys],
    ['keys in one object', 20_000, keys],
    ['keys in many objects', 20_000, keysSpread],
  ])('has at most so many %s: %i', async (_name, limit, body) => {
    const answers = await around(limit, (n) => call(gate.port, { path: '/chat/api/generate', key: key.text, body: body(n) }))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400])
    expect(answers[2]?.body).toMatch(/nested too deeply, or holds too many keys, containers or texts/)
    expect(chat.asked).toHaveLength(2)
    expect((await gate.refusals()).at(-1)).toMatchObject({ code: 'BODY_TOO_DEEP' })
  })

  it('is held to the same on the faces of our own and on the management socket', async () => {
    const socketPath = gate.gateway.house.socket
    for (const asked of [
      { path: '/tts/api/speak', key: key.text },
      { path: '/image/api/generate', key: key.text },
      { path: '/admin/api/keys', socketPath },
    ]) {
      const answers = await around(64, (n) => call(gate.port, { ...asked, body: nested(n) }))
      expect(answers.map(({ status, body }) => [status, /BODY_TOO_DEEP/.test(body)])).toEqual([
        [400, false],
        [400, false],
        [400, true],
      ])
    }
  })
})

describe('a header block', () => {
  const withHeaders = async (headers: string): Promise<{ status: number; body: string }> =>
    parseAnswer(await rawExchange(gate.port, `GET /health HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n${headers}\r\n`))

  it('holds at most 100 headers', async () => {
    const answers = await around(100, (n) => withHeaders('X-A: a\r\n'.repeat(n - 2)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 431])
    expect(JSON.parse(answers[2]?.body ?? '')).toMatchObject({ status: 431, code: 'HEADERS_TOO_LARGE', detail: 'more than 100 headers' })
  })

  it('is smaller than 16 KiB, as Node counts it: the target, the names and the values', async () => {
    const others = '/health'.length + 'Hostgate'.length + 'Connectionclose'.length + 'X-A'.length
    const answers = await around(16 * 1024 - 1, (n) => withHeaders(`X-A: ${'a'.repeat(n - others)}\r\n`))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 431])
    expect(JSON.parse(answers[2]?.body ?? '')).toMatchObject({
      status: 431,
      code: 'HEADERS_TOO_LARGE',
      title: 'The header block is larger, or holds more headers, than this gateway takes',
    })
  })
})

/** JSON may end in spaces, so that any body can be as long as one likes. */
const padded = (value: unknown, bytes: number): Buffer => Buffer.from(JSON.stringify(value).padEnd(bytes))
type Sized = Call & { readonly body: Buffer }
const FORM_BYTES = formBytes([['file', Buffer.alloc(0)]]).length

describe('a body', () => {
  const admin = (): Call => ({ path: '/admin/api/keys', socketPath: gate.gateway.house.socket })
  const sized =
    (path: string, value: unknown) =>
    (bytes: number): Sized => ({ path, body: padded(value, bytes) })

  it.each<readonly [string, number, (bytes: number) => Sized]>([
    ['speech text', 64 * 1024, sized('/tts/api/speak', { text: 'Good morning.' })],
    ['an order of pictures', IMAGE_BYTES, sized('/image/api/generate', { prompt: 'a gate', steps: 1, width: 64, height: 64 })],
    ['a simple order of pictures', IMAGE_BYTES, sized('/image/api/generate/simple', { prompt: 'a gate' })],
    [
      'sound',
      AUDIO_BYTES,
      (bytes) => ({
        path: '/whisper/api/transcribe',
        body: formBytes([['file', Buffer.alloc(bytes - FORM_BYTES, 'sound')]]),
        headers: { 'content-type': FORM_TYPE },
      }),
    ],
  ])('of %s has at most %i bytes, announced or not', async (_name, limit, asked) => {
    const announced = await around(limit, (n) => call(gate.port, { key: key.text, ...asked(n) }))
    expect(announced.map(({ status }) => status)).toEqual([200, 200, 413])
    expect(announced[2]?.body).toContain('BODY_TOO_LARGE')
    const chunked = await around(limit, (n) => {
      const { path, body, headers } = asked(n)
      return ask(gate.port, {
        path,
        key: key.text,
        headers: { 'content-type': 'application/json', ...headers },
        body: Readable.from([body]),
      })
    })
    expect(chunked.map(({ status }) => status)).toEqual([200, 200, 413])
  })

  it('of an order to the management has at most 256 KiB, and of an import 4 MiB', async () => {
    const orders = await around(256 * 1024, (n) => call(0, { ...admin(), body: padded({ user: 'ada', rights: ['text'] }, n) }))
    expect(orders.map(({ status }) => status)).toEqual([201, 201, 413])
    const imports = await around(4 * 1024 * 1024, (n) => call(0, { ...admin(), path: '/admin/api/keys/import', body: padded({}, n) }))
    expect(imports.map(({ status }) => status)).toEqual([400, 400, 413])
  })
})

describe('connections', () => {
  it('of one address are at most as many as configured, and one that goes makes room', async () => {
    const open = async (from: string): Promise<RawCaller> => {
      const caller = await rawCaller(gate.port, { from })
      caller.write('GET /health HTTP/1.1\r\nHost: gate\r\n\r\n')
      await caller.heard('HTTP/1.1 ')
      return caller
    }
    const statusOf = ({ received }: RawCaller): string => received.slice(9, 12)
    const callers: RawCaller[] = []
    for (let n = 0; n < CONNECTIONS + 1; n += 1) callers.push(await open('127.0.9.1'))
    expect(callers.map(statusOf)).toEqual([...Array(CONNECTIONS).fill('200'), '429'])
    expect(callers.at(-1)?.received).toContain('TOO_MANY_CONNECTIONS')
    expect(statusOf(await open('127.0.9.2'))).toBe('200')
    callers[0]?.leave('close')
    await until(async () => statusOf(await open('127.0.9.1')) === '200', { withinMs: 2_000, what: 'a place' })
    for (const caller of callers) caller.leave('close')
  })
})
