import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Backend } from '../../catalog/index.ts'
import type { Ending } from '../../contract/index.ts'
import type { LocalAnswer, Plan, StreamReader, StreamReport } from '../../dialects/index.ts'
import { errorInBand, isEventStream } from '../../http/index.ts'
import { type Clock, type GatewayError, LIMITS } from '../../kernel/index.ts'
import { recordOf } from '../limit-headers.ts'
import type { Ended, Visit } from '../visit.ts'
import type { CallerSide } from './caller-side.ts'
import { Collected } from './collected.ts'
import { hiderOf, hiding, withoutCredential } from './credential.ts'
import { earlyRefusal, endingOf, failedAtOnce, isFault, isWhole, overdueFault, upstreamFault } from './faults.ts'
import { isHalf, readerOf, UNFINISHED } from './half-object.ts'
import { passesLength, relayedHeaders } from './headers.ts'
import { mustBeRead, relayedError } from './relayed-error.ts'
import type { Sweep, Watched } from './sweep.ts'

export interface CarriageParts {
  readonly clock: Clock
  readonly sweep: Sweep
}

/** An error that must still be told to the caller, because not a byte of an answer has been sent. */
export type CarriageEnd = Ended & { readonly tell?: GatewayError | undefined }

/**
 * One request at a backend, from dispatch to its one end. Bytes go from undici's callbacks straight to the caller's response; when the
 * caller reads slowly the backend's socket is paused. The callbacks never throw, because Hono's onError does not stand behind them.
 */
export class Carriage implements Dispatcher.DispatchHandler, Watched {
  slot = -1
  readonly #visit: Visit
  readonly #backend: Backend
  readonly #plan: Plan
  readonly #parts: CarriageParts
  readonly #outgoing: ServerResponse
  readonly #caller: CallerSide
  readonly #settle: (end: CarriageEnd) => void
  readonly #startedMs: number
  #controller: Dispatcher.DispatchController | null = null
  #over = false
  #status = 0
  #contentType = ''
  #isFault = false
  #firstByteMs = -1
  #lastByteMs: number
  #reader: StreamReader | null = null
  #report: StreamReport | undefined
  #uploaded = -1
  #collected: Collected | null = null
  #joined = false
  /** The stream is whole, and its connection was closed from our side. */
  #hasEnough = false
  /** Its caller has left, and the backend is let finish. */
  #alone = false

  constructor(visit: Visit, backend: Backend, plan: Plan, parts: CarriageParts, settle: (end: CarriageEnd) => void) {
    this.#visit = visit
    this.#backend = backend
    this.#plan = plan
    this.#parts = parts
    this.#outgoing = visit.envelope.outgoing
    this.#caller = visit.callerAt(parts.sweep.nowMs)
    this.#settle = settle
    this.#startedMs = parts.clock.monoMs()
    this.#lastByteMs = this.#startedMs
    visit.cut = (ending, error) => this.#end(ending, error)
    this.#caller.onCaughtUp = this.#onCaughtUp
    this.#outgoing.on('close', this.#onCallerGone)
    parts.sweep.add(this)
    if (this.#outgoing.destroyed) this.#onCallerGone()
  }

  /** The backend's status is one of success, and nothing says otherwise. */
  get #isGood(): boolean {
    return this.#status > 0 && this.#status < 400 && !this.#isFault
  }

