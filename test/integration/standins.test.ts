import { createHash } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import { Ollama } from 'ollama'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readWav, type StandIns, startStandIns } from '../../src/demo/index.ts'
import { parseAnswer, rawExchange } from '../support/raw-http.ts'
import { until } from '../support/until.ts'

let standIns: StandIns

beforeAll(async () => {
  standIns = await startStandIns({ tokensPerSecond: 400, imageStepMs: 5, whisperMs: 5 })
})
afterAll(() => standIns.close())

async function post(url: string, body: unknown, method: 'POST' | 'DELETE' = 'POST') {
  const answer = await request(url, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
  const bytes = Buffer.from(await answer.body.arrayBuffer())
  return {
    status: answer.statusCode,
    headers: answer.headers,
    bytes,
    text: bytes.toString('utf8'),
    json: () => JSON.parse(bytes.toString('utf8')),
  }
}

describe('the text stand-in', () => {
  const api = (path: string) => `${standIns.ollama.url}${path}`

  it('talks to the ollama SDK: stream, whole answer, list, embeddings', async () => {
    const ollama = new Ollama({ host: standIns.ollama.url })
    let text = ''
    let last: { done: boolean; eval_count: number } | undefined
    let chunks = 0
    for await (const part of await ollama.chat({
      model: 'stand-in',
      messages: [{ role: 'user', content: 'Où es-tu, 旅人?' }],
      stream: true,
    })) {
      text += part.message.content
      chunks += 1
      last = part
    }
    expect(text).toContain('stand-in')
    expect(text).toContain('Où es-tu, 旅人?')
    expect(last).toMatchObject({ done: true, eval_count: chunks - 1 })
    const whole = await ollama.generate({ model: 'stand-in', prompt: 'Hello' })
    expect(whole.response).toContain('Hello')
    expect((await ollama.list()).models.map(({ name }) => name)).toContain('stand-in:latest')
    const { embeddings } = await ollama.embed({ model: 'stand-in-embed', input: ['a red cat', 'the red cat', 'tax law'] })
    const near = (a: number, b: number) =>
      (embeddings[a] ?? []).reduce((sum, value, index) => sum + value * (embeddings[b]?.[index] ?? 0), 0)
    expect(near(0, 0)).toBeCloseTo(1)
    expect(near(0, 1)).toBeGreaterThan(near(0, 2))
  })

  it('manages its list of models as Ollama does', async () => {
    const ollama = new Ollama({ host: standIns.ollama.url })
    const told: string[] = []
    for await (const { status } of await ollama.pull({ model: 'pulled', stream: true })) told.push(status)
    expect(told.at(0)).toBe('pulling manifest')
    expect(told.at(-1)).toBe('success')
    await ollama.copy({ source: 'pulled', destination: 'copied:v2' })
    expect((await ollama.show({ model: 'copied:v2' })).modelfile).toContain('stand-in')
    expect((await post(api('/api/delete'), { model: 'pulled' }, 'DELETE')).status).toBe(200)
    await expect(ollama.generate({ model: 'pulled', prompt: 'x' })).rejects.toThrow("model 'pulled' not found")
    const blob = Buffer.from('layer')
    const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`
    const upload = (body: Buffer) => request(api(`/api/blobs/${digest}`), { method: 'POST', body })
    const statuses: number[] = []
    for (const body of [Buffer.from('other'), blob, blob]) {
      const answer = await upload(body)
      await answer.body.dump()
      statuses.push(answer.statusCode)
    }
    expect(statuses).toEqual([400, 201, 200])
    for await (const { status } of await ollama.create({ model: 'made', from: 'stand-in', stream: true })) told.push(status)
    expect((await ollama.list()).models.map(({ name }) => name)).toContain('made:latest')
  })

  it('loads and unloads a model with an empty prompt', async () => {
    const loaded = async () => (await (await request(api('/api/ps'))).body.text()).includes('"stand-in:latest"')
    expect((await post(api('/api/generate'), { model: 'stand-in' })).json()).toMatchObject({ done: true, done_reason: 'load' })
    expect(await loaded()).toBe(true)
    expect((await post(api('/api/chat'), { model: 'stand-in', messages: [], keep_alive: 0 })).json()).toMatchObject({
      done_reason: 'unload',
    })
    expect(await loaded()).toBe(false)
  })

  it('refuses in the words of Ollama', async () => {
    const cases: readonly (readonly [string, unknown, number, string])[] = [
      ['/api/generate', { model: 'nobody' }, 404, `{"error":"model 'nobody' not found"}`],
      ['/api/embed', { model: 'nobody', input: 'x' }, 404, '{"error":"model \\"nobody\\" not found, try pulling it first"}'],
      ['/api/embed', { model: 'stand-in', input: [1] }, 400, '{"error":"invalid input type"}'],
      ['/api/chat', { messages: [] }, 400, '{"error":"model is required"}'],
      ['/api/nothing', {}, 404, '404 page not found'],
      ['/api/tags', {}, 405, '405 method not allowed'],
    ]
    for (const [path, body, status, text] of cases) expect(await post(api(path), body)).toMatchObject({ status, text })
    const empty = await request(api('/api/generate'), { method: 'POST' })
    expect([empty.statusCode, await empty.body.text()]).toEqual([400, '{"error":"missing request body"}'])
    const port = Number(new URL(standIns.ollama.url).port)
    const foreign = async (headers: string) => parseAnswer(await rawExchange(port, `GET / HTTP/1.1\r\n${headers}connection: close\r\n\r\n`))
    expect(await foreign('Host: gate.example\r\n')).toMatchObject({ status: 403, body: '' })
    expect(await foreign('Host: localhost\r\nOrigin: https://page.example\r\n')).toMatchObject({ status: 403, body: '' })
    expect(await foreign('Host: localhost\r\nOrigin: null\r\n')).toMatchObject({ status: 403 })
    expect(await foreign('Host: 127.0.0.1:1\r\n')).toMatchObject({ status: 200, body: 'Ollama is running' })
  })

  it('sends nothing before the first token, keeps its pace, and stops when its reader leaves', async () => {
    const slow = await startStandIns({ tokensPerSecond: 50 })
    try {
      const startedMs = performance.now()
      const { body } = await request(`${slow.ollama.url}/api/generate`, {
        method: 'POST',
        body: '{"model":"stand-in","prompt":"x","options":{"num_predict":10}}',
      })
      expect(performance.now() - startedMs).toBeGreaterThanOrEqual(19)
      const lines = (await body.text()).trim().split('\n')
      expect(performance.now() - startedMs).toBeGreaterThanOrEqual(199)
      expect(lines).toHaveLength(11)
      expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ done_reason: 'length', eval_count: 10 })
      for (const stream of [true, false]) {
        const leaving = new AbortController()
        const asked = request(`${slow.ollama.url}/api/generate`, {
          method: 'POST',
          body: JSON.stringify({ model: 'stand-in', prompt: 'y', stream }),
          signal: leaving.signal,
        }).then(({ body }) => body.text())
        await until(() => slow.ollama.busy() === 1, { withinMs: 1_000, what: 'the answer to begin' })
        leaving.abort()
        await expect(asked).rejects.toThrow()
        await until(() => slow.ollama.busy() === 0, { withinMs: 500, what: 'the answer to stop' })
      }
    } finally {
      await slow.close()
    }
  })
})

describe('the speech stand-in', () => {
  const speak = (body: unknown) => post(`${standIns.tts.url}/speak`, body)

  it('answers a WAV whose header tells its exact length, and whose sound is no silence', async () => {
    const { status, headers, bytes } = await speak({ text: 'Hello from behind the gate' })
    expect([status, headers['content-type'], headers['transfer-encoding']]).toEqual([200, 'audio/wav', 'chunked'])
    const wav = readWav(bytes)
    expect(wav).toMatchObject({ encoding: 1, channels: 1, sampleRateHz: 24_000, bits: 16, dataAt: 44, dataBytes: bytes.length - 44 })
    const loud = new Int16Array(bytes.buffer.slice(bytes.byteOffset + 44, bytes.byteOffset + bytes.length)).filter(
      (value) => Math.abs(value) > 3_000,
    )
    expect(loud.length).toBeGreaterThan(1_000)
    const quick = await speak({ text: 'Hello from behind the gate', rate: '+50%' })
    expect(bytes.length / quick.bytes.length).toBeCloseTo(1.5, 1)
  })

  it('speaks any script, lists its voices, and says what is wrong', async () => {
    expect((await speak({ text: 'Здравствуй, 世界', voice: 'en-GB-RyanNeural' })).bytes.length).toBeGreaterThan(20_000)
    const voices = await (await request(`${standIns.tts.url}/voices`)).body.text()
    expect(voices).toContain('"ShortName":"en-US-JennyNeural"')
    expect(await speak({ text: 'x', voice: 'nobody' })).toMatchObject({
      status: 400,
      text: expect.stringContaining("unknown voice 'nobody'"),
    })
    expect(await speak({ text: 'x', rate: 'fast' })).toMatchObject({ status: 400, text: expect.stringContaining('rate') })
    expect(await speak({ text: ' ' })).toMatchObject({ status: 400 })
    expect(await speak([])).toMatchObject({ status: 422 })
  })
})

describe('the image stand-in', () => {
  const sd = (path: string) => `${standIns.image.url}/sdapi/v1${path}`
  const paint = (body: unknown) => post(sd('/txt2img'), body)
  const progress = async () => JSON.parse(await (await request(sd('/progress?skip_current_image=true'))).body.text())

  it('paints a PNG that holds its recipe, the same one for the same prompt and seed', async () => {
    const order = { prompt: 'a castle at dawn', seed: 7, steps: 4, width: 96, height: 64 }
    const [one, same, other] = [await paint(order), await paint(order), await paint({ ...order, seed: 8 })]
    const info = JSON.parse(one.json().info)
    expect(info).toMatchObject({ prompt: 'a castle at dawn', seed: 7, width: 96, height: 64, sampler_name: 'Euler' })
    const png = Buffer.from(one.json().images[0], 'base64')
    expect(png.readUInt32BE(16)).toBe(96)
    expect(png.readUInt32BE(20)).toBe(64)
    expect(png.toString('latin1')).toContain('tEXtparameters\0a castle at dawn\nSteps: 4, Sampler: Euler')
    const at = png.indexOf('IDAT')
    expect(inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4))).length).toBe(64 * (96 * 3 + 1))
    expect(same.json().images).toEqual(one.json().images)
    expect(other.json().images).not.toEqual(one.json().images)
  })

  it('does one job at a time, goes on when its caller leaves, and ends when it is interrupted', async () => {
    const leaving = new AbortController()
    const long = JSON.stringify({ prompt: 'x', steps: 150, width: 64, height: 64, n_iter: 4, force_task_id: 'mine' })
    const first = request(sd('/txt2img'), { method: 'POST', body: long, signal: leaving.signal })
    await until(async () => (await progress()).current_task === 'mine', { withinMs: 1_000, what: 'the job to be at work' })
    const second = paint({ prompt: 'y', steps: 1, width: 64, height: 64 })
    leaving.abort()
    await expect(first).rejects.toThrow()
    const before = await progress()
    expect(before).toMatchObject({ current_task: 'mine', state: { job_count: 4, sampling_steps: 150 } })
    await until(async () => (await progress()).progress > before.progress, { withinMs: 1_000, what: 'the job to go on' })
    expect((await post(sd('/interrupt'), {})).text).toBe('{}')
    expect((await second).status).toBe(200)
    expect(await progress()).toMatchObject({ progress: 0, current_task: null })
  })

  it('refuses as A1111 and FastAPI do', async () => {
    expect(await paint({ sampler_name: 'nobody' })).toMatchObject({
      status: 404,
      text: '{"error":"HTTPException","detail":"Sampler not found","body":"","errors":""}',
    })
    expect((await paint({ steps: 'many', width: 1.5 })).json().detail).toMatchObject([
      { loc: ['body', 'steps'] },
      { loc: ['body', 'width'] },
    ])
    expect(await paint('text')).toMatchObject({ status: 422 })
    for (const path of ['/sd-models', '/samplers', '/schedulers', '/options']) expect((await request(sd(path))).statusCode).toBe(200)
  })
})

describe('the whisper stand-in', () => {
  async function transcribe(bytes: Buffer, query = '', part = 'audio_file') {
    const form = new FormData()
    form.append(part, new Blob([bytes]), 'a name.wav')
    const answer = await fetch(`${standIns.whisper.url}/asr${query}`, { method: 'POST', body: form })
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }
  const spoken = async () => (await post(`${standIns.tts.url}/speak`, { text: 'Five words are spoken here' })).bytes

  it('tells the properties of what was spoken, in every form', async () => {
    const wav = await spoken()
    const txt = await transcribe(wav)
    expect(txt.text).toContain('24000 Hz, mono, 16 bit')
    expect(txt.text).toContain('5 bursts of sound')
    const json = await transcribe(wav, '?output=json&language=de')
    expect(json.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(json.headers.get('asr-engine')).toBe('stand-in')
    expect(json.headers.get('content-disposition')).toBe('attachment; filename="a%20name.wav.json"')
    expect(JSON.parse(json.text)).toMatchObject({ language: 'de', segments: [{ id: 1, start: 0 }, { id: 2 }, { id: 3 }, { id: 4 }] })
    expect((await transcribe(wav, '?output=srt')).text).toMatch(/^1\n00:00:00,000 --> 00:00:00,\d{3}\n/)
    expect((await transcribe(wav, '?output=vtt')).text).toMatch(/^WEBVTT\n\n00:00:00\.000 --> /)
    expect((await transcribe(wav, '?output=tsv')).text).toMatch(/^start\tend\ttext\n0\t/)
  })

  it('refuses as the real one does', async () => {
    expect(await transcribe(await spoken(), '', 'file')).toMatchObject({ status: 422, text: expect.stringContaining('"audio_file"') })
    expect(await transcribe(await spoken(), '?output=docx')).toMatchObject({ status: 422 })
    expect(await transcribe(Buffer.alloc(0))).toMatchObject({ status: 500, text: 'Internal Server Error' })
    expect(await transcribe(Buffer.from('no audio'))).toMatchObject({ status: 500 })
    const root = await request(standIns.whisper.url)
    expect([root.statusCode, root.headers.location]).toEqual([307, '/docs'])
  })
})

it('a taken port closes what was started before it', async () => {
  const port = Number(new URL(standIns.whisper.url).port)
  await expect(startStandIns({ ports: { whisper: port } })).rejects.toThrow('EADDRINUSE')
})
