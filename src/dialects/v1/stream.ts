import type { Units } from '../../contract/index.ts'
import { LIMITS } from '../../kernel/index.ts'
import { isRecord, jsonOf } from '../fault.ts'
import type { StreamReader, StreamReport } from '../plan.ts'
import { dataOf, endsEvent, eventEnd } from './events.ts'
import { unitsOfUsage } from './usage.ts'

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
  /** Bytes of which an event that says something holds at least one; most events are passed over by them, unread. */
  readonly marks: readonly Buffer[]
  /** Each event is about one token. */
  readonly countsTokens: boolean
  /** `json` is the parsed data where it is an object. */
  meaning(data: string, json: Readonly<Record<string, unknown>> | null): Meaning
}

export interface StreamOptions {
  readonly grammar: Grammar
  readonly dropUnasked: boolean
  /** Puts the public name of the model where the endpoint's stands; null where they are the same. */
  readonly rename: ((bytes: Buffer) => Buffer) | null
}

const NOTHING = Buffer.alloc(0)
const COMMENT = 0x3a // a line that begins with a colon
const BLANK_LINE = Buffer.from('\n\n')
const BLANK_LINE_BYTES_MAX = 4

const NAME = /^(?:event: ?|data: ?\{\s*"type"\s*:\s*")([\w.]{1,60})/m
const nameOf = (event: Buffer): string => NAME.exec(event.toString('latin1', 0, 200))?.[1] ?? ''

/**
 * Reads a stream of events as it passes. Only whole events go on: one that a backend left half done never reaches the caller, and signs of life never stand
 * within one. The usual chunk is one or more whole events, and passes as it is.
 */
export class EventReader implements StreamReader {
  atBoundary = true
  readonly #options: StreamOptions
  #held: Buffer[] = []
  #heldBytes = 0
  #events = 0
  #units: Units | undefined
  /** What a long event that is passing is called; null while none does. */
  #passing: string | null = null
  #last = false
  #failed = false

  constructor(options: StreamOptions) {
    this.#options = options
  }

  get isWhole(): boolean {
    return this.#last
  }

  chunk(chunk: Buffer): Buffer {
    if (this.#heldBytes === 0 && endsEvent(chunk)) return this.#whole(chunk)
    const bytes = this.#heldBytes === 0 ? chunk : Buffer.concat([...this.#held, chunk])
    const end = lastEventEnd(bytes)
    const rest = bytes.subarray(end)
    if (rest.length > LIMITS.usageTailBytesMax) return this.#overlong(bytes.subarray(0, end), rest)
    this.#held = rest.length === 0 ? [] : [rest]
    this.#heldBytes = rest.length
    this.atBoundary = this.#passing === null || end > 0
    return end === 0 ? NOTHING : this.#whole(bytes.subarray(0, end))
  }

  /** Half an event goes no further, unless it is the last one and only its blank line is missing. */
  rest(): Buffer {
    const held = Buffer.concat(this.#held)
    this.#held = []
    this.#heldBytes = 0
    if (held.length === 0 || !this.#meaningOf(dataOf(held)).last) return NOTHING
    this.#takes(held)
    return this.#renamed(Buffer.concat([held, BLANK_LINE]))
  }

  report(): StreamReport {
    const units = this.#units
    const told = { finished: this.#last || this.#failed, failed: this.#failed }
    if (this.#last || !this.#options.grammar.countsTokens || this.#events === 0) return units === undefined ? told : { ...told, units }
    // A stream that was cut never came to its true counts.
    return { ...told, units: { ...units, tokens_out: Math.max(units?.tokens_out ?? 0, this.#events) }, estimated: true }
  }

  /** Events larger than any that the gate reads, such as pictures, pass as they come. Of their last bytes a few are kept, which may be half of their blank line. */
  #overlong(before: Buffer, rest: Buffer): Buffer {
    const whole = before.length === 0 ? before : this.#whole(before)
    this.#passing ??= nameOf(rest)
    this.#held = [Buffer.from(rest.subarray(-BLANK_LINE_BYTES_MAX))]
    this.#heldBytes = BLANK_LINE_BYTES_MAX
    this.atBoundary = false
    return Buffer.concat([whole, rest.subarray(0, -BLANK_LINE_BYTES_MAX)])
  }

  /** One or more events, none of them cut. */
  #whole(bytes: Buffer): Buffer {
    this.atBoundary = true
    if (this.#passing !== null) this.#passed(this.#passing)
    const { marks } = this.#options.grammar
    const says = marks.some((mark) => bytes.includes(mark))
    const passed = says ? this.#read(bytes) : bytes
    if (!says) this.#events += countEvents(bytes)
    return this.#renamed(passed)
  }

  #renamed(bytes: Buffer): Buffer {
    const { rename } = this.#options
    return rename === null || bytes.length === 0 ? bytes : rename(bytes)
  }

  /** A long event has come to its end. What it was called is all that is known of it. */
  #passed(type: string): void {
    this.#passing = null
    const { last = false, failed = false } = this.#options.grammar.meaning('', { type })
    if (last) this.#last = true
    if (failed) this.#failed = true
  }

  #read(bytes: Buffer): Buffer {
    const kept: Buffer[] = []
    for (let from = 0; from < bytes.length; ) {
      const end = eventEnd(bytes, from)
      const event = bytes.subarray(from, end === -1 ? bytes.length : end)
      from += event.length
      if (!this.#takes(event)) kept.push(event)
    }
    return kept.length === 1 && kept[0] ? kept[0] : Buffer.concat(kept)
  }

  #meaningOf(data: string): Meaning {
    const json = jsonOf(data)
    return this.#options.grammar.meaning(data, isRecord(json) ? json : null)
  }

  /** True when the event is the gate's own and goes no further. */
  #takes(event: Buffer): boolean {
    const data = dataOf(event)
    if (data === '') return false
    const { units, last = false, failed = false, unasked = false } = this.#meaningOf(data)
    if (units !== undefined) this.#units = { ...this.#units, ...units }
    if (last) this.#last = true
    if (failed) this.#failed = true
    if (!last && !failed && !unasked) this.#events += 1
    return unasked && this.#options.dropUnasked
  }
}

function lastEventEnd(bytes: Buffer): number {
  let end = 0
  for (let next = eventEnd(bytes, 0); next !== -1; next = eventEnd(bytes, end)) end = next
  return end
}

function countEvents(bytes: Buffer): number {
  let count = 0
  let from = 0
  for (let end = eventEnd(bytes, 0); end !== -1; end = eventEnd(bytes, from)) {
    if (bytes[from] !== COMMENT) count += 1
    from = end
  }
  return count
}

const DONE = Buffer.from('[DONE]')
const ERROR = Buffer.from('"error"')
const USAGE = Buffer.from('"usage"')
const mark = (text: string): Buffer => Buffer.from(text)

const usageOf = (value: unknown): Units | undefined => (isRecord(value) ? (unitsOfUsage(value) ?? undefined) : undefined)
const isFailure = (json: Readonly<Record<string, unknown>> | null): boolean => json !== null && isRecord(json.error)

/** `/v1/chat/completions` and `/v1/completions`. A backend that ends without `[DONE]` broke off: Ollama hides its errors so. */
export const CHAT: Grammar = {
  marks: [DONE, ERROR, USAGE],
  countsTokens: true,
  meaning(data, json) {
    if (data.trim() === '[DONE]') return { last: true }
    if (json === null) return {}
    if (isFailure(json)) return { failed: true }
    const units = usageOf(json.usage)
    return { units, unasked: units !== undefined && Array.isArray(json.choices) && json.choices.length === 0 }
  },
}

const ENDINGS: ReadonlySet<unknown> = new Set(['response.completed', 'response.incomplete', 'response.failed'])

/** `/v1/responses`: no `[DONE]`; the last event holds the whole response. */
export const RESPONSES: Grammar = {
  marks: [mark('response.completed'), mark('response.incomplete'), mark('response.failed'), ERROR],
  countsTokens: true,
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
  marks: [mark('message_start'), mark('message_delta'), mark('message_stop'), ERROR],
  countsTokens: true,
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
  marks: [mark('.done"'), mark('.completed"'), ERROR, DONE],
  countsTokens: false,
  meaning(data, json) {
    if (data.trim() === '[DONE]') return { last: true }
    if (json === null) return {}
    if (isFailure(json) || json.type === 'error') return { failed: true }
    const last = typeof json.type === 'string' && /\.(?:done|completed)$/.test(json.type)
    return { units: usageOf(json.usage), last }
  },
}
