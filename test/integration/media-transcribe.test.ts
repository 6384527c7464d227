import { readdir, readlink } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { transcriptAnswer, verboseTranscriptAnswer } from '../../src/contract/index.ts'
import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { ask, FORM_END, FORM_TYPE, formBytes, type MediaAnswer, partHead, toneWav } from '../support/media.ts'
import { until } from '../support/until.ts'
import { whisperCpp } from '../support/whisper-cpp.ts'
import { type WhisperServer, whisperOpenai } from '../support/whisper-openai.ts'

const DIALECTS = ['asr', 'openai', 'whispercpp'] as const
type Dialect = (typeof DIALECTS)[number]
const WAV = toneWav()

const withWhisper = (url: string, dialect: string, more: Readonly<Record<string, string>> = {}) =>
  startTestGateway({ CHAT_ENABLED: 'false', WHISPER_ENABLED: 'true', WHISPER_URL: url, WHISPER_DIALECT: dialect, ...more })

type Fields = readonly (readonly [string, string | Buffer])[]
const transcribe = (gate: GatewayUnderTest, key: TestKey, parts: Fields, query = ''): Promise<MediaAnswer> =>
  ask(gate.port, { path: `/whisper/api/transcribe${query}`, key: key.text, body: formBytes(parts), headers: { 'content-type': FORM_TYPE } })

