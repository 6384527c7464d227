import type { Place, Protocol } from '../catalog/index.ts'
import { heardSeconds, operationOf, type Plan, passesThrough, passTranscription, refuseRemoteFields } from '../dialects/index.ts'
import { type FormAudio, FormReader, formAudio, refuseKeyInUrl, transcriptionOf, type Visit, wantForm } from '../gate/index.ts'
import { Upload } from '../http/index.ts'
import { GatewayError, LIMITS } from '../kernel/index.ts'
import { findModel } from './find-model.ts'
import { isTrue, mediaLifeOf } from './life.ts'
import type { FaceParts, Prepare } from './parts.ts'

const FILE_PARTS: ReadonlySet<string> = new Set(['file'])
/** What the gate reads of a form; all else is for backends that know it. */
const OPTIONS = { model: 'model', language: 'language', prompt: 'prompt', temperature: 'temperature', response_format: 'response_format' }

/** `POST /v1/audio/transcriptions` and `/v1/audio/translations`. */
export function prepareTranscription(protocol: 'transcriptions' | 'translations', { models, spool, heartbeatMs }: FaceParts): Prepare {
  return async (visit) => {
    wantForm(visit.envelope)
    const form = openForm(visit)
    const heard = await formAudio(form, spool, visit.principal?.id ?? '')
    visit.discard = () => heard.letGo()
    const model = findModel(models, visit.principal, form.options.values().model, protocol)
    visit.model = model.name
    const seconds = heardSeconds(heard.audio.size ?? visit.upload?.bytes ?? 0, heard.audio.bytesPerSecond)
    visit.demand = { model, price: model.price, least: seconds, most: seconds }
    return {
      model,
      protocol,
      planAt: (place) => planOf(visit, protocol, { ...heard, form, model: model.name }, place),
      life: asksStream(form) ? mediaLifeOf(protocol, { models, model, heartbeatMs }, visit) : null,
    }
  }
}

function openForm(visit: Visit): FormReader {
  const upload = new Upload(visit.envelope, LIMITS.audioBodyBytesMax)
  visit.upload = upload
  return new FormReader(upload, visit.envelope.headers.contentType, {
    fileParts: FILE_PARTS,
    options: OPTIONS,
    keepsOthers: true,
    optionsKnown: false,
    optionsMayFollow: true, // clients write them in whatever order, and a recording on disk can be sent again where the first endpoint is busy
  })
}

interface Heard extends FormAudio {
  readonly form: FormReader
  readonly model: string
}

function planOf(visit: Visit, protocol: Protocol, { form, audio, model: name }: Heard, { endpoint, upstream }: Place): Plan {
  if (passesThrough(endpoint.dialect)) {
    const fields = [...Object.entries(form.options.values()), ...form.others]
    if (endpoint.remote === 'refuse') refuseRemoteFields(fields)
    return passTranscription({ protocol, root: endpoint.apiRoot, fields, upstream, name }, audio)
  }
  if (asksStream(form)) {
    const detail = 'stream: this transcription backend tells nothing before all is done; leave it out'
    throw new GatewayError('BODY_INVALID', { detail, hints: { param: 'stream' } })
  }
  const words = form.others.some(([field, value]) => field.startsWith('timestamp_granularities') && value === 'word')
  if (words)
    throw new GatewayError('BODY_INVALID', { detail: 'timestamp_granularities: this backend tells the times of segments, not of words' })
  const transcription = { ...transcriptionOf(audio, form.options), model: upstream, task: TASKS[protocol] ?? 'transcribe' }
  const plan = operationOf(endpoint.dialect, 'transcribe')(transcription)
  refuseKeyInUrl(visit.envelope, [plan.request.path]) // some backends take what was a field of the form in their URL
  return plan
}

const asksStream = ({ others }: FormReader): boolean => others.some(([field, value]) => field === 'stream' && isTrue(value))

const TASKS: Readonly<Partial<Record<Protocol, 'transcribe' | 'translate'>>> = { translations: 'translate' }
