import { request } from 'undici'
import { afterEach, describe, expect, it } from 'vitest'
import { readWav, VOICES, wavHeader } from '../../src/demo/index.ts'
import { realHearingServer, realSpeechLacking, realSpeechServer } from '../support/real-speech.ts'
import { type SpeechFlavour, speechOpenai } from '../support/speech-openai.ts'
import { named } from '../support/tools.ts'
import { whisperCpp } from '../support/whisper-cpp.ts'
import { whisperOpenai } from '../support/whisper-openai.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})
async function opened<T extends { close(): Promise<void> }>(server: Promise<T>): Promise<T> {
  open.push(await server)
  return server
}

async function speak(url: string, body: unknown, headers = {}) {
  const answer = await request(`${url}/v1/audio/speech`, { method: 'POST', body: JSON.stringify(body), headers })
  const bytes = Buffer.from(await answer.body.arrayBuffer())
  return { status: answer.statusCode, headers: answer.headers, bytes, text: bytes.toString('latin1') }
}

async function hear(url: string, bytes: Buffer, fields: Record<string, string>, part = 'file') {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append(part, new Blob([bytes]), 'spoken.wav')
  const answer = await fetch(url, { method: 'POST', body: form })
  return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() }
}

const WAV = Buffer.concat([wavHeader({ sampleRateHz: 8_000, samples: 8_000 }), Buffer.alloc(16_000, 40)])

describe('OpenAI-style speech servers', () => {
  it.each(['travisvn', 'kokoro', 'openedai', 'speaches'] satisfies SpeechFlavour[])(
    '%s speaks, lists and refuses in its own way',
    async (flavour) => {
      const server = await opened(speechOpenai({ flavour, apiKey: 'secret' }))
      const bearer = { authorization: 'Bearer secret' }
      const spoken = await speak(server.url, { input: 'hello', response_format: 'wav' }, bearer)
      expect(readWav(spoken.bytes)?.dataBytes).toBe(spoken.bytes.length - 44)
      expect(spoken.headers['content-length'] !== undefined).toBe(flavour === 'travisvn')
      expect((await speak(server.url, { input: 'hello' }, bearer)).headers['content-type']).toBe('audio/mpeg')
      expect((await speak(server.url, { input: 'hello' })).status).toBe(flavour === 'speaches' ? 403 : 401)
      const shapes = { travisvn: '{"error":"', kokoro: '{"detail":{"error":', openedai: '{"message":"', speaches: '{"detail":"' }
      const unknown = await speak(server.url, { input: 'hello', voice: 'nobody' }, bearer)
      expect(unknown.status).toBe(400)
      expect(unknown.text.startsWith(shapes[flavour])).toBe(true)
      expect((await speak(server.url, {}, bearer)).status).toBe(flavour === 'travisvn' ? 400 : 422)
      for (const path of ['/v1/models', '/v1/audio/voices']) expect((await request(`${server.url}${path}`)).statusCode).toBe(200)
      expect(server.asked[0]).toMatchObject({ input: 'hello' })
    },
  )

  it('travisvn fails inside a 200 when it is asked for events', async () => {
    const server = await opened(speechOpenai())
    const { status, text } = await speak(server.url, { input: 'hello', voice: VOICES[0]?.shortName, stream_format: 'sse' })
    expect([status, text.startsWith('data: {"type":"error"')]).toEqual([200, true])
  })
})

it('speaches transcribes in every format and refuses as FastAPI does', async () => {
  const server = await opened(whisperOpenai({ workMs: 1 }))
  const at = `${server.url}/v1/audio/transcriptions`
  const model = 'whisper-1'
  expect(JSON.parse((await hear(at, WAV, { model })).text).text).toContain('8000 Hz')
  expect(JSON.parse((await hear(at, WAV, { model, response_format: 'verbose_json' })).text)).toMatchObject({ duration: 1, language: 'en' })
  expect((await hear(at, WAV, { model, response_format: 'srt' })).text).toMatch(/^1\n/)
  const events = await hear(at, WAV, { model, stream: 'true' })
  expect(events.type).toMatch(/^text\/event-stream/)
  expect(events.text).toMatch(/"type":"transcript\.text\.delta".*"type":"transcript\.text\.done","text":""/s)
  expect(events.text).not.toContain('[DONE]')
  expect((await hear(at, WAV, {})).status).toBe(422)
  expect((await hear(at, WAV, { model: 'none/such' })).status).toBe(404)
  expect((await hear(at, Buffer.from('text'), { model })).status).toBe(415)
  expect((await hear(at, Buffer.alloc(0), { model })).status).toBe(400)
  await request(`${server.url}/v1/models/Systran%2Fx`, { method: 'DELETE' })
  expect(server.managed).toEqual(['DELETE /v1/models/Systran%2Fx'])
  expect(server.asked[0]?.form.files.get('file')?.bytes.equals(WAV)).toBe(true)
})

it('whisper.cpp hides its errors behind 404', async () => {
  const server = await opened(whisperCpp())
  const at = `${server.url}/inference`
  expect(JSON.parse((await hear(at, WAV, {})).text).text).toContain('8000 Hz')
  expect(await hear(at, WAV, { response_format: 'text' })).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' })
  expect(await hear(at, WAV, {}, 'audio')).toMatchObject({ status: 400, text: 'Invalid request' })
  expect(await hear(at, Buffer.from('OggS not WAV'), {})).toMatchObject({ status: 400 })
  expect(await hear(`${server.url}/v1/audio`, WAV, {})).toMatchObject({ status: 404, text: 'File Not Found (/v1/audio)' })
  server.loading(true)
  const health = await request(`${server.url}/health`)
  expect([health.statusCode, await health.body.text()]).toEqual([404, 'File Not Found (/health)'])
})

const reason = realSpeechLacking()
describe.skipIf(reason)(named('real engines', reason), () => {
  it('flite speaks and pocketsphinx hears the words again', async () => {
    const [voice, ear] = [await opened(realSpeechServer()), await opened(realHearingServer())]
    const spoken = await request(`${voice.url}/speak`, { method: 'POST', body: '{"text":"Please open the gate in the morning."}' })
    const wav = Buffer.from(await spoken.body.arrayBuffer())
    expect(readWav(wav)).toMatchObject({ sampleRateHz: 16_000, channels: 1 })
    const heard = await hear(`${ear.url}/asr?output=json`, wav, {}, 'audio_file')
    expect(JSON.parse(heard.text).text).toContain('please open the gate in the morning')
    const unknown = await request(`${voice.url}/speak`, { method: 'POST', body: '{"text":"x","voice":"nobody"}' })
    expect(unknown.statusCode).toBe(400)
  })
})
