import { createHash, type KeyObject } from 'node:crypto'
import type { SealLine } from '../contract/index.ts'
import { LIMITS, reasonOf } from '../kernel/index.ts'
import { type Placed, scanSegment } from './heads.ts'
import { expectedHash, parseSeal, type Record, recordOf, requestOf, signatureHolds, textOf } from './record.ts'
import type { Problems, SegmentReport } from './verify-report.ts'

/** What one segment hands to the next. */
export interface ChainState {
  hash: string
  seq: number
  time: string
  segment: string
  /** Hash of the last seal line; empty when none was seen, so that a ledger whose beginning is gone can still be checked. */
  seal: string
  readonly unfinished: Map<string, { file: string; line: number }>
  unfinishedUntracked: number
  heldSealFound: boolean
  /** Segments that the ledger itself says retention removed. */
  readonly removed: Set<string>
  /** Faults that the ledger records of itself: an end that was torn or cut, a disk that failed. */
  readonly faults: string[]
}

export interface SegmentParts {
  readonly key: KeyObject
  readonly held: SealLine | null
  readonly problems: Problems
  readonly progress: (offset: number, lines: number) => void
}

const FAULTS_NAMED_MAX = 100
const LIFECYCLE = /"what":"(retention|fault)","detail":"((?:[^"\\]|\\.)*)"/
const BLANK = Buffer.alloc(64 * 1024, '\n')

/** Checks one segment line by line: its chain, its seals, and the requests it opens and closes. */
export class SegmentCheck {
  readonly #head: Placed
  readonly #state: ChainState
  readonly #parts: SegmentParts
  readonly #sha = createHash('sha256')
  /** The running digest covers [0, hashed); `solid` is the end of the last line that is not empty. */
  #hashed = 0
  #solid = 0
  #lines = 0
  #seals = 0
  #blanks = 0
  #unacknowledged = 0
  #lastSealLine = 0
  /** After the first bad line the segment's digest is wrong in every seal, which need not be said of each. */
  #spoilt = false

  constructor(head: Placed, state: ChainState, parts: SegmentParts) {
    this.#head = head
    this.#state = state
    this.#parts = parts
  }

