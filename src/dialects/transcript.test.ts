import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { transcriptAnswer, verboseTranscriptAnswer } from '../contract/index.ts'
import { asrOperations } from './asr/transcribe.ts'
import { openaiTranscription } from './openai/transcribe.ts'
import type { Audio, Transcription } from './operations.ts'
import type { Plan, WholeAnswer } from './plan.ts'
import { whisperCppOperations } from './whispercpp/transcribe.ts'

const FILE = Buffer.from('RIFF not really')
const audio = (size: number | null = null): Audio => ({
  filename: 'he said "hi"\r\n.wav',
  contentType: 'audio/wav',
  size,
  bytes: FILE.length,
  bytesPerSecond: 2_000,
  between: (head, tail) => Readable.from([head, FILE, tail]),
})
const wish = (over: Partial<Transcription> = {}): Transcription => ({
  audio: audio(),
  language: null,
  task: 'transcribe',
  prompt: null,
  temperature: null,
  format: 'json',
  model: null,
  ...over,
})

/** The form as text, its random boundary replaced. */
async function sent({ request }: Plan): Promise<string> {
  const boundary = /boundary=(\S+)$/.exec(request.headers['content-type'] ?? '')?.[1] ?? 'none'
  if (!(request.body instanceof Readable)) throw new Error('no form')
  const parts = await request.body.toArray()
  return `${request.method} ${request.path}\n${Buffer.concat(parts).toString().replaceAll(boundary, 'BOUNDARY').replaceAll('\r\n', '\n')}`
}

const FILE_PART = (part: string) => `--BOUNDARY
content-disposition: form-data; name="${part}"; filename="he said %22hi%22%0D%0A.wav"
content-type: audio/wav

RIFF not really
--BOUNDARY--
`
const field = (name: string, value: string) => `--BOUNDARY\ncontent-disposition: form-data; name="${name}"\n\n${value}\n`
const everything = { language: 'de', prompt: 'names: Ada & Öda', temperature: 0.2, model: 'large' } as const

describe('a transcription as it is asked for', () => {
  it('of whisper-asr-webservice, in the query', async () => {
    expect(await sent(asrOperations.transcribe(wish()))).toBe(
      `POST /asr?encode=true&task=transcribe&output=json\n${FILE_PART('audio_file')}`,
    )
    const plan = asrOperations.transcribe(wish({ ...everything, temperature: 0, task: 'translate', format: 'text' }))
    expect(plan.request.path).toBe('/asr?encode=true&task=translate&output=txt&language=de&initial_prompt=names%3A+Ada+%26+%C3%96da')
    expect(() => asrOperations.transcribe(wish({ temperature: 0.2 }))).toThrow('temperature')
  })

  it('of OpenAI-style servers', async () => {
    expect(await sent(openaiTranscription.transcribe(wish()))).toBe(
      `POST /v1/audio/transcriptions\n${field('model', 'whisper-1')}${field('response_format', 'json')}${FILE_PART('file')}`,
    )
    expect(await sent(openaiTranscription.transcribe(wish({ ...everything, format: 'verbose_json' })))).toBe(
      `POST /v1/audio/transcriptions\n${field('model', 'large')}${field('language', 'de')}${field('prompt', 'names: Ada & Öda')}${field('temperature', '0.2')}${field('response_format', 'verbose_json')}${FILE_PART('file')}`,
    )
    expect(await sent(openaiTranscription.transcribe(wish({ language: 'de', task: 'translate' })))).toBe(
      `POST /v1/audio/translations\n${field('model', 'whisper-1')}${field('response_format', 'json')}${FILE_PART('file')}`,
    )
  })

  it('of whisper.cpp', async () => {
    expect(await sent(whisperCppOperations.transcribe(wish()))).toBe(
      `POST /inference\n${field('response_format', 'json')}${field('language', 'auto')}${FILE_PART('file')}`,
    )
    expect(await sent(whisperCppOperations.transcribe(wish({ ...everything, task: 'translate', format: 'srt' })))).toBe(
      `POST /inference\n${field('response_format', 'srt')}${field('language', 'de')}${field('translate', 'true')}${field('prompt', 'names: Ada & Öda')}${field('temperature', '0.2')}${FILE_PART('file')}`,
    )
  })

  it('with its length when that is known', async () => {
    for (const operations of [asrOperations, openaiTranscription, whisperCppOperations]) {
      const { request } = operations.transcribe(wish({ audio: audio(FILE.length) }))
      if (!(request.body instanceof Readable)) throw new Error('no form')
      expect(Number(request.headers['content-length'])).toBe(Buffer.concat(await request.body.toArray()).length)
    }
  })
})

const DIALECTS = { asr: asrOperations, openai: openaiTranscription, whispercpp: whisperCppOperations }
type Dialect = keyof typeof DIALECTS

const answer = (body: unknown, contentType = 'application/json', status = 200): WholeAnswer => ({
  status,
  contentType,
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
})

