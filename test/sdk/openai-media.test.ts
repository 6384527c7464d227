import OpenAI, { toFile } from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readWav } from '../../src/demo/index.ts'
import { MP3_BYTES } from '../support/hostile.ts'
import { toneWav } from '../support/media.ts'
import { formOf, PNG } from '../support/openai-backend.ts'
import { collect, openSdkScene, type SdkScene, THROUGH_GATE } from '../support/sdk-scene.ts'

let scene: SdkScene
beforeAll(async () => {
  scene = await openSdkScene()
})
afterEach(() => scene.forget())
afterAll(() => scene.close())

const client = (model: string): OpenAI => new OpenAI({ ...scene.to(model), maxRetries: 0 })
const sound = () => toFile(toneWav(), 'tone.wav', { type: 'audio/wav' })
const bytesOf = async (answer: Response): Promise<Buffer> => Buffer.from(await answer.arrayBuffer())
const PNG_MAGIC = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')

describe("OpenAI's client at a backend of the same protocol", () => {
  it('has a text spoken, to bytes of the format it asked for', async () => {
    const speak = (more: object) =>
      client('voice').audio.speech.create({ model: 'voice', voice: 'af_heart', input: 'Good evening', ...more })
    const mp3 = await speak({})
    expect(mp3.headers.get('content-type')).toBe('audio/mpeg')
    expect(await bytesOf(mp3)).toEqual(MP3_BYTES)
    const wav = await speak({ response_format: 'wav', speed: 1.5 })
    expect([wav.headers.get('content-type'), (await bytesOf(wav)).length]).toEqual(['audio/wav', MP3_BYTES.length])
    expect(JSON.parse(scene.open.last.body.toString())).toMatchObject({ input: 'Good evening', response_format: 'wav', speed: 1.5 })
    const events = await (await speak({ stream_format: 'sse' })).text()
    expect(events).toContain('"type":"speech.audio.delta"')
    expect(events).toContain('"type":"speech.audio.done"')
  })

  it('has a sound transcribed, in each format', async () => {
    const { transcriptions } = client('ears').audio
    const given = { model: 'ears', file: await sound(), language: 'de' }
    const text = 'Hello there. (transcribe de: tone.wav, 32044 bytes, audio/wav)'
    expect((await transcriptions.create(given)).text).toBe(text)
    expect(await transcriptions.create({ ...given, response_format: 'text' })).toBe(text)
    expect(await transcriptions.create({ ...given, response_format: 'srt' })).toContain('00:00:00,000 --> 00:00:01,000')
    expect(await transcriptions.create({ ...given, response_format: 'vtt' })).toContain('WEBVTT')
    const verbose = await transcriptions.create({ ...given, response_format: 'verbose_json', timestamp_granularities: ['segment'] })
    expect(verbose).toMatchObject({ language: 'de', duration: 1, segments: [{ start: 0, end: 1, text }] })
    expect(scene.open.asked).toHaveLength(5)
  })

  it('has a sound transcribed wherever in the form its options stand', async () => {
    const [file, text] = [await sound(), 'Hello there. (transcribe de: tone.wav, 32044 bytes, audio/wav)']
    const orders = [
      { file, model: 'ears', language: 'de' },
      { model: 'ears', language: 'de', file },
      { model: 'ears', file, language: 'de' },
      { language: 'de', file, model: 'ears' },
    ]
    const heard = await Promise.all(
      orders.map((given) =>
        client('ears')
          .audio.transcriptions.create(given)
          .then((answer) => answer.text, String),
      ),
    )
    expect(heard).toEqual(orders.map(() => text))
  })

  it('brings options that are lists or objects to a backend that may know them', async () => {
    const chunking_strategy = { type: 'server_vad' as const, threshold: 0.5 }
    await client('ears').audio.transcriptions.create({ model: 'ears', file: await sound(), include: ['logprobs'], chunking_strategy })
    const fields = scene.open.last.body.toString('latin1')
    for (const name of ['include[]', 'chunking_strategy[type]', 'chunking_strategy[threshold]']) expect(fields).toContain(`name="${name}"`)
  })

  it('hears a transcription as it comes', async () => {
    const events = await collect(
      await client('ears').audio.transcriptions.create({ model: 'ears', file: await sound(), response_format: 'json', stream: true }),
    )
    const deltas = events.flatMap((event) => (event.type === 'transcript.text.delta' ? [event.delta] : []))
    expect(deltas.length).toBeGreaterThan(3)
    expect(events.at(-1)).toMatchObject({ type: 'transcript.text.done', text: deltas.join('') })
  })

  it('has a sound translated', async () => {
    const { text } = await client('ears').audio.translations.create({ model: 'ears', file: await sound(), prompt: 'names: Ada' })
    expect(text).toContain('translate')
    expect(scene.open.last.target).toBe('/v1/audio/translations')
  })

  it('has pictures made, in base64', async () => {
    const { data, created } = await client('brush').images.generate({ model: 'brush', prompt: 'a gate', n: 2, size: '512x512' })
    expect(created).toBeGreaterThan(0)
    expect(data?.map(({ b64_json }) => Buffer.from(b64_json ?? '', 'base64'))).toEqual([PNG, PNG])
    expect(JSON.parse(scene.open.last.body.toString())).toMatchObject({ prompt: 'a gate', n: 2, size: '512x512' })
  })

  it('has a picture changed', async () => {
    const image = await toFile(PNG, 'before.png', { type: 'image/png' })
    const { data } = await client('brush').images.edit({ model: 'brush', prompt: 'a gate', image })
    expect(data?.[0]?.revised_prompt).toBe(`a gate (before.png, ${PNG.length} bytes, image/png)`)
    expect(data?.[0]?.b64_json).toBe(PNG.toString('base64'))
  })

  it.runIf(THROUGH_GATE)('reaches media models under the names that they have upstream', async () => {
    const names: (string | undefined)[] = []
    scene.open.choose(() => async (x) => {
      const json = x.seen.header('content-type')?.startsWith('application/json')
      names.push(json ? JSON.parse((await x.body()).toString()).model : (await formOf(x)).get('model'))
      x.rst()
    })
    const given = await sound()
    await client('voice')
      .audio.speech.create({ model: 'voice', voice: 'af_heart', input: 'x' })
      .catch(() => {})
    await client('ears')
      .audio.transcriptions.create({ model: 'ears', file: given })
      .catch(() => {})
    await client('brush')
      .images.generate({ model: 'brush', prompt: 'x' })
      .catch(() => {})
    await client('brush')
      .images.edit({ model: 'brush', prompt: 'x', image: given })
      .catch(() => {})
    expect(names).toEqual(['kokoro', 'whisper-large', 'brush-xl', 'brush-xl'])
  })
})

