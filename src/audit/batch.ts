import type { IntentEntry, LifecycleEntry, OutcomeEntry, RefusedEntry } from '../contract/index.ts'
import type { GatewayError } from '../kernel/index.ts'
import { LIMITS } from '../kernel/index.ts'
import type { LedgerKey } from './keys.ts'
import {
  chained,
  finished,
  intentBody,
  lifecycleBody,
  openBody,
  outcomeBody,
  type RefusedSummaryEntry,
  refusedBody,
  sealBody,
  summaryBody,
} from './line.ts'
import type { Ended, Segment } from './segment.ts'

interface Answerable {
  readonly resolve: () => void
  readonly reject: (error: GatewayError) => void
}

/** What waits to be written. Lines are made from it only when a batch is built, so that a failed batch leaves the chain untouched. */
export type Item =
  | ({ readonly event: 'intent'; readonly entry: IntentEntry; readonly atMs: number; seq: number } & Answerable)
  | ({ readonly event: 'lifecycle'; readonly entry: LifecycleEntry; readonly atMs: number } & Answerable)
  | ({ readonly event: 'seal'; readonly atMs: number } & Answerable)
  | { readonly event: 'outcome'; readonly entry: OutcomeEntry; readonly atMs: number }
  | { readonly event: 'refused'; readonly entry: RefusedEntry; readonly atMs: number }
  | { readonly event: 'refused_summary'; readonly entry: RefusedSummaryEntry; readonly atMs: number }

/** The end of the chain as far as it is acknowledged. */
export interface ChainPoint {
  readonly hash: string
  readonly seq: number
  readonly seal?: { readonly line: string; readonly hash: string }
}

export interface Batch {
  readonly items: readonly Item[]
  readonly bytes: Buffer
  readonly point: ChainPoint
  readonly entries: number
  readonly unsealed: number
  /** True when the segment is complete with this batch. */
  readonly ends: boolean
}

export interface Opening {
  readonly host: string
  readonly pid: number
  readonly nowMs: number
  readonly previous?: Ended
  readonly unfinished_from?: number
}

/** Renders items as lines of one segment and chains them. Thrown away when its batch fails. */
export class BatchBuilder {
  readonly #segment: Segment
  readonly #key: LedgerKey
  #hash: string
  #seq: number
  #seal: ChainPoint['seal']
  /** Bytes given to the segment's running hash already, and the text that is not. */
  #parts: string[] = []
  #hashed: number
  #text = ''
  #entries = 0
  #unsealed: number

  constructor(segment: Segment, key: LedgerKey, point: ChainPoint) {
    this.#segment = segment
    this.#key = key
    this.#hash = point.hash
    this.#seq = point.seq
    this.#seal = point.seal
    this.#hashed = segment.bytes
    this.#unsealed = segment.unsealed
  }

  get bytes(): number {
    return this.#hashed - this.#segment.bytes + this.#text.length
  }

  open({ host, pid, nowMs, previous, unfinished_from }: Opening): void {
    const record = {
      segment: this.#segment.name,
      host,
      pid,
      ...(previous && { previous }),
      ...(unfinished_from !== undefined && { unfinished_from }),
      public_key: this.#key.publicKey,
    }
    this.#line(openBody(record, nowMs, this.#seq + 1, this.#key.sign))
  }

  add(item: Item): void {
    if (item.event === 'seal') {
      this.seal(item.atMs)
      return
    }
    const seq = this.#seq + 1
    if (item.event === 'intent') item.seq = seq
    this.#line(bodyOf(item, seq))
    this.#entries += 1
    this.#unsealed += 1
    if (this.#unsealed >= LIMITS.ledgerSealLines) this.seal(item.atMs)
  }

  /** A seal over all before it; nothing when the latest line is a seal already. */
  seal(nowMs: number): void {
    if (this.#unsealed === 0) return
    this.#absorb()
    const line = this.#line(
      sealBody(
        {
          segment: this.#segment.name,
          offset: this.#hashed,
          sha256: this.#segment.hash.copy().digest('hex'),
          head: this.#hash,
          ...(this.#seal && { previous_seal: this.#seal.hash }),
        },
        nowMs,
        this.#seq + 1,
        this.#key.sign,
      ),
    )
    this.#seal = { line: line.trimEnd(), hash: this.#hash }
    this.#unsealed = 0
  }

  finish(items: readonly Item[], ends: boolean): Batch {
    this.#absorb()
    const point = { hash: this.#hash, seq: this.#seq, ...(this.#seal && { seal: this.#seal }) }
    const bytes = Buffer.from(this.#parts.length === 1 ? (this.#parts[0] ?? '') : this.#parts.join(''), 'latin1')
    return { items, bytes, point, entries: this.#entries, unsealed: this.#unsealed, ends }
  }

  #line(body: string): string {
    // A batch begins with a newline, so that whatever an earlier, failed write left in the file cannot run into its first line.
    if (this.#text === '' && this.#parts.length === 0 && this.#segment.bytes > 0) this.#text = '\n'
    this.#hash = chained(this.#hash, body)
    this.#seq += 1
    const line = finished(body, this.#hash)
    this.#text += line
    return line
  }

  #absorb(): void {
    if (this.#text === '') return
    this.#segment.hash.update(this.#text, 'latin1')
    this.#hashed += this.#text.length
    this.#parts.push(this.#text)
    this.#text = ''
  }
}

function bodyOf(item: Exclude<Item, { event: 'seal' }>, seq: number): string {
  switch (item.event) {
    case 'intent':
      return intentBody(item.entry, item.atMs, seq)
    case 'outcome':
      return outcomeBody(item.entry, item.atMs, seq)
    case 'refused':
      return refusedBody(item.entry, item.atMs, seq)
    case 'refused_summary':
      return summaryBody(item.entry, item.atMs, seq)
    case 'lifecycle':
      return lifecycleBody(item.entry, item.atMs, seq)
    default:
      return item satisfies never
  }
}
