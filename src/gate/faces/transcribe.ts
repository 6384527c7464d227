import type { Route, Service } from '../../catalog/index.ts'
import { transcribeOptions } from '../../contract/index.ts'
import { type Audio, operationOf, type Transcription } from '../../dialects/index.ts'
import { type Envelope, Upload } from '../../http/index.ts'
import { GatewayError } from '../../kernel/index.ts'
import { foundName } from '../native-demand.ts'
import type { Face, FaceTools } from './face.ts'
import { FormReader } from './form.ts'
import { formAudio } from './form-audio.ts'
import { readInput, UNKNOWN_FIELD, unknownField } from './input.ts'
import { refuseKeyInUrl } from './key-in-url.ts'
import { Options } from './options.ts'

const FILE_PARTS: ReadonlySet<string> = new Set(['file', 'audio_file', 'audio'])

/** Each option, and `output`, which is what whisper-asr-webservice calls the format. */
const OPTIONS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.keys(transcribeOptions.shape).map((name) => [name, name])),
  output: 'response_format',
}

/** `POST /api/transcribe`. */
export function transcribeFace(service: Service, { bodyBytesMax }: Route, { spool, reserve }: FaceTools): Face {
  const transcribe = operationOf(service.dialect, 'transcribe')
  return async (visit) => {
    const { envelope } = visit
    wantForm(envelope)
    refuseKeyInUrl(envelope, [envelope.query])
    const asked = optionsIn(envelope.query)
    const upload = new Upload(envelope, bodyBytesMax)
    visit.upload = upload
    const form = new FormReader(upload, envelope.headers.contentType, {
      fileParts: FILE_PARTS,
      options: OPTIONS,
      optionsKnown: asked.size > 0,
    })
    const { audio, letGo } = await formAudio(form, spool, visit.principal?.id ?? '')
    visit.discard = letGo
    try {
      const transcription = transcriptionOf(audio, asked.with(form.options))
      visit.model = transcription.model ?? ''
      await reserve?.(visit, audio)
      const made = transcribe({ ...transcription, model: transcription.model ?? foundName(visit, service) })
      refuseKeyInUrl(envelope, [made.request.path]) // some backends take what was a field of the form in their URL
      return made
    } catch (error) {
      letGo()
      throw error
    }
  }
}

export function wantForm({ headers }: Envelope): void {
  if (headers.contentEncoding !== '' && headers.contentEncoding !== 'identity') {
    throw new GatewayError('UNSUPPORTED_MEDIA', { detail: 'A form with a Content-Encoding is not taken here; send it as it is' })
  }
  if (!/^\s*multipart\/form-data\s*(?:;|$)/i.test(headers.contentType)) {
    throw new GatewayError('UNSUPPORTED_MEDIA', { detail: 'This route takes multipart/form-data, with the audio as the part file' })
  }
}

function optionsIn(query: string): Options {
  const options = new Options()
  for (const [spelled, value] of new URLSearchParams(query)) {
    const name = Object.hasOwn(OPTIONS, spelled) ? OPTIONS[spelled] : undefined
    if (name === undefined)
      throw new GatewayError('BODY_INVALID', { detail: unknownField(spelled, Object.keys(OPTIONS)), reason: UNKNOWN_FIELD })
    const conflict = options.add(spelled, name, value)
    if (conflict !== null) throw conflict
  }
  return options
}

export function transcriptionOf(audio: Audio, options: Options): Transcription {
  const fields = readInput(transcribeOptions, options.values(), (name) => options.spellingOf(name))
  const { language, task, prompt, temperature, response_format, model } = fields
  return {
    audio,
    language: language === undefined || language === 'auto' ? null : language,
    task,
    prompt: prompt ?? null,
    temperature: temperature ?? null,
    format: response_format === 'txt' ? 'text' : response_format,
    model: model ?? null,
  }
}