describe.runIf(THROUGH_GATE)("OpenAI's client at backends of other languages", () => {
  it('has a text spoken by an Edge-TTS wrapper', async () => {
    const speak = (more: object) => client('tts-1').audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'Good evening', ...more })
    const normal = await speak({})
    expect(normal.headers.get('content-type')).toBe('audio/wav') // what the stand-in makes; the real one makes mp3
    const seconds = (bytes: Buffer): number => readWav(bytes)?.dataBytes ?? 0
    const [slow, fast] = [seconds(await bytesOf(normal)), seconds(await bytesOf(await speak({ speed: 2 })))]
    expect(slow).toBeGreaterThan(fast)
    expect(fast).toBeGreaterThan(0)
    expect((await scene.gate.outcomes()).at(-1)).toMatchObject({ model: 'tts-1', units: { characters: 12 }, endpoint: 'builtin:tts' })
  })

  it('has a sound transcribed and translated by whisper-asr-webservice', async () => {
    const { transcriptions, translations } = client('whisper-1').audio
    const given = { model: 'whisper-1', file: await sound() }
    const { text } = await transcriptions.create(given)
    expect(text).toContain('stand-in')
    const flat = (spoken: string): string => spoken.replaceAll(/\s+/g, '') // segments are lines there, and may begin with a space
    expect(flat(await transcriptions.create({ ...given, response_format: 'text' }))).toBe(flat(text))
    expect(await transcriptions.create({ ...given, response_format: 'srt' })).toMatch(/^1\r?\n00:00:00,000 --> /)
    expect(await transcriptions.create({ ...given, response_format: 'vtt' })).toMatch(/^WEBVTT/)
    const verbose = await transcriptions.create({ ...given, response_format: 'verbose_json' })
    expect(flat(verbose.segments?.map((segment) => segment.text).join('') ?? '')).toBe(flat(verbose.text))
    expect((await translations.create({ ...given })).text).toContain('stand-in')
    expect((await scene.gate.outcomes()).at(-1)).toMatchObject({ model: 'whisper-1', endpoint: 'builtin:whisper', ended: 'complete' })
  })

  it('has pictures made and changed by AUTOMATIC1111', async () => {
    const model = 'stable-diffusion'
    const { data } = await client(model).images.generate({ model, prompt: 'a castle', n: 2, size: '64x128' as '256x256' })
    const pictures = (data ?? []).map(({ b64_json }) => Buffer.from(b64_json ?? '', 'base64'))
    expect(pictures.map((bytes) => [bytes.subarray(0, 8).equals(PNG_MAGIC), bytes.readUInt32BE(16), bytes.readUInt32BE(20)])).toEqual([
      [true, 64, 128],
      [true, 64, 128],
    ])
    expect((await scene.gate.outcomes()).at(-1)).toMatchObject({ model, units: { images: 2 } })
    const image = await toFile(PNG, 'before.png', { type: 'image/png' })
    const edited = await client(model).images.edit({ model, prompt: 'a castle by night', image, size: '64x64' as '256x256' })
    expect(Buffer.from(edited.data?.[0]?.b64_json ?? '', 'base64').subarray(0, 8)).toEqual(PNG_MAGIC)
  })
})
