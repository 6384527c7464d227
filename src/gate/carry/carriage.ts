import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Backend } from '../../catalog/index.ts'
import type { Ending } from '../../contract/index.ts'
import type { LocalAnswer, Plan, StreamReader, StreamReport, WholeAnswer } from '../../dialects/index.ts'
import { errorInBand } from '../../http/index.ts'
import { type Clock, type GatewayError, LIMITS, passed } from '../../kernel/index.ts'
import type { Ended, Visit } from '../visit.ts'
import { breakOff } from './break-off.ts'
import { Collected, NOTHING } from './collected.ts'
import { hiderOf, reshaped, withoutCredential } from './credential.ts'
import { deadlineFault, earlyRefusal, endingOf, isFault, upstreamFault } from './faults.ts'
import { begin, endFramed, type Framing, writeFramed } from './framing.ts'
import { relayedHeaders } from './headers.ts'
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
  readonly #settle: (end: CarriageEnd) => void
  readonly #startedMs: number
  #controller: Dispatcher.DispatchController | null = null
  #over = false
  #status = 0
  #contentType = ''
  #isFault = false
  #bytesOut = 0
  #firstByteMs = -1
  #lastByteMs: number
  #pausedMs = 0
  #reader: StreamReader | null = null
  #report: StreamReport | undefined
  #uploaded = -1
  #collected: Collected | null = null
  #ending = false
  #endsLine = true
  #framing: Framing = 'node'

  constructor(visit: Visit, backend: Backend, plan: Plan, parts: CarriageParts, settle: (end: CarriageEnd) => void) {
    this.#visit = visit
    this.#backend = backend
    this.#plan = plan
    this.#parts = parts
    this.#outgoing = visit.envelope.outgoing
    this.#settle = settle
    this.#startedMs = parts.clock.monoMs()
    this.#lastByteMs = this.#startedMs
    visit.cut = (ending, error) => this.#end(ending, error)
    // The second net: an error of the response that nobody listens to would end the process.
    this.#outgoing.on('close', this.#onCallerGone).on('error', ignore)
    parts.sweep.add(this)
    if (this.#outgoing.destroyed) this.#onCallerGone()
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
      if (this.#isFault || mustBeRead(this.#plan, status, this.#backend)) this.#collected = new Collected(headers)
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
    this.#fail(this.#over ? error : (earlyRefusal(this.#plan, this.#backend, this.#status, this.#contentType, error) ?? error))
  }

  /** Deadlines. While the caller is the slow one, the backend's clocks stand and the caller's own runs. */
  overdue(nowMs: number): void {
    const { firstByteMs, idleMs, totalMs } = this.#backend.deadlines
    if (this.#pausedMs > 0 || this.#ending) {
      if (nowMs - Math.max(this.#pausedMs, this.#lastByteMs) > LIMITS.clientStallMsMax) this.#end('client_stalled', null)
      return
    }
    const waited = nowMs - (this.#status === 0 ? this.#startOfWait() : this.#lastByteMs)
    if (this.#status === 0 ? waited > firstByteMs : waited > idleMs)
      this.#fail(deadlineFault(this.#backend.name, this.#status === 0 ? 'first byte' : 'next byte', waited))
    else if (nowMs - this.#startedMs > totalMs) this.#fail(deadlineFault(this.#backend.name, 'end', nowMs - this.#startedMs))
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
    // What answers HEAD speaks of a body and has none, so there is nothing to miss in it.
    this.#reader = this.#plan.request.method === 'HEAD' ? null : (this.#plan.reader?.(status, this.#contentType) ?? null)
    const relayed = relayedHeaders(headers, this.#visit.envelope.id, this.#plan.contentType)
    const told = status < 400 ? relayed : relayed.map(hiderOf(this.#backend))
    this.#framing = begin(this.#outgoing, status, told, headers['content-length'] !== undefined)
    // A stream may be silent after its headers, and its caller wants them; bytes of the same packet go out with them. What has a length is no stream.
    if (this.#framing !== 'sized') queueMicrotask(this.#flushHeaders)
  }

  readonly #flushHeaders = (): void => {
    if (this.#bytesOut > 0 || this.#over || this.#ending) return
    try {
      this.#outgoing.flushHeaders()
    } catch (error) {
      this.#fail(error)
    }
  }

  #relay(chunk: Buffer): void {
    this.#bytesOut += chunk.length
    passed(chunk.length)
    this.#endsLine = chunk[chunk.length - 1] === NEWLINE
    this.#reader?.chunk(chunk)
    if (!writeFramed(this.#outgoing, this.#framing, chunk)) {
      this.#waitForReader()
      this.#controller?.pause()
    }
  }

  readonly #onDrain = (): void => {
    this.#pausedMs = 0
    this.#lastByteMs = this.#parts.clock.monoMs()
    if (this.#over) return
    if (this.#rest.length > 0) this.#writeRest()
    else this.#controller?.resume()
  }

  #endRelay(): void {
    const report = this.#told()
    if (report !== undefined && !report.finished) throw this.#rubbish('the stream ended before it was finished')
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
    const answer: WholeAnswer = { status: this.#status, contentType: this.#contentType, body: collected.body() }
    const { fault, reshape } = this.#plan
    this.#collected = null
    if (this.#isFault && fault !== undefined) throw fault(withoutCredential(answer, this.#backend))
    if (reshape === undefined) this.#answer(relayedError(answer, collected, this.#backend, this.#plan))
    else this.#answer(reshaped(answer, this.#backend, reshape))
  }

  #used: Pick<LocalAnswer, 'units' | 'estimated'> | undefined
  #rest: Buffer = NOTHING

  #answer({ status, headers, body, ...used }: LocalAnswer): void {
    this.#status = status
    this.#used = used
    this.#framing = 'sized'
    this.#rest = Buffer.from(body)
    this.#outgoing.writeHead(status, { ...headers, 'x-request-id': this.#visit.envelope.id, 'content-length': this.#rest.length })
    this.#writeRest()
  }

  /** In slices, so that a slow reader who still reads is told from one who has stopped, and what he took can be counted. */
  #writeRest(): void {
    while (this.#rest.length > 0) {
      const slice = this.#rest.subarray(0, LIMITS.answerSliceBytes)
      this.#rest = this.#rest.subarray(slice.length)
      this.#bytesOut += slice.length
      if (!this.#outgoing.write(slice) && this.#rest.length > 0) {
        this.#waitForReader()
        return
      }
    }
    this.#finishAfterFlush('complete', null)
  }

  #waitForReader(): void {
    this.#pausedMs = this.#parts.sweep.nowMs
    this.#outgoing.once('drain', this.#onDrain)
  }

  /** The end is recorded when the last byte has left us, so that `complete` never means "given up half way to a slow reader". */
  #finishAfterFlush(ending: Ending, error: GatewayError | null): void {
    this.#ending = true
    this.#lastByteMs = this.#parts.sweep.nowMs
    endFramed(this.#outgoing, this.#framing, () => this.#end(ending, error))
  }

  readonly #onCallerGone = (): void => {
    if (!this.#outgoing.writableFinished) this.#end('client_closed', null)
  }

  #rubbish(reason: string): GatewayError {
    return upstreamFault(new Error(reason), this.#backend.name)
  }

  #fail(thrown: unknown): void {
    const error = upstreamFault(thrown, this.#backend.name)
    this.#end(endingOf(error, this.#outgoing.destroyed), error)
  }

  #lastWords(error: GatewayError | null): string | null {
    const words = error === null ? null : errorInBand(error, this.#contentType)
    return words === null || this.#endsLine ? words : `\n${words}`
  }

  /** The one end. What was begun towards the caller is ended in the face's own words where it has any, and otherwise cut, never closed cleanly. */
  #end(ended: Ending, error: GatewayError | null): void {
    if (this.#over) return
    this.#over = true
    this.#parts.sweep.delete(this)
    this.#outgoing.off('close', this.#onCallerGone)
    const clean = this.#outgoing.writableFinished
    if (!clean) this.#controller?.abort(new Error(ended))
    const unsent = !this.#outgoing.headersSent && !this.#outgoing.destroyed
    try {
      if (!clean && !unsent) breakOff(this.#outgoing, this.#framing, this.#lastWords(error))
      this.#told()
    } catch {
      this.#outgoing.destroy() // whatever is wrong with it, the end must be settled
    }
    const sent = this.#outgoing.headersSent
    this.#settle({
      ended,
      status: sent ? this.#status : unsent && error !== null ? error.status : 0,
      bytesOut: this.#bytesOut,
      firstByteMs: this.#firstByteMs >= 0 ? this.#firstByteMs : undefined,
      units: this.#used?.units ?? this.#report?.units ?? (sent ? this.#plan.units : undefined),
      estimated: this.#used?.estimated ?? this.#report?.estimated,
      error: error ?? undefined,
      tell: unsent && error !== null ? error : undefined,
    })
  }
}

const NEWLINE = 0x0a
const ignore = (): void => {}