  /** An answer was begun towards the caller; before that, be there signs of life or not, another backend may still be tried. */
  get #relays(): boolean {
    return this.#caller.kept ? this.#joined : this.#outgoing.headersSent
  }

  get over(): boolean {
    return this.#over
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) controller.abort(new Error('over before it began'))
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.#over || status < 200) return // 1xx is between the backend and us
    try {
      this.#firstByteMs = this.#parts.clock.monoMs() - this.#startedMs
      this.#lastByteMs = this.#parts.sweep.nowMs
      this.#status = status
      this.#contentType = String(headers['content-type'] ?? '')
      this.#isFault = isFault(this.#plan, status, this.#contentType)
      if (status >= 300 && status < 400 && status !== 304) throw this.#rubbish(`status ${status}: redirects are never followed`)
      if (this.#isGood) this.#visit.onAnswer?.()
      if (this.#isFault || mustBeRead(this.#plan, status, this.#contentType, this.#backend)) this.#collected = new Collected(headers)
      else this.#startRelay(status, headers)
    } catch (error) {
      this.#fail(error)
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return
    try {
      this.#lastByteMs = this.#parts.sweep.nowMs
      if (this.#collected !== null) this.#collect(this.#collected, chunk)
      else this.#relay(chunk)
    } catch (error) {
      this.#fail(error)
    }
  }

  onResponseEnd(): void {
    if (this.#over) return
    try {
      if (this.#collected !== null) this.#answerCollected(this.#collected)
      else this.#endRelay()
    } catch (error) {
      this.#fail(error)
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#hasEnough) return
    this.#fail(this.#over ? error : (earlyRefusal(this.#plan, this.#backend, this.#status, this.#contentType, error) ?? error))
  }

  /** Deadlines. While the caller is the slow one, the backend's clocks stand and the caller's own runs. */
  overdue(nowMs: number): void {
    const { pausedMs, ending } = this.#caller
    if (!this.#alone && (pausedMs > 0 || ending)) {
      if (nowMs - Math.max(pausedMs, this.#lastByteMs) > LIMITS.clientStallMsMax) this.#end('client_stalled', null)
      return
    }
    // Some say their last word and keep the connection; nobody need wait for more.
    if (this.#reader?.isWhole && nowMs - this.#lastByteMs > LIMITS.afterLastEventMsMax) {
      this.#hasEnough = true
      this.#endRelay()
      this.#controller?.abort(new Error('whole'))
      return
    }
    const hasBegun = this.#status !== 0
    const waitedMs = nowMs - (hasBegun ? this.#lastByteMs : this.#startOfWait())
    const late = overdueFault(this.#backend, { hasBegun, waitedMs, ranMs: nowMs - this.#startedMs })
    if (late !== null) this.#fail(late)
  }

  /** An upload may rightly take longer than a first byte: the wait for an answer begins when the backend has taken the last of the body. */
  #startOfWait(): number {
    const { bytesIn } = this.#visit
    if (bytesIn !== this.#uploaded) {
      this.#uploaded = bytesIn
      this.#lastByteMs = this.#parts.sweep.nowMs
    }
    return this.#lastByteMs
  }

  #startRelay(status: number, headers: IncomingHttpHeaders): void {
    this.#reader = hiding(readerOf(this.#plan, status, this.#contentType, headers), this.#backend)
    if (this.#alone) return
    if (this.#caller.kept && !isEventStream(this.#contentType)) throw this.#rubbish('no stream, where one was asked for and begun')
    const relayed = relayedHeaders(headers, this.#visit, this.#plan.contentType)
    const told = this.#backend.auth === null ? relayed : relayed.map(hiderOf(this.#backend))
    // Where there are no events there is nothing to put between them.
    this.#caller.atBoundary = this.#reader?.atBoundary ?? false
    this.#caller.begin(status, told, passesLength(headers))
    this.#joined = true
    this.#caller.flushSoon(this.#fail)
  }

  #relay(chunk: Buffer): void {
    const whole = this.#reader === null ? chunk : this.#reader.chunk(chunk)
    if (this.#alone || whole.length === 0) return
    this.#caller.atBoundary = this.#reader?.isWhole !== true && (this.#reader?.atBoundary ?? false)
    if (!this.#caller.write(whole, this.#parts.sweep.nowMs)) this.#controller?.pause()
  }

  readonly #onCaughtUp = (): void => {
    this.#lastByteMs = this.#parts.clock.monoMs()
    if (!this.#over) this.#controller?.resume()
  }

  #endRelay(): void {
    if (this.#alone) {
      this.#end('client_closed', null)
      return
    }
    const rest = this.#reader?.rest?.()
    if (rest !== undefined && rest.length > 0) this.#caller.write(rest, this.#parts.sweep.nowMs)
    const report = this.#told()
    if (report !== undefined && !report.finished) throw this.#rubbish(UNFINISHED)
    if (report?.failed) this.#finishAfterFlush('upstream_died', this.#rubbish('the backend reported a failure in band'))
    else this.#finishAfterFlush('complete', null)
  }

  /** What the stream says of itself, asked once: its last line may be long. */
  #told(): StreamReport | undefined {
    this.#report ??= this.#reader?.report()
    return this.#report
  }

  #collect(collected: Collected, chunk: Buffer): void {
    const isError = this.#isFault || this.#plan.reshape === undefined
    const max = isError ? LIMITS.errorAnswerBytesMax : LIMITS.wholeAnswerBytesMax
    if (collected.add(chunk, max)) return
    if (!isError) throw this.#rubbish(`an answer of more than ${max} bytes`)
    this.#answerCollected(collected) // enough to know what is wrong, and there may be no end to it
  }

  #answerCollected(collected: Collected): void {
    const answer = collected.answer(this.#status, this.#contentType)
    const { fault, reshape } = this.#plan
    this.#collected = null
    if (this.#isFault && fault !== undefined) throw fault(withoutCredential(answer, this.#backend))
    if (reshape === undefined) this.#answer(relayedError(answer, collected, this.#backend, this.#plan))
    else if (isHalf(answer, collected.headers)) throw this.#rubbish(UNFINISHED)
    else this.#answer(reshape(withoutCredential(answer, this.#backend)))
  }

  #used: Pick<LocalAnswer, 'units' | 'estimated'> | undefined

  #answer({ status, headers, body, ...used }: LocalAnswer): void {
    this.#used = used
    if (this.#alone) {
      this.#end('client_closed', null)
      return
    }
    if (this.#caller.kept) throw this.#rubbish('a whole answer, where a stream was begun')
    this.#status = status
    const { answerHeaders, envelope } = this.#visit
    const told = { ...headers, ...recordOf(answerHeaders), 'x-request-id': envelope.id }
    this.#caller.answer(status, told, body, this.#parts.sweep.nowMs, () => this.#finishAfterFlush('complete', null))
  }

  /** The end is recorded when the last byte has left us. */
  #finishAfterFlush(ending: Ending, error: GatewayError | null): void {
    this.#lastByteMs = this.#parts.sweep.nowMs
    this.#caller.finish(() => this.#end(ending, error))
  }

  readonly #onCallerGone = (): void => {
    if (this.#outgoing.writableFinished || this.#over) return
    // Not while it is on its way out: whoever is to be read to the end has to have begun.
    if (this.#backend.abort === 'drain' && this.#controller !== null && !this.#caller.ending) {
      this.#alone = true
      this.#controller.resume()
    } else this.#end('client_closed', null)
  }

  #rubbish(reason: string): GatewayError {
    return upstreamFault(new Error(reason), this.#backend.name)
  }

  readonly #fail = (thrown: unknown): void => {
    const error = upstreamFault(thrown, this.#backend.name)
    this.#end(endingOf(error, this.#outgoing.destroyed), error)
  }

  /** The one end. What was begun towards the caller is ended in the face's own words where it has any, and otherwise cut, never closed cleanly. */
  #end(ended: Ending, error: GatewayError | null): void {
    if (this.#over) return
    this.#over = true
    this.#parts.sweep.delete(this)
    this.#outgoing.off('close', this.#onCallerGone)
    const clean = this.#outgoing.writableFinished
    if (!clean) this.#controller?.abort(new Error(ended))
    const unsent = !this.#relays && !this.#outgoing.destroyed
    try {
      if (!clean && !unsent) this.#caller.breakOff(error && errorInBand(error, this.#visit.policy.errors, this.#contentType))
      this.#told()
    } catch {
      this.#outgoing.destroy() // whatever is wrong with it, the end must be settled
    }
    const sent = this.#relays
    this.#settle({
      ended,
      status: this.#caller.kept ? KEPT_STATUS : sent ? this.#status : unsent && error !== null ? error.status : 0,
      bytesOut: this.#caller.bytesOut,
      firstByteMs: this.#firstByteMs >= 0 ? this.#firstByteMs : undefined,
      served: this.#isGood && (sent || this.#alone) && !failedAtOnce(ended, this.#alone || this.#caller.bytesOut > 0, this.#report),
      units: this.#used?.units ?? this.#report?.units ?? (sent && isWhole(this.#report) ? this.#plan.units : undefined),
      estimated: this.#used?.estimated ?? this.#report?.estimated,
      error: error ?? undefined,
      tell: unsent && error !== null ? error : undefined,
    })
  }
}

/** What the head of a sign of life says. */
const KEPT_STATUS = 200
