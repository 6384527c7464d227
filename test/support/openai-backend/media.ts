import { Response } from 'undici'
import { asText } from '../../../src/demo/index.ts'
import { answer, type Behaviour, type Exchange, json, MP3_BYTES, stream } from '../hostile.ts'
import { fieldsOf, sse } from './sse.ts'

const TYPES: Readonly<Record<string, string>> = {
  mp3: 'audio/mpeg',
  opus: 'audio/ogg',
  aac: 'audio/aac',
  flac: 'audio/flac',
  wav: 'audio/wav',
  pcm: 'audio/pcm',
}

/** Kokoro's speech: chunks as they are made, no length. */
export const speech = (): Behaviour => async (x) => {
  const body = await fieldsOf(x)
  const format = asText(body.response_format) || 'mp3'
  const parts = [MP3_BYTES.subarray(0, 1_000), MP3_BYTES.subarray(1_000)]
  if (body.stream_format === 'sse') {
    const deltas = parts.map((part) => ({ type: 'speech.audio.delta', audio: part.toString('base64') }))
    return sse([...deltas, { type: 'speech.audio.done', usage: { input_tokens: 3, output_tokens: 20, total_tokens: 23 } }])(x)
  }
  const headers = { 'content-disposition': `attachment; filename=speech.${format}`, 'x-accel-buffering': 'no' }
  await stream(TYPES[format] ?? 'application/octet-stream', parts, { headers })(x)
}

/** The fields of a form, files as what is known of them. */
export async function formOf(x: Exchange): Promise<ReadonlyMap<string, string>> {
  const type = x.seen.header('content-type') ?? ''
  const form = await new Response(await x.body(), { headers: { 'content-type': type } }).formData()
  const fields = [...form.entries()].map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : `${value.name}, ${value.size} bytes, ${value.type}`,
  ])
  return new Map(fields)
}

const SRT = '1\n00:00:00,000 --> 00:00:01,000\nHello there.\n\n'

/** speaches' transcriptions and translations: the text tells which, of what file and in which language. */
export const transcribe =
  (task: 'transcribe' | 'translate'): Behaviour =>
  async (x) => {
    const form = await formOf(x)
    const language = form.get('language') ?? 'en'
    const text = `Hello there. (${task} ${language}: ${form.get('file') ?? 'no file'})`
    const segment = { id: 0, start: 0, end: 1, text, tokens: [1, 2], temperature: 0, avg_logprob: -0.1, compression_ratio: 1, seek: 0 }
    const verbose = { task, language, duration: 1, text, segments: [{ ...segment, no_speech_prob: 0.01 }] }
    if (form.get('stream') === 'true') {
      const words = text.match(/\S+\s*/g) ?? []
      const deltas = words.map((delta) => ({ type: 'transcript.text.delta', delta, logprobs: null }))
      return sse([...deltas, { type: 'transcript.text.done', text, logprobs: null }])(x)
    }
    const writers: Readonly<Record<string, Behaviour>> = {
      json: json({ text }),
      verbose_json: json(verbose),
      text: answer(200, text, { 'content-type': 'text/plain; charset=utf-8' }),
      srt: answer(200, SRT, { 'content-type': 'text/plain; charset=utf-8' }),
      vtt: answer(200, `WEBVTT\n\n${SRT.slice(2).replace(',', '.')}`, { 'content-type': 'text/vtt; charset=utf-8' }),
    }
    await (writers[form.get('response_format') ?? 'json'] ?? json({ detail: 'unknown format' }, 422))(x)
  }

/** One transparent pixel. */
export const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')

const picture = (prompt: string) => ({ b64_json: PNG.toString('base64'), revised_prompt: prompt })

export const images = (): Behaviour => async (x) => {
  const body = await fieldsOf(x)
  const data = Array.from({ length: Number(body.n ?? 1) }, () => picture(asText(body.prompt)))
  await json({ created: 1_764_000_000, data })(x)
}

/** An edit tells what it was given: the form has the picture under `image` or `image[]`. */
export const edits = (): Behaviour => async (x) => {
  const form = await formOf(x)
  const given = form.get('image') ?? form.get('image[]') ?? 'no image'
  await json({ created: 1_764_000_000, data: [picture(`${form.get('prompt') ?? ''} (${given})`)] })(x)
}
