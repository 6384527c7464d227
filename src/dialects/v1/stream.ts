import type { Units } from '../../contract/index.ts'
import { LIMITS } from '../../kernel/index.ts'
import { isRecord, jsonOf } from '../fault.ts'
import type { StreamReader, StreamReport } from '../plan.ts'
import { dataOf, endsEvent, eventEnds, lastEventEnd, OVERLAP_BYTES } from './events.ts'
import type { Grammar, Meaning } from './grammar.ts'

export interface StreamOptions {
  readonly grammar: Grammar
  readonly dropUnasked: boolean
  /** Puts the public name of the model where the endpoint's stands; null where they are the same. */
  readonly rename: ((bytes: Buffer) => Buffer) | null
}

const NOTHING = Buffer.alloc(0)
const BYTES_PER_TOKEN = 4
const BLANK_LINE = Buffer.from('\n\n')

const NAME = /^(?:event: ?|data: ?\{\s*"type"\s*:\s*")([\w.]{1,60})/m
const nameOf = (event: Buffer): string => NAME.exec(event.toString('latin1', 0, 200))?.[1] ?? ''

/**
 * Reads a stream of events as it passes. Only whole events go on: one that a backend left half done never reaches the caller, and signs of life never stand
 * within one. The usual chunk is one or more whole events, and passes as it is. An event longer than the gate reads, such as a picture, passes as it comes.
 */
export class EventReader implements StreamReader {
  atBoundary = true
  readonly #options: StreamOptions
  #held: Buffer[] = []
  #heldBytes = 0
  /** The end of what was looked at already, of an event that is not whole. */
  #before: Buffer = NOTHING
  /** What an event is called that passes as it comes; null while none does. */
  #passing: string | null = null
  #tokens = 0
  #units: Units | undefined
  #last = false
  #failed = false

  constructor(options: StreamOptions) {
    this.#options = options
  }

  get isWhole(): boolean {
    return this.#last && this.#options.grammar.endsWithLast
  }

  chunk(chunk: Buffer): Buffer {
    if (this.#passing !== null) return this.#passOn(chunk, this.#passing)
    return this.#heldBytes === 0 && endsEvent(chunk) ? this.#whole(chunk) : this.#hold(chunk)
  }

  /** Half an event goes no further, unless it is the last one and only its blank line is missing. */
  rest(): Buffer {
    const held = Buffer.concat(this.#held)
    this.#forget()
    if (held.length === 0 || !this.#meaningOf(dataOf(held)).last) return NOTHING
    this.#takes(held)
    return this.#renamed(Buffer.concat([held, BLANK_LINE]))
  }

  report(): StreamReport {
    const units = this.#units
    const told = { finished: this.#last || this.#failed, failed: this.#failed }
    const isCounted = this.#last && units?.tokens_out !== undefined
    if (isCounted || this.#tokens === 0) return units === undefined ? told : { ...told, units }
    // A stream that was cut never came to its true counts, and some backends have none.
    return { ...told, units: { ...units, tokens_out: Math.max(units?.tokens_out ?? 0, this.#tokens) }, estimated: true }
  }

  #hold(chunk: Buffer): Buffer {
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    const looked = this.#before.length === 0 ? chunk : Buffer.concat([this.#before, chunk])
    const end = lastEventEnd(looked)
    if (end > 0) return this.#wholeUpTo(this.#heldBytes - (looked.length - end))
    this.#before = looked.subarray(-OVERLAP_BYTES)
    return this.#heldBytes > LIMITS.usageTailBytesMax ? this.#beginLong() : NOTHING
  }

  #wholeUpTo(end: number): Buffer {
    const bytes = this.#held.length === 1 && this.#held[0] ? this.#held[0] : Buffer.concat(this.#held)
    this.#forget()
    const whole = this.#whole(bytes.subarray(0, end))
    const rest = end === bytes.length ? NOTHING : this.#hold(bytes.subarray(end))
    return rest.length === 0 ? whole : Buffer.concat([whole, rest])
  }

  #beginLong(): Buffer {
    const bytes = Buffer.concat(this.#held)
    this.#held = []
    this.#heldBytes = 0
    this.#passing = nameOf(bytes)
    this.atBoundary = false
    return bytes
  }

  #passOn(chunk: Buffer, name: string): Buffer {
    const looked = Buffer.concat([this.#before, chunk])
    const { value: end } = eventEnds(looked).next()
    if (end === undefined) {
      this.#before = looked.subarray(-OVERLAP_BYTES)
      return chunk
    }
    const passed = chunk.subarray(0, end - this.#before.length)
    this.#endLong(name)
    const rest = chunk.subarray(passed.length)
    return rest.length === 0 ? passed : Buffer.concat([passed, this.chunk(rest)])
  }

  /** What it was called is all that is known of it, and only now has it been said whole. */
  #endLong(type: string): void {
    this.#passing = null
    this.#before = NOTHING
    this.atBoundary = true
    const { last = false, failed = false } = this.#options.grammar.meaning('', { type })
    if (last) this.#last = true
    if (failed) this.#failed = true
  }

  #forget(): void {
    this.#held = []
    this.#heldBytes = 0
    this.#before = NOTHING
  }

  /** One or more events, none of them cut. */
  #whole(bytes: Buffer): Buffer {
    this.atBoundary = true
    const says = this.#options.grammar.mayTell(bytes)
    const passed = says ? this.#read(bytes) : bytes
    if (!says) this.#countEach(bytes)
    return this.#renamed(passed)
  }

  #renamed(bytes: Buffer): Buffer {
    const { rename } = this.#options
    return rename === null || bytes.length === 0 ? bytes : rename(bytes)
  }

  #read(bytes: Buffer): Buffer {
    const kept: Buffer[] = []
    let from = 0
    for (const end of eventEnds(bytes)) {
      const event = bytes.subarray(from, end)
      from = end
      if (!this.#takes(event)) kept.push(event)
    }
    return kept.length === 1 && kept[0] ? kept[0] : Buffer.concat(kept)
  }

  #countEach(bytes: Buffer): void {
    let from = 0
    for (const end of eventEnds(bytes)) {
      if ((bytes[from] ?? 0) >= FIELD) this.#count(end - from)
      from = end
    }
  }

  /** An event is a token, or as many as its text is long: some send a few words at a time. */
  #count(bytes: number): void {
    const { envelopeBytes } = this.#options.grammar
    if (envelopeBytes !== null) this.#tokens += Math.max(1, Math.ceil((bytes - envelopeBytes) / BYTES_PER_TOKEN))
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
    else if (!last && !failed && !unasked) this.#count(event.length)
    if (last) this.#last = true
    if (failed) this.#failed = true
    return unasked && this.#options.dropUnasked
  }
}

// The first letter of `data:` or another field; a comment begins with a colon, and a blank line with its end.
const FIELD = 0x64