const SEGMENT = { id: 0, start: 0, end: 2.5, text: ' Hello there.' }
const WORDS = { id: 0, start: 0, end: 2.5, text: 'Hello there.' }
const ANSWERS: Readonly<Record<Dialect, { json: WholeAnswer; verbose: WholeAnswer }>> = {
  asr: {
    json: answer(
      { language: 'en', segments: [{ ...SEGMENT, tokens: [1], avg_logprob: -0.25 }], text: ' Hello there.' },
      'text/plain; charset=utf-8',
    ),
    verbose: answer(
      { language: 'en', segments: [{ ...SEGMENT, tokens: [1], avg_logprob: -0.25 }], text: ' Hello there.' },
      'text/plain; charset=utf-8',
    ),
  },
  openai: {
    json: answer({ text: 'Hello there.', usage: { type: 'duration', seconds: 3 } }),
    verbose: answer({
      task: 'transcribe',
      language: 'en',
      duration: 3,
      text: 'Hello there.',
      segments: [{ ...SEGMENT, avg_logprob: -0.25 }],
      words: [],
    }),
  },
  whispercpp: {
    json: answer({ text: ' Hello there.\n' }),
    verbose: answer({
      task: 'transcribe',
      language: 'en',
      duration: 3,
      text: ' Hello there.\n',
      segments: [{ ...SEGMENT, words: [], avg_logprob: -0.25 }],
      detected_language: 'english',
    }),
  },
}

describe.each(Object.keys(DIALECTS) as Dialect[])('a transcript from %s', (dialect) => {
  // the keys of that very table
  const reshape = (format: Transcription['format'], from: WholeAnswer) => DIALECTS[dialect].transcribe(wish({ format })).reshape?.(from)

  it('has the same shape as every other', () => {
    const made = reshape('json', ANSWERS[dialect].json)
    expect(transcriptAnswer.strict().parse(JSON.parse(String(made?.body)))).toEqual({ text: 'Hello there.' })
    expect(made?.units).toMatchObject({ bytes: FILE.length })
  })

  it('has the same shape with everything too', () => {
    const made = reshape('verbose_json', ANSWERS[dialect].verbose)
    const { duration, ...rest } = verboseTranscriptAnswer.strict().parse(JSON.parse(String(made?.body)))
    expect(rest).toEqual({ task: 'transcribe', language: 'en', text: 'Hello there.', segments: [{ ...WORDS, avg_logprob: -0.25 }] })
    expect(duration).toBe(dialect === 'asr' ? undefined : 3)
    expect(made?.units).toEqual({ bytes: FILE.length, seconds: dialect === 'asr' ? 2.5 : 3 })
    expect(made?.estimated).toBe(dialect === 'asr' ? true : undefined)
  })

  it('that nobody measured is as long as its bytes, at one rate for all, or as its subtitles say', () => {
    const used = (format: Transcription['format'], from: WholeAnswer) => {
      const made = reshape(format, from)
      return [made?.units?.seconds, made?.estimated]
    }
    const srt = '1\n00:00:00,000 --> 00:00:02,500\nHello\n\n2\n00:00:02,500 --> 01:02:03,250\nthere\n'
    const vtt = 'WEBVTT\n\n00:00.000 --> 00:02.500\nHello\n\n02:02.500 --> 02:03.250 align:start\nthere\n'
    expect([
      used('verbose_json', answer({ text: '', segments: [], language: 'en' })),
      used('text', answer('Hello there.', 'text/plain')),
      used('srt', answer('', 'text/plain')),
      used('srt', answer(srt, 'text/plain')),
      used('vtt', answer(vtt, 'text/plain')),
    ]).toEqual([
      [1, true],
      [1, true],
      [1, true],
      [3_723.25, true],
      [123.25, true],
    ])
  })

  it.each([
    ['text', ' Hello there.\n', 'text/html; charset=utf-8', 'Hello there.\n', 'text/plain; charset=utf-8'],
    [
      'srt',
      '1\n00:00:00,000 --> 00:00:02,500\n Hello\n\n',
      'text/plain',
      '1\n00:00:00,000 --> 00:00:02,500\n Hello\n',
      'application/x-subrip; charset=utf-8',
    ],
    [
      'vtt',
      'WEBVTT\n\n00:00.000 --> 00:02.500\nHello\n\n',
      'text/plain',
      'WEBVTT\n\n00:00.000 --> 00:02.500\nHello\n',
      'text/vtt; charset=utf-8',
    ],
    ['srt', '', 'text/plain', '\n', 'application/x-subrip; charset=utf-8'],
  ] as const)('as %s has its own type, whatever the backend calls it', (format, body, type, text, expected) => {
    const made = reshape(format, answer(body, type))
    expect([made?.body, made?.headers['content-type']]).toEqual([text, expected])
  })

  it.each([
    ['json', answer('Hello there.', 'text/plain')],
    ['json', answer({ error: 'no GPU' })],
    ['verbose_json', answer([])],
    ['text', answer({ error: 'no GPU' })],
    ['vtt', answer('Hello there.', 'text/plain')],
    ['srt', answer('<html>', 'text/html')],
  ] as const)('as %s is never made of something else', (format, from) => {
    expect(() => reshape(format, from)).toThrow()
  })
})

describe('what whisper.cpp hides', () => {
  const { reshape, fault } = whisperCppOperations.transcribe(wish())

  it('is named as far as it can be', () => {
    expect(fault?.(answer('File Not Found (/inference)', 'text/plain', 404))).toMatchObject({
      code: 'UPSTREAM_REFUSED',
      detail: expect.stringContaining('hides why'),
    })
    expect(fault?.(answer('Invalid request', 'text/plain', 400))).toMatchObject({
      code: 'UPSTREAM_REJECTED',
      detail: expect.stringContaining('WAV only'),
    })
  })

  it('in older versions is an error told with status 200', () => {
    expect(() => reshape?.(answer({ error: 'failed to read WAV file' }))).toThrow(
      expect.objectContaining({ detail: expect.stringContaining('failed to read WAV file') }),
    )
  })
})