  async run(): Promise<SegmentReport> {
    const { path, open, acknowledged } = this.#head
    this.#state.segment = open.segment
    let position = { end: 0, line: 0 }
    const visit = (bytes: Buffer, start: number, end: number, offset: number, line: number): undefined => {
      position = { end: offset + end + 1 - start, line }
      if (acknowledged && offset >= acknowledged.bytes) this.#beyond(end + 1 - start, offset, line)
      else this.#visit(bytes, start, end, offset, line)
    }
    const consumed = (bytes: Buffer, upTo: number, offset: number): void => {
      this.#digest(bytes, offset, Math.min(this.#solid, offset + upTo))
      this.#parts.progress(offset + upTo, this.#lines)
    }
    const report = { file: path, segment: open.segment }
    try {
      const scanned = await scanSegment(this.#head, visit, { consumed })
      return { ...report, ...this.#finish(scanned.end, scanned.torn, position.line) }
    } catch (error) {
      this.#problem(position.end, position.line + 1, `cannot be read further: ${reasonOf(error)}`)
      return { ...report, ...this.#finish(position.end, 0, position.line) }
    }
  }

  #finish(end: number, torn: number, line: number): Omit<SegmentReport, 'file' | 'segment'> {
    const { acknowledged } = this.#head
    const counted = { lines: this.#lines, seals: this.#seals, bytes: end + torn, endLine: line }
    if (!acknowledged) return torn > 0 ? { ...counted, torn: { offset: end, bytes: torn } } : counted
    if (end + torn < acknowledged.bytes || (end < acknowledged.bytes && torn > 0)) {
      const why = `the segment ends at byte ${end + torn}, but the next one says it had ${acknowledged.bytes}: its end was cut off`
      this.#problem(end, line + 1, why)
    } else if (torn > 0) this.#beyond(torn, end, line + 1)
    return this.#unacknowledged > 0 ? { ...counted, unacknowledgedBytes: this.#unacknowledged } : counted
  }

  /** Bytes after the end that the next segment names. */
  #beyond(bytes: number, offset: number, line: number): void {
    this.#unacknowledged += bytes
    if (this.#head.acknowledged?.broken || this.#spoilt) return
    this.#spoilt = true
    this.#problem(offset, line, 'the next segment says that this one had ended before this line: it was added')
  }

  #visit(bytes: Buffer, start: number, end: number, offset: number, line: number): void {
    if (start === end) {
      this.#blanks += 1
      if (this.#blanks > 1 || offset === 0) this.#bad(offset, line, 'an empty line that the ledger does not write')
      return
    }
    this.#blanks = 0
    this.#lines += 1
    const record = recordOf(bytes, start, end)
    if (record) this.#follow(record, bytes, start, end, offset, line)
    else this.#bad(offset, line, 'this is not a line of the ledger')
    this.#solid = offset + end + 1 - start
  }

  #follow(record: Record, bytes: Buffer, start: number, end: number, offset: number, line: number): void {
    const state = this.#state
    const wanted = state.seq + 1
    if (record.seq > wanted)
      this.#bad(offset, line, `the sequence goes from ${state.seq} to ${record.seq}: lines before this one are missing`)
    else if (record.seq < wanted)
      this.#bad(offset, line, `the sequence goes back from ${state.seq} to ${record.seq}: this line does not belong here`)
    else if (record.hash !== expectedHash(state.hash, bytes, start, end))
      this.#bad(offset, line, 'its hash does not follow: this line or the one before it was changed')
    if (record.event === 'seal') this.#checkSeal(record, bytes, start, end, offset, line)
    else this.#note(record, bytes, start, end, line)
    // The chain goes on from what stands here, so that one change is one bad line and not a bad rest.
    state.hash = record.hash
    state.seq = record.seq
    state.time = record.time
  }

  #note({ event }: Record, bytes: Buffer, start: number, end: number, line: number): void {
    const { unfinished, removed, faults } = this.#state
    if (event === 'intent') {
      if (unfinished.size < LIMITS.ledgerUnfinishedMax) unfinished.set(requestOf(bytes, start, end), { file: this.#head.path, line })
      else this.#state.unfinishedUntracked += 1
    } else if (event === 'outcome') {
      if (!unfinished.delete(requestOf(bytes, start, end)) && this.#state.unfinishedUntracked > 0) this.#state.unfinishedUntracked -= 1
    } else if (event === 'lifecycle') {
      const [, what, detail = ''] = LIFECYCLE.exec(textOf(bytes, start, end)) ?? []
      if (what === 'retention') for (const name of detail.replace('removed: ', '').split(' ')) removed.add(name)
      if (what === 'fault' && faults.length < FAULTS_NAMED_MAX)
        faults.push(`a fault that the ledger recorded (${this.#head.path}:${line}): ${detail}`)
    }
  }

  #checkSeal(record: Record, bytes: Buffer, start: number, end: number, offset: number, line: number): void {
    const state = this.#state
    this.#seals += 1
    this.#digest(bytes, offset - start, this.#solid)
    const text = textOf(bytes, start, end)
    const seal = parseSeal(text)
    const why = seal ? this.#sealFault(seal, text) : 'this is not a seal as the ledger writes it'
    if (why !== null) this.#bad(offset, line, why)
    if (seal && this.#parts.held?.hash === record.hash && this.#parts.held.sig === seal.sig) state.heldSealFound = true
    state.seal = record.hash
    this.#lastSealLine = line
  }

  #sealFault(seal: SealLine, text: string): string | null {
    const { hash, seal: previous, segment } = this.#state
    if (!signatureHolds(text, seal.sig, this.#parts.key)) return 'the seal is not signed by the key that was given'
    if (this.#spoilt) return null
    if (seal.segment !== segment) return `the seal is of segment ${seal.segment}`
    if (seal.head !== hash) return 'the seal is of another chain: lines before it were changed and their hashes made anew'
    if (previous !== '' && seal.previous_seal !== previous) return 'the seal does not follow the seal before it'
    const since = this.#lastSealLine === 0 ? 'the beginning' : `the seal in line ${this.#lastSealLine}`
    if (seal.offset !== this.#solid)
      return `the seal is of ${seal.offset} bytes, but ${this.#solid} stand before it: something changed since ${since}`
    const sha256 = this.#sha.copy().digest('hex')
    return seal.sha256 === sha256 ? null : `the bytes before the seal are not those it was made of: something changed since ${since}`
  }

  /** Brings the digest up to `to`; `bytes` hold the file from `offset` on. What lies before is empty lines of an earlier chunk. */
  #digest(bytes: Buffer, offset: number, to: number): void {
    while (this.#hashed < Math.min(offset, to)) {
      const some = Math.min(BLANK.length, Math.min(offset, to) - this.#hashed)
      this.#sha.update(BLANK.subarray(0, some))
      this.#hashed += some
    }
    if (to <= this.#hashed) return
    this.#sha.update(bytes.subarray(this.#hashed - offset, to - offset))
    this.#hashed = to
  }

  #bad(offset: number, line: number, why: string): void {
    this.#spoilt = true
    this.#problem(offset, line, why)
  }

  #problem(offset: number, line: number, why: string): void {
    this.#parts.problems.add({ file: this.#head.path, line, offset, why })
  }
}
