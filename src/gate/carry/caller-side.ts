import type { ServerResponse } from 'node:http'
import { LIMITS, passed } from '../../kernel/index.ts'
import type { KeptContent } from '../content.ts'
import { breakOff } from './break-off.ts'
import { NOTHING } from './collected.ts'
import { begin, endFramed, type Framing, writeFramed } from './framing.ts'

const NEWLINE = 0x0a

/**
 * The caller's end of a request that is carried. There is one for each request, whichever backends are tried for it: what was sent was sent, and the next
 * backend goes on from there.
 */
export class CallerSide {
  /** Of the answer; signs of life are none. */
  bytesOut = 0
  /** When something was last sent, be it a sign of life. */
  sentMs: number
  /** Since when the caller has read more slowly than we write; 0 while he does not. */
  pausedMs = 0
  /** The last byte was handed over, and has not left us yet. */
  ending = false
  /** Whether something may be put in here without breaking anything in two. */
  atBoundary = true
  /** A head of our own was sent, for a sign of life; what status a backend answers cannot be told any more. */
  kept = false
  /** Called when a slow reader has caught up. */
  onCaughtUp: (() => void) | null = null
  readonly #outgoing: ServerResponse
  readonly #content: KeptContent | null
  #framing: Framing = 'node'
  #endsLine = true
  #rest: Buffer = NOTHING
  #answered: (() => void) | null = null

  constructor(outgoing: ServerResponse, nowMs: number, content: KeptContent | null) {
    this.#outgoing = outgoing
    this.#content = content
    this.sentMs = nowMs
    // The second net: an error of the response that nobody listens to would end the process.
    outgoing.on('error', ignore)
  }

  get isGone(): boolean {
    return this.#outgoing.destroyed
  }

  /** The head of an answer that follows as it comes. Where one was sent before, this one cannot be. */
  begin(status: number, headers: string[], sized: boolean): void {
    if (!this.kept) this.#framing = begin(this.#outgoing, status, headers, sized)
  }

  /** A stream may be silent after its headers, and its caller wants them; bytes of the same packet go out with them. What has a length is no stream. */
  flushSoon(onFault: (thrown: unknown) => void): void {
    if (this.#framing === 'sized' || this.kept) return
    queueMicrotask(() => {
      if (this.bytesOut > 0 || this.ending || this.#outgoing.destroyed) return
      try {
        this.#outgoing.flushHeaders()
      } catch (error) {
        onFault(error)
      }
    })
  }

  /** False when the caller reads more slowly than we write; `onCaughtUp` tells when that is over. */
  write(chunk: Buffer, nowMs: number): boolean {
    this.bytesOut += chunk.length
    passed(chunk.length)
    if (this.#content !== null) this.#content.told(chunk)
    this.#endsLine = chunk[chunk.length - 1] === NEWLINE
    this.sentMs = nowMs
    if (writeFramed(this.#outgoing, this.#framing, chunk)) return true
    this.#waitForReader(nowMs)
    return false
  }

  /** A whole answer. In slices, so that a slow reader who still reads is told from one who has stopped, and what he took can be counted. */
  answer(status: number, headers: Readonly<Record<string, string>>, whole: Buffer | string, nowMs: number, done: () => void): void {
    const body = typeof whole === 'string' ? Buffer.from(whole) : whole
    this.#framing = 'sized'
    this.#rest = body
    if (this.#content !== null) this.#content.told(body)
    this.#answered = done
    this.#outgoing.writeHead(status, { ...headers, 'content-length': body.length })
    this.#writeRest(nowMs)
  }

  #writeRest(nowMs: number): void {
    while (this.#rest.length > 0) {
      const slice = this.#rest.subarray(0, LIMITS.answerSliceBytes)
      this.#rest = this.#rest.subarray(slice.length)
      this.bytesOut += slice.length
      if (!this.#outgoing.write(slice) && this.#rest.length > 0) {
        this.#waitForReader(nowMs)
        return
      }
    }
    this.#answered?.()
  }

  #waitForReader(nowMs: number): void {
    this.pausedMs = nowMs
    this.#outgoing.once('drain', this.#onDrain)
  }

  readonly #onDrain = (): void => {
    const nowMs = this.pausedMs
    this.pausedMs = 0
    this.onCaughtUp?.()
    if (this.#rest.length > 0 && !this.#outgoing.destroyed) this.#writeRest(nowMs)
  }

  /** `done` is called when the last byte has left us, so that `complete` never means "given up half way to a slow reader". */
  finish(done: () => void): void {
    this.ending = true
    endFramed(this.#outgoing, this.#framing, done)
  }

  /** Says that the answer is still to come, with a head of its own when nothing was said before. */
  keepAlive(head: string[], words: Buffer, nowMs: number): void {
    this.sentMs = nowMs
    if (!this.#outgoing.headersSent) {
      this.#framing = begin(this.#outgoing, 200, head, false)
      this.kept = true
    }
    if (!writeFramed(this.#outgoing, this.#framing, words)) this.#waitForReader(nowMs)
  }

  /** Ends what was begun and cannot be finished: by words, where the format has any, or by a cut. */
  breakOff(words: string | null): void {
    this.ending = true
    breakOff(this.#outgoing, this.#framing, words === null || this.#endsLine ? words : `\n${words}`)
  }
}

const ignore = (): void => {}
