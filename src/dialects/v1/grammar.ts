import type { Units } from '../../contract/index.ts'
import { isRecord } from '../fault.ts'
import { tellsUsage, unitsOfUsage } from './usage.ts'

/** What an event of a stream means. */
export interface Meaning {
  readonly units?: Units | undefined
  /** The stream is whole with this event. */
  readonly last?: boolean
  /** The backend says that it failed. */
  readonly failed?: boolean
  /** It is there because the gate asked for it, and the caller did not. */
  readonly unasked?: boolean
}

/** The grammar of a stream of events: which of them say something to the gate, and what. */
export interface Grammar {
  /** Whether an event among these bytes may say something; most are passed over by a look for a few of their bytes. */
  mayTell(bytes: Buffer): boolean
  /** What surrounds the text of an event, in bytes: what is more of it is text. Null where events hold none. */
  readonly envelopeBytes: number | null
  /** Nothing follows the last event; several pictures have a last one each. */
  readonly endsWithLast: boolean
  /** `json` is the parsed data where it is an object. */
  meaning(data: string, json: Readonly<Record<string, unknown>> | null): Meaning
}

const DONE = Buffer.from('[DONE]')
const ERROR = Buffer.from('"error"')
const mark = (text: string): Buffer => Buffer.from(text)

/** Some put counts into every event, and know none of them before the last. */
function usageOf(value: unknown): Units | undefined {
  const units = isRecord(value) ? unitsOfUsage(value) : null
  return units === null || Object.values(units).every((count) => count === 0) ? undefined : units
}
const isFailure = ({ error }: Readonly<Record<string, unknown>>): boolean => isRecord(error) || (typeof error === 'string' && error !== '')
const holdsAny =
  (...marks: readonly Buffer[]) =>
  (bytes: Buffer): boolean =>
    marks.some((one) => bytes.includes(one))

/** `/v1/chat/completions` and `/v1/completions`. A backend that ends without `[DONE]` broke off: Ollama hides its errors so. */
export const CHAT: Grammar = {
  mayTell: (bytes) => bytes.includes(DONE) || bytes.includes(ERROR) || tellsUsage(bytes),
  endsWithLast: true,
  envelopeBytes: 300,
  meaning(data, json) {
    if (data.trim() === '[DONE]') return { last: true }
    if (json === null) return {}
    if (isFailure(json)) return { failed: true }
    return { units: usageOf(json.usage), unasked: isRecord(json.usage) && Array.isArray(json.choices) && json.choices.length === 0 }
  },
}

const ENDINGS: ReadonlySet<unknown> = new Set(['response.completed', 'response.incomplete', 'response.failed'])

/** `/v1/responses`: no `[DONE]`; the last event holds the whole response. */
export const RESPONSES: Grammar = {
  mayTell: holdsAny(mark('response.completed'), mark('response.incomplete'), mark('response.failed'), ERROR),
  endsWithLast: true,
  envelopeBytes: 250,
  meaning(_data, json) {
    if (json === null) return {}
    if (json.type === 'error' || (isFailure(json) && typeof json.type !== 'string')) return { failed: true }
    if (!ENDINGS.has(json.type)) return {}
    const units = isRecord(json.response) ? usageOf(json.response.usage) : undefined
    return { units, last: true, failed: json.type === 'response.failed' }
  },
}

/** `/v1/messages`: the counts come in two events, the later ones being the true ones. */
export const MESSAGES: Grammar = {
  mayTell: holdsAny(mark('message_start'), mark('message_delta'), mark('message_stop'), ERROR),
  endsWithLast: true,
  envelopeBytes: 120,
  meaning(_data, json) {
    if (json === null) return {}
    if (json.type === 'error') return { failed: true }
    if (json.type === 'message_stop') return { last: true }
    if (json.type === 'message_start') return { units: isRecord(json.message) ? usageOf(json.message.usage) : undefined }
    return json.type === 'message_delta' ? { units: usageOf(json.usage) } : {}
  },
}

/** `stream_format: sse` of speech, and streamed transcripts and pictures: the last event is named `….done` or `….completed`. */
export const MEDIA: Grammar = {
  mayTell: holdsAny(mark('.done"'), mark('.completed"'), ERROR, DONE),
  endsWithLast: false,
  envelopeBytes: null,
  meaning(data, json) {
    if (data.trim() === '[DONE]') return { last: true }
    if (json === null) return {}
    if (isFailure(json) || json.type === 'error') return { failed: true }
    const last = typeof json.type === 'string' && /\.(?:done|completed)$/.test(json.type)
    return { units: usageOf(json.usage), last }
  },
}
