import { describe, expect, it } from 'vitest'
import { openaiSpeech } from '../openai/speech.ts'
import type { Speech } from '../operations.ts'
import type { Plan } from '../plan.ts'
import { speakOperations } from './speech.ts'

const speech = (over: Partial<Speech> = {}): Speech => ({
  text: 'Hello 👋',
  voice: null,
  ratePercent: 0,
  format: 'mp3',
  model: null,
  ...over,
})

const sent = ({ request: { method, path, headers, body } }: Plan) => ({
  line: `${method} ${path}`,
  headers,
  body: JSON.parse(String(body)),
})
const JSON_HEADERS = { 'content-type': 'application/json' }

describe('speech in /speak', () => {
  it.each<[string, Partial<Speech>, object]>([
    ['the text alone', {}, { text: 'Hello 👋' }],
    ['a voice of its own', { voice: 'de-DE-KatjaNeural' }, { text: 'Hello 👋', voice: 'de-DE-KatjaNeural' }],
    ['a voice of OpenAI', { voice: 'nova' }, { text: 'Hello 👋', voice: 'en-US-AriaNeural' }],
    ['a voice whose name every object knows', { voice: 'constructor' }, { text: 'Hello 👋', voice: 'constructor' }],
    ['faster', { ratePercent: 10 }, { text: 'Hello 👋', rate: '+10%' }],
    ['slower', { ratePercent: -25 }, { text: 'Hello 👋', rate: '-25%' }],
  ])('sends %s', (_what, over, body) => {
    expect(sent(speakOperations.speech(speech(over)))).toEqual({ line: 'POST /speak', headers: JSON_HEADERS, body })
  })

  it('makes mp3 only, of one model', () => {
    expect(() => speakOperations.speech(speech({ format: 'wav' }))).toThrow(
      expect.objectContaining({ detail: 'This speech backend makes mp3 only, not wav', hints: { param: 'response_format' } }),
    )
    expect(() => speakOperations.speech(speech({ model: 'tts-1' }))).toThrow('no models to choose from')
  })

  it('says that a failure may be an unknown voice', () => {
    const { fault } = speakOperations.speech(speech())
    const told = fault?.({ status: 500, contentType: 'text/plain', body: Buffer.from('Internal Server Error') })
    expect(told).toMatchObject({ code: 'UPSTREAM_REFUSED', detail: expect.stringContaining('a voice that it does not know') })
  })
})

describe('speech in OpenAI’s style', () => {
  it.each<[string, Partial<Speech>, object]>([
    ['the text alone', {}, { model: 'tts-1', input: 'Hello 👋', response_format: 'mp3' }],
    [
      'everything',
      { voice: 'af_heart', ratePercent: 10, format: 'opus', model: 'kokoro' },
      { model: 'kokoro', input: 'Hello 👋', voice: 'af_heart', response_format: 'opus', speed: 1.1 },
    ],
    ['a third of the speed', { ratePercent: -67 }, { model: 'tts-1', input: 'Hello 👋', response_format: 'mp3', speed: 0.33 }],
  ])('sends %s', (_what, over, body) => {
    expect(sent(openaiSpeech.speech(speech(over)))).toEqual({ line: 'POST /v1/audio/speech', headers: JSON_HEADERS, body })
  })
})

describe.each([
  ['speak', speakOperations],
  ['openai', openaiSpeech],
])('an answer to speech in %s', (_name, operations) => {
  const plan = operations.speech(speech())

  it('counts characters as a person does', () => {
    expect(plan.units).toEqual({ characters: 7 })
  })

  it.each([
    ['audio/mpeg', true],
    ['audio/wav', true],
    ['application/octet-stream', true],
    ['', true],
    ['application/json', false],
    ['application/problem+json; charset=utf-8', false],
    ['text/event-stream', false],
    ['text/html', false],
    ['text/plain; charset=utf-8', false],
  ])('of type "%s" passes: %s', (type, passes) => {
    expect(plan.passes?.(type)).toBe(passes)
  })

  it('asks for voices', () => {
    const { request } = operations.voices()
    expect(request).toMatchObject({ method: 'GET', body: null })
  })
})
