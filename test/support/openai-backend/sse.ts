import { asFields, type Fields } from '../../../src/demo/index.ts'
import { type Behaviour, type Exchange, type StreamOptions, stream } from '../hostile.ts'

export interface SseOptions extends StreamOptions {
  /** How lines end: the standard allows all three. */
  readonly newline?: '\n' | '\r\n' | '\r'
  /** A comment before each event, as servers send to keep connections alive. */
  readonly comments?: boolean
  /** All events in one write, or every write of so many bytes. */
  readonly writes?: 'together' | number
}

/** An event is an object, a text such as `[DONE]`, or one that has a name. */
export type SseEvent = Fields | string | readonly [name: string, data: Fields]

/** A stream of events as HTTP chunks, one per event unless told. */
export function sse(events: readonly SseEvent[], { newline = '\n', comments = false, writes, ...options }: SseOptions = {}): Behaviour {
  const frames = events.map((event) => `${comments ? ': keep-alive\n\n' : ''}${frameOf(event)}`.replaceAll('\n', newline))
  return stream('text/event-stream; charset=utf-8', writes === undefined ? frames : inWrites(Buffer.from(frames.join('')), writes), options)
}

function frameOf(event: SseEvent): string {
  if (typeof event === 'string') return `data: ${event}\n\n`
  if (!Array.isArray(event)) return `data: ${JSON.stringify(event)}\n\n`
  const [name, data] = event
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}

function inWrites(bytes: Buffer, writes: 'together' | number): readonly Buffer[] {
  if (writes === 'together') return [bytes]
  return Array.from({ length: Math.ceil(bytes.length / writes) }, (_value, at) => bytes.subarray(at * writes, (at + 1) * writes))
}

/** The JSON body of a request; an empty object for what is none. */
export async function fieldsOf(x: Exchange): Promise<Fields> {
  try {
    return asFields(JSON.parse((await x.body()).toString('utf8'))) ?? {}
  } catch {
    return {}
  }
}
