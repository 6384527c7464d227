import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { voicesAnswer } from '../../src/contract/index.ts'
import { readWav, type StandIns, startStandIns } from '../../src/demo/index.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import {
  chunk,
  type HostileUpstream,
  head,
  hostileUpstream,
  html500,
  MP3_BYTES,
  mislabelledMp3,
  speechSseError,
  stream,
} from '../support/hostile.ts'
import { ask, askJson } from '../support/media.ts'
import { rawCaller, requestBytes } from '../support/raw-caller.ts'
import { type SpeechFlavour, type SpeechServer, speechOpenai } from '../support/speech-openai.ts'
import { until } from '../support/until.ts'

const FLAVOURS: readonly SpeechFlavour[] = ['travisvn', 'kokoro', 'openedai', 'speaches']
const KNOWN_VOICE: Readonly<Record<SpeechFlavour, string>> = {
  travisvn: 'en-US-JennyNeural',
  kokoro: 'af_heart',
  openedai: 'alloy',
  speaches: 'af_heart',
}

const withTts = (url: string, dialect: string) =>
  startTestGateway({ CHAT_ENABLED: 'false', TTS_ENABLED: 'true', TTS_URL: url, TTS_DIALECT: dialect })

describe('speech by the /speak wrapper', () => {
  let backends: StandIns
  let gate: GatewayUnderTest
  let key: TestKey
  beforeAll(async () => {
    backends = await startStandIns()
    gate = await withTts(backends.tts.url, 'speak')
    key = await gate.key({ rights: ['tts'] })
  })
  afterAll(async () => {
    await gate.stop()
    await backends.close()
  })
  const speak = (body: unknown) => askJson(gate.port, '/tts/api/speak', key.text, body)

  it('comes as sound', async () => {
    const { status, headers, bytes, complete } = await speak({ text: 'Good morning.', voice: 'en-US-JennyNeural', rate: '+10%' })
    expect([status, headers['content-type'], complete]).toEqual([200, 'audio/wav', true])
    expect(readWav(bytes)?.sampleRateHz).toBe(24_000)
    expect((await gate.outcomes()).at(-1)).toMatchObject({
      route: '/tts/api/speak',
      service: 'tts',
      status: 200,
      units: { characters: 13 },
      bytes_out: bytes.length,
      ended: 'complete',
    })
  })

  it('takes the voices of OpenAI’s clients', async () => {
    expect((await speak({ text: 'Good morning.', voice: 'alloy' })).status).toBe(200)
  })

  it('says that a voice is unknown, in the backend’s words', async () => {
    const answer = await speak({ text: 'x', voice: 'en-US-NobodyNeural' })
    expect([answer.status, answer.headers['content-type']]).toEqual([400, 'application/problem+json'])
    expect(answer.json()).toMatchObject({
      code: 'UPSTREAM_REJECTED',
      detail: expect.stringContaining("unknown voice 'en-US-NobodyNeural'"),
    })
    expect((await gate.outcomes()).at(-1)).toMatchObject({ status: 400, code: 'UPSTREAM_REJECTED', ended: 'complete' })
    expect((await gate.outcomes()).at(-1)?.units).toBeUndefined()
  })

  it.each([
    [{ text: '' }, '"text" is empty'],
    [{ text: 'x', format: 'wav' }, 'This speech backend makes mp3 only, not wav'],
    [{ text: 'x', rate: 'fast' }, '"rate" must be a change of speed'],
    [{ text: 'x', speed: 2 }, 'speed: there is no such field here'],
  ])('does not take %j', async (body, detail) => {
    const answer = await speak(body)
    expect([answer.status, answer.json().code]).toEqual([400, 'BODY_INVALID'])
    expect(answer.json().detail).toContain(detail)
  })

  it('lists voices in one shape', async () => {
    const answer = await ask(gate.port, { path: '/tts/api/voices', key: key.text })
    const { voices } = voicesAnswer.parse(answer.json())
    expect(voices).toContainEqual({
      id: 'de-DE-KatjaNeural',
      name: 'Stand-in for de-DE-KatjaNeural: syllables, not speech',
      gender: 'Female',
      language: 'de-DE',
    })
  })
})

describe.each(FLAVOURS)('speech in the style of OpenAI, by %s', (flavour) => {
  let backend: SpeechServer
  let gate: GatewayUnderTest
  let key: TestKey
  beforeAll(async () => {
    backend = await speechOpenai({ flavour })
    gate = await withTts(backend.url, 'openai')
    key = await gate.key({ rights: ['tts'] })
  })
  afterAll(async () => {
    await gate.stop()
    await backend.close()
  })

  it('comes as sound', async () => {
    const body = { text: 'Good morning.', voice: KNOWN_VOICE[flavour], rate: '-20%', format: 'wav' }
    const { status, headers, bytes, complete } = await askJson(gate.port, '/tts/api/speak', key.text, body)
    expect([status, headers['content-type'], complete]).toEqual([200, 'audio/wav', true])
    expect(readWav(bytes)).not.toBe(null)
    expect(backend.asked.at(-1)).toEqual({
      model: 'tts-1',
      input: 'Good morning.',
      voice: KNOWN_VOICE[flavour],
      response_format: 'wav',
      speed: 0.8,
    })
    expect(backend.credentials.at(-1)).toBeUndefined()
  })

  it('says that a voice is unknown', async () => {
    const answer = await askJson(gate.port, '/tts/api/speak', key.text, { text: 'x', voice: 'nobody' })
    expect(answer.status).toBe(400)
    expect(answer.json()).toMatchObject({ code: 'UPSTREAM_REJECTED', detail: expect.stringContaining("Voice 'nobody' not found") })
  })

  it('lists voices in one shape', async () => {
    const { voices } = voicesAnswer.parse((await ask(gate.port, { path: '/tts/api/voices', key: key.text })).json())
    expect(voices).toContainEqual({ id: KNOWN_VOICE[flavour] })
  })
})