async function spooledFiles(): Promise<number> {
  const links = await Promise.all((await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return links.filter((link) => /\/portcullis-\w{24} \(deleted\)$/.test(link)).length
}

describe.each(DIALECTS)('a transcription by %s', (dialect: Dialect) => {
  let standIns: StandIns
  let server: WhisperServer | null = null
  let gate: GatewayUnderTest
  let key: TestKey
  beforeAll(async () => {
    standIns = await startStandIns({ whisperMs: 0 })
    if (dialect === 'openai') server = await whisperOpenai({ models: ['whisper-1', 'large'] })
    if (dialect === 'whispercpp') server = await whisperCpp()
    gate = await withWhisper(server?.url ?? standIns.whisper.url, dialect)
    key = await gate.key({ rights: ['whisper'] })
  })
  afterEach(async () => {
    await gate.quiet()
    await until(async () => (await spooledFiles()) === 0, { withinMs: 2_000, what: 'the spool to be empty' })
  })
  afterAll(async () => {
    await gate.stop()
    await server?.close()
    await standIns.close()
  })

  const ORDERS: readonly [string, Fields, string][] = [
    [
      'options before the file',
      [
        ['response_format', 'json'],
        ['language', 'en'],
        ['file', WAV],
      ],
      '',
    ],
    [
      'options after the file, as SDKs send them',
      [
        ['file', WAV],
        ['response_format', 'json'],
        ['language', 'en'],
      ],
      '',
    ],
    [
      'options around the file, as long as none came before it',
      [
        ['audio_file', WAV],
        ['language', 'en'],
      ],
      '',
    ],
    ['options in the query', [['audio', WAV]], '?output=json&language=en'],
    ['no options', [['file', WAV]], ''],
  ]
  it.each(ORDERS)('is made with %s', async (_what, parts, query) => {
    const answer = await transcribe(gate, key, parts, query)
    expect(answer.status, answer.text).toBe(200)
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
    const { text } = transcriptAnswer.strict().parse(answer.json())
    expect(text).toContain(`a WAV file of ${Math.round(WAV.length / 1_000)} kB`)
    expect((await gate.outcomes()).at(-1)).toMatchObject({
      route: '/whisper/api/transcribe',
      bytes_in: formBytes(parts).length,
      units: { bytes: WAV.length },
      ended: 'complete',
    })
  })

  it('is verbose in one shape', async () => {
    const answer = await transcribe(gate, key, [
      ['response_format', 'verbose_json'],
      ['file', WAV],
    ])
    const { segments, duration } = verboseTranscriptAnswer.strict().parse(answer.json())
    expect(segments.length).toBeGreaterThan(1)
    expect(duration).toBe(dialect === 'asr' ? undefined : 1)
  })

  it.each([
    ['text', 'text/plain; charset=utf-8', /^This is a transcript by a stand-in.*\n$/s],
    ['srt', 'application/x-subrip; charset=utf-8', /^1\n00:00:00,000 --> /],
    ['vtt', 'text/vtt; charset=utf-8', /^WEBVTT\n\n00:/],
  ])('is given as %s', async (format, type, looks) => {
    const answer = await transcribe(gate, key, [
      ['output', format],
      ['file', WAV],
    ])
    expect(answer.headers['content-type']).toBe(type)
    expect(answer.text).toMatch(looks)
  })

  const FILE = ['file', WAV] as const
  it.each<[string, (key: string) => { parts: Fields; query?: string; always: boolean }]>([
    ['in its query', (text) => ({ parts: [FILE], query: `?prompt=${text}`, always: true })],
    ['in its query, spelled', (text) => ({ parts: [FILE], query: `?prompt=${text.replaceAll('_', '%5F')}`, always: true })],
    ['in a field before its file', (text) => ({ parts: [['prompt', `a ${text}`], FILE], always: false })],
    ['in a field after its file', (text) => ({ parts: [FILE, ['prompt', `a ${text}`]], always: false })],
  ])('is refused with a key %s, where that would stand in a URL', async (_where, made) => {
    const { parts, query, always } = made((await gate.key({ rights: ['whisper'] })).text)
    const answer = await transcribe(gate, key, parts, query)
    const refused = always || dialect === 'asr'
    expect(answer.status, answer.text).toBe(refused ? 400 : 200)
    if (refused) expect(answer.text).toContain('A key stands in the URL')
  })

  it('of what is no sound is refused', async () => {
    const answer = await transcribe(gate, key, [
      ['language', 'en'],
      ['file', Buffer.from('no sound')],
    ])
    const statuses: Readonly<Record<Dialect, number>> = { asr: 502, openai: 415, whispercpp: 400 }
    expect(answer.status).toBe(statuses[dialect])
    expect(answer.headers['content-type']).toBe('application/problem+json')
  })

  it('is translated when that is asked for', async () => {
    const answer = await transcribe(gate, key, [
      ['task', 'translate'],
      ['file', WAV],
    ])
    expect(answer.status).toBe(200)
    if (dialect === 'openai') expect(server?.asked.at(-1)?.path).toBe('/v1/audio/translations')
    if (dialect === 'whispercpp') expect(server?.asked.at(-1)?.form.fields.get('translate')).toBe('true')
  })

  it.each<[string, Fields, string, number, string]>([
    ['no file', [['language', 'en']], '', 400, 'There is no file in this form'],
    [
      'two files',
      [
        ['file', WAV],
        ['file', WAV],
      ],
      '',
      400,
      'two files',
    ],
    [
      'a late option',
      [
        ['language', 'en'],
        ['file', WAV],
        ['prompt', 'x'],
      ],
      '',
      400,
      'prompt: came after the file',
    ],
    [
      'a late option behind a query',
      [
        ['file', WAV],
        ['prompt', 'x'],
      ],
      '?language=en',
      400,
      'prompt: came after the file',
    ],
    [
      'an unknown option',
      [
        ['file', WAV],
        ['word_timestamps', 'true'],
      ],
      '',
      400,
      'word_timestamps: there is no such field',
    ],
    ['an unknown option in the query', [['file', WAV]], '?vad_filter=true', 400, 'vad_filter: there is no such field'],
    [
      'options that differ',
      [
        ['language', 'de'],
        ['file', WAV],
      ],
      '?language=en',
      400,
      'language: is said twice, and differently',
    ],
    [
      'a bad language',
      [
        ['language', 'tlh'],
        ['file', WAV],
      ],
      '',
      400,
      '"language" must be a language code',
    ],
    [
      'a bad format behind the file',
      [
        ['file', WAV],
        ['response_format', 'pdf'],
      ],
      '',
      400,
      '"response_format" must be one of json, text, srt',
    ],
    ['a bad format by its other name', [['file', WAV]], '?output=bogus', 400, '"output" must be one of json, text, srt'],
    [
      'a bad format by its other name in the form',
      [
        ['output', 'bogus'],
        ['file', WAV],
      ],
      '',
      400,
      '"output" must be one of json, text, srt',
    ],
  ])('with %s is refused', async (_what, parts, query, status, detail) => {
    const answer = await transcribe(gate, key, parts, query)
    expect(answer.status).toBe(status)
    expect(answer.json().detail).toContain(detail)
  })
})

describe('a body that is no form', () => {
  let gate: GatewayUnderTest
  let key: TestKey
  beforeAll(async () => {
    gate = await withWhisper('http://127.0.0.1:9', 'asr')
    key = await gate.key({ rights: ['whisper'] })
  })
  afterAll(async () => {
    await gate.stop()
  })
  const send = (body: Buffer, headers: Record<string, string>) =>
    ask(gate.port, { path: '/whisper/api/transcribe', key: key.text, body, headers })

  it.each([
    ['JSON', Buffer.from('{}'), { 'content-type': 'application/json' }, 415, 'multipart/form-data'],
    ['the bare sound', WAV, { 'content-type': 'audio/wav' }, 415, 'multipart/form-data'],
    ['compressed', formBytes([['file', WAV]]), { 'content-type': FORM_TYPE, 'content-encoding': 'gzip' }, 415, 'Content-Encoding'],
    ['without a boundary', formBytes([['file', WAV]]), { 'content-type': 'multipart/form-data' }, 400, 'no boundary'],
    ['of another boundary', formBytes([['file', WAV]]), { 'content-type': 'multipart/form-data; boundary=x' }, 400, 'last boundary'],
    ['empty', Buffer.alloc(0), { 'content-type': FORM_TYPE }, 400, 'last boundary'],
    ['cut', Buffer.from(`${partHead('file', 'a.wav')}half`), { 'content-type': FORM_TYPE }, 400, 'last boundary'],
  ])('(%s) is refused', async (_what, body, headers, status, detail) => {
    const answer = await send(body, headers)
    expect(answer.status).toBe(status)
    expect(answer.json().detail).toContain(detail)
  })

  it('is told when there is nobody to hear it', async () => {
    const answer = await send(formBytes([['file', WAV]]), { 'content-type': FORM_TYPE })
    expect(answer.status).toBe(503)
    expect(answer.json().code).toBe('UPSTREAM_UNREACHABLE')
  })

  it('is refused by its size before it is read, and while it is', async () => {
    const small = await withWhisper('http://127.0.0.1:9', 'asr', { WHISPER_BODY_MAX: '64KiB' })
    const smallKey = await small.key({ rights: ['whisper'] })
    try {
      const [limit, end] = [64 * 1024, Buffer.from(`\r\n${FORM_END}`)]
      const head = Buffer.from(partHead('file', 'a.wav'))
      const ofSize = (bytes: number): Buffer => Buffer.concat([head, Buffer.alloc(bytes - head.length - end.length), end])
      const statusOf = async (bytes: number, chunked: boolean): Promise<number> => {
        const headers = { 'content-type': FORM_TYPE, ...(chunked ? { 'transfer-encoding': 'chunked' } : {}) }
        const body = chunked ? Readable.from([ofSize(bytes)]) : ofSize(bytes)
        return (await ask(small.port, { path: '/whisper/api/transcribe', key: smallKey.text, body, headers })).status
      }
      expect(await Promise.all([limit - 1, limit, limit + 1].map((bytes) => statusOf(bytes, false)))).toEqual([503, 503, 413])
      expect(await Promise.all([limit - 1, limit, limit + 1].map((bytes) => statusOf(bytes, true)))).toEqual([503, 503, 413])
    } finally {
      await small.stop()
    }
  })
})

describe('whisper.cpp while it loads', () => {
  let server: Awaited<ReturnType<typeof whisperCpp>>
  let gate: GatewayUnderTest
  beforeEach(async () => {
    server = await whisperCpp()
    gate = await withWhisper(server.url, 'whispercpp')
  })
  afterEach(async () => {
    await gate.stop()
    await server.close()
  })

  it('is a backend that failed, not a route that is missing', async () => {
    const key = await gate.key({ rights: ['whisper'] })
    server.loading(true)
    const answer = await transcribe(gate, key, [
      ['language', 'en'],
      ['file', WAV],
    ])
    expect(answer.status).toBe(502)
    expect(answer.json()).toMatchObject({ code: 'UPSTREAM_REFUSED', detail: expect.stringContaining('may still be loading') })
    server.loading(false)
    expect(
      (
        await transcribe(gate, key, [
          ['language', 'en'],
          ['file', WAV],
        ])
      ).status,
    ).toBe(200)
  })
})