describe('a speech backend that misbehaves', () => {
  let backend: HostileUpstream
  let gate: GatewayUnderTest
  let key: TestKey
  beforeAll(async () => {
    backend = await hostileUpstream(() => html500())
    gate = await withTts(backend.url, 'openai')
    key = await gate.key({ rights: ['tts'] })
  })
  afterEach(() => expect(backend.faults).toEqual([]))
  afterAll(async () => {
    await gate.stop()
    await backend.close()
  })
  const speak = () => askJson(gate.port, '/tts/api/speak', key.text, { text: 'Good morning.' })

  it('with an error page is a backend that failed', async () => {
    backend.use(() => html500())
    const answer = await speak()
    expect([answer.status, answer.headers['x-should-retry']]).toEqual([502, 'false'])
    expect(answer.json()).toMatchObject({ code: 'UPSTREAM_REFUSED', detail: 'The backend failed: it answered 500' })
  })

  it('with an error inside a 200 is never heard as sound', async () => {
    backend.use(() => speechSseError())
    const answer = await speak()
    expect(answer.status).toBe(502)
    expect(answer.json()).toMatchObject({ code: 'UPSTREAM_DIED', detail: expect.stringContaining('a coroutine was expected') })
    expect((await gate.outcomes()).at(-1)).toMatchObject({ ended: 'upstream_died', status: 502 })
    expect((await gate.outcomes()).at(-1)?.units).toBeUndefined()
  })

  it('that mislabels its sound is passed on as it is', async () => {
    backend.use(() => mislabelledMp3('application/octet-stream'))
    expect((await speak()).bytes.equals(MP3_BYTES)).toBe(true)
  })

  it.each(['rst', 'fin'] as const)('that dies (%s) in the middle of a word is never shown as an end', async (end) => {
    backend.use(() => stream('audio/mpeg', [MP3_BYTES, MP3_BYTES], { end }))
    const answer = await speak()
    expect([answer.status, answer.complete]).toEqual([200, false])
    expect((await gate.outcomes()).at(-1)).toMatchObject({ ended: 'upstream_died', code: 'UPSTREAM_DIED', units: { characters: 13 } })
  })

  it('streams: sound is heard before its end exists', async () => {
    let finish = (): void => {}
    const heard = new Promise<void>((resolve) => {
      finish = resolve
    })
    backend.use(() => async (x) => {
      await x.body()
      await x.send(head(200, { 'content-type': 'audio/mpeg', 'transfer-encoding': 'chunked' }))
      await x.send(chunk('first words'))
      await heard
      await x.send(`${chunk('last words')}0\r\n\r\n`)
    })
    const body = JSON.stringify({ text: 'x' })
    const caller = await rawCaller(gate.port)
    caller.write(
      requestBytes({ path: '/tts/api/speak', key: key.text, body, headers: { 'Content-Type': 'application/json', Connection: 'close' } }),
    )
    await caller.heard('first words')
    finish()
    await caller.heard('last words')
    await caller.gone()
  })

  it('is let go when its caller leaves', async () => {
    backend.use(() => async (x) => {
      await x.body()
      await x.send(head(200, { 'content-type': 'audio/mpeg', 'transfer-encoding': 'chunked' }))
      for (;;) {
        await x.send(chunk(MP3_BYTES))
        await x.wait(5)
      }
    })
    const body = JSON.stringify({ text: 'x' })
    const caller = await rawCaller(gate.port)
    caller.write(requestBytes({ path: '/tts/api/speak', key: key.text, body, headers: { 'Content-Type': 'application/json' } }))
    await caller.heard(2_000)
    const leftAtMs = caller.leave('reset')
    const left = await until(() => backend.seen.at(-1)?.leftMs, { withinMs: 2_000, what: 'the backend to be let go' })
    expect(left - leftAtMs).toBeLessThan(1_000)
    expect((await gate.outcomes()).at(-1)).toMatchObject({ ended: 'client_closed' })
  })
})

it('gives the backend the gate’s credential and never the caller’s', async () => {
  const backend = await speechOpenai({ apiKey: 'backend-secret-1' })
  const dir = mkdtempSync(join(tmpdir(), 'portcullis-secret-'))
  writeFileSync(join(dir, 'value'), 'Bearer backend-secret-1\n', { mode: 0o600 })
  const gate = await startTestGateway({
    CHAT_ENABLED: 'false',
    TTS_ENABLED: 'true',
    TTS_URL: backend.url,
    TTS_DIALECT: 'openai',
    TTS_AUTH_VALUE_FILE: join(dir, 'value'),
  })
  try {
    const key = await gate.key({ rights: ['tts'] })
    expect((await askJson(gate.port, '/tts/api/speak', key.text, { text: 'x' })).status).toBe(200)
    expect(backend.credentials).toEqual(['Bearer backend-secret-1'])
  } finally {
    await gate.stop()
    await backend.close()
    rmSync(dir, { recursive: true })
  }
})
