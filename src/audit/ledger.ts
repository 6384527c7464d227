import type { IntentEntry, LifecycleEntry, OutcomeEntry, RefusedEntry } from '../contract/index.ts'
import { type GatewayError, LIMITS, reasonOf } from '../kernel/index.ts'
import type { Batch, Item } from './batch.ts'
import { OpenRequests } from './open-requests.ts'
import { keepThrough, Outage, passing, stalledOutcome, unavailable } from './outage.ts'
import { Refusals } from './refusals.ts'
import type { Resumed } from './resume.ts'
import { SealFile } from './seal-file.ts'
import type { Behind, Ledger, LedgerHead, LedgerOptions, LedgerSettings, LedgerState } from './types.ts'
import { WaitingLines } from './waiting.ts'
import { Writer, type WriterParts } from './writer.ts'

const MiB = 1024 * 1024
const TICK_MS = 1_000

/** What the house sees of the ledger: a queue in front of the writer, and its manners while the disk is gone. */
export class FileLedger implements Ledger {
  readonly #options: LedgerOptions
  readonly #writer: Writer
  readonly #waiting = new WaitingLines(() => this.#flush())
  readonly #refusals = new Refusals()
  readonly #outage: Outage
  readonly #sealFile: SealFile
  readonly #behind: Behind
  readonly #requests: OpenRequests
  #settings: LedgerSettings
  #ok: boolean
  #closed = false
  #closing: Promise<void> | null = null
  #stalled = false
  #lastError: string | undefined
  #reopenTimer: NodeJS.Timeout | null = null
  readonly #tick: NodeJS.Timeout
  #summaryAtMs: number
  #sealAtMs: number
  #whenLanded: (() => void)[] = []

  constructor(options: LedgerOptions, parts: WriterParts, resumed: Resumed, behind: Behind) {
    const { clock, keyDir, log } = options
    this.#options = options
    this.#settings = options
    this.#behind = behind
    this.#outage = new Outage(clock, this.#refusals)
    this.#sealFile = new SealFile(keyDir, log)
    this.#requests = new OpenRequests(resumed.unsettledFrom)
    this.#writer = new Writer(parts, options.sync, resumed, {
      committed: (batch) => this.#committed(batch),
      broke: (items, error) => this.#broke(items, error),
      landed: () => this.#landed(),
      rotated: behind.rotated,
      unfinishedFrom: () => this.#requests.oldest(),
    })
    this.#ok = this.#writer.ready
    this.#summaryAtMs = this.#sealAtMs = clock.monoMs()
    this.#tick = setInterval(() => this.#onTick(), TICK_MS).unref()
  }

  /** Writes the open record when the segment is new. A full or failing disk is an outage like any other; what no waiting will mend is thrown. */
  async start(): Promise<void> {
    try {
      if (!this.#writer.hasSegment) this.#writer.open()
    } catch (error) {
      if (!passing(error)) throw error
      this.#broke([], error)
    }
    this.#flush()
    while (this.#writer.flying) await this.#landing()
  }

  intent(entry: IntentEntry): Promise<void> {
    const why = this.#unfit()
    if (why !== null) return Promise.reject(this.#turnAway(entry, why))
    return new Promise((resolve, reject) => {
      this.#waiting.add({ event: 'intent', entry, atMs: this.#options.clock.nowMs(), resolve, reject, seq: 0 }, 'soon')
    })
  }

  outcome(entry: OutcomeEntry): void {
    if (!this.#ok && this.#waiting.outcomes >= LIMITS.ledgerWaitingOutcomesMax) this.#outage.lose(1)
    else this.#waiting.add({ event: 'outcome', entry, atMs: this.#options.clock.nowMs() }, 'outcome')
  }

  refused(entry: RefusedEntry): void {
    // The ledger has recorded this one itself, when it rejected the intent.
    if (entry.code === 'AUDIT_UNAVAILABLE') return
    const atMs = this.#options.clock.nowMs()
    const written = this.#refusals.admit(entry, atMs)
    if (!written) return
    if (this.#waiting.length >= LIMITS.ledgerWaitingLinesMax) this.#refusals.count(written, atMs)
    else this.#waiting.add({ event: 'refused', entry: written, atMs }, 'refusal')
  }

  lifecycle(entry: LifecycleEntry): Promise<void> {
    return this.#answered((resolve, reject, atMs) => ({ event: 'lifecycle', entry, atMs, resolve, reject }))
  }

  seal(): Promise<void> {
    return this.#answered((resolve, reject, atMs) => ({ event: 'seal', atMs, resolve, reject }))
  }

  state(): LedgerState {
    const { flying, segmentName, point } = this.#writer
    const oldest = flying?.items[0]?.atMs ?? this.#waiting.items[0]?.atMs
    return {
      ok: this.#ok,
      waitingLines: this.#waiting.length + (flying?.items.length ?? 0),
      waitingOutcomes: this.#waiting.outcomes,
      lagMs: oldest === undefined ? 0 : Math.max(0, this.#options.clock.nowMs() - oldest),
      segment: segmentName,
      seq: point.seq,
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
    }
  }

  head(): LedgerHead {
    const { segmentName, bytes, point } = this.#writer
    return { segment: segmentName, bytes, seq: point.seq, hash: point.hash, ...(point.seal && { seal: point.seal.line }) }
  }

  get settings(): LedgerSettings {
    return this.#settings
  }

  reconfigure(settings: LedgerSettings): void {
    this.#settings = { ...this.#settings, ...settings }
  }

  /** Everything before this process has its outcome now. */
  settled(): void {
    this.#requests.settled()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => this.#behind.closed())
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#behind.closing()
    this.#drainRefusals()
    const sealed = this.seal().catch(() => undefined)
    this.#closed = true
    this.#flush()
    await sealed
    while (this.#writer.flying) await this.#landing()
    clearInterval(this.#tick)
    if (this.#reopenTimer) clearTimeout(this.#reopenTimer)
    this.#waiting.stop()
    if (this.#waiting.length > 0) {
      this.#options.log.error({ lines: this.#waiting.length }, 'the ledger was closed with lines that could not be written')
    }
    this.#sealFile.flushNow()
    this.#writer.close()
    this.#setOk(false)
  }

  #landing(): Promise<void> {
    return new Promise((resolve) => this.#whenLanded.push(resolve))
  }

  /** Why an intent cannot even be queued; null when it can. A ledger that is down tries to come back first. */
  #unfit(): string | null {
    if (this.#closed) return 'the ledger is closed'
    if (!this.#writer.hasSegment) this.#reopen()
    if (!this.#writer.hasSegment) return this.#lastError ?? 'the ledger has no segment'
    if (this.#stalled) return 'the disk does not answer'
    return this.#waiting.length >= LIMITS.ledgerWaitingLinesMax ? 'too many lines wait for the disk' : null
  }

  #turnAway(entry: IntentEntry, reason: string): GatewayError {
    const refusal = this.#closed ? null : this.#outage.refusalOf(entry, reason, this.#waiting.length)
    if (refusal) this.#waiting.add(refusal, 'refusal')
    return unavailable(reason)
  }

  #answered(make: (resolve: () => void, reject: (error: GatewayError) => void, atMs: number) => Item): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('the ledger is closed'))
    return new Promise((resolve, reject) => {
      if (!this.#writer.hasSegment) this.#reopen()
      this.#waiting.add(make(resolve, reject, this.#options.clock.nowMs()), 'soon')
      // Nobody may be left waiting for a disk that is not there; what was said is written when it comes back.
      if (!this.#writer.hasSegment) reject(unavailable(this.#lastError ?? 'the ledger has no segment'))
    })
  }

  #flush(): void {
    if (this.#writer.flying || !this.#writer.hasSegment) return
    if (this.#waiting.length === 0 && this.#writer.ready) return
    this.#writer.setMode(this.#settings.sync)
    this.#waiting.take(this.#writer.prepare(this.#waiting.items, this.#settings.rotateMiB * MiB))
    this.#writer.launch()
  }

  #committed({ items, point }: Batch): void {
    this.#requests.note(items)
    for (const item of items) {
      if ('resolve' in item) item.resolve()
      if (this.#stalled && item.event === 'intent') this.outcome(stalledOutcome(item.entry))
    }
    if (point.seal) this.#sealFile.offer(point.seal.line)
    if (!this.#ok) this.#recovered()
  }

  #landed(): void {
    this.#stalled = false
    if (this.#waiting.length > 0 || !this.#writer.ready) this.#waiting.flushSoon()
    for (const resume of this.#whenLanded.splice(0)) resume()
  }

  #broke(items: readonly Item[], error: Error): void {
    this.#lastError = reasonOf(error)
    this.#suspend(items, unavailable(this.#lastError, error), `segment ended at byte ${this.#writer.bytes}`)
    this.#reopenLater()
  }

  /** Until the disk is back: who waits is told, the rest is kept, and one line will say what happened. */
  #suspend(items: readonly Item[], error: GatewayError, what: string): void {
    const first = this.#outage.begin()
    const kept = keepThrough(this.#outage, [...items, ...this.#waiting.items], error)
    if (first) {
      const detail = `${this.#writer.segmentName}: ${what}: ${error.reason}`
      kept.push({ event: 'lifecycle', entry: { what: 'fault', detail }, atMs: this.#options.clock.nowMs(), resolve() {}, reject() {} })
      this.#options.log.error(
        { err: error.reason, segment: this.#writer.segmentName },
        'the ledger cannot be written; intents are refused until it can',
      )
    }
    this.#waiting.replace(kept)
    this.#setOk(false)
  }

  #reopen(): void {
    if (!this.#outage.mayTry()) return
    try {
      this.#writer.open()
      this.#waiting.flushSoon()
    } catch (error) {
      this.#lastError = reasonOf(error)
      this.#reopenLater()
    }
  }

  #reopenLater(): void {
    this.#reopenTimer ??= setTimeout(() => {
      this.#reopenTimer = null
      if (!this.#writer.hasSegment) this.#reopen()
      if (!this.#writer.hasSegment) this.#reopenLater()
    }, LIMITS.ledgerReopenMs).unref()
  }

  #recovered(): void {
    if (this.#outage.on) {
      const detail = this.#outage.end()
      this.#options.log.info({ detail }, 'the ledger is writable again')
      this.lifecycle({ what: 'recovered', detail }).catch(() => undefined)
    }
    this.#lastError = undefined
    this.#setOk(true)
  }

  #setOk(ok: boolean): void {
    if (ok === this.#ok) return
    this.#ok = ok
    this.#options.onState?.(ok)
  }

  #onTick(): void {
    const nowMs = this.#options.clock.monoMs()
    if (nowMs - this.#summaryAtMs >= LIMITS.refusalSummaryMs) {
      this.#summaryAtMs = nowMs
      this.#drainRefusals()
      this.#writer.checkPlace()
    }
    if (nowMs - this.#sealAtMs >= LIMITS.ledgerSealMs) {
      this.#sealAtMs = nowMs
      if (this.#writer.unsealed) this.seal().catch(() => undefined)
    }
    this.#watchStall()
    this.#sealFile.flush()
  }

  #drainRefusals(): void {
    // They go on counting through an outage: a summary every ten seconds for a day would fill the memory instead of the disk.
    if (!this.#ok) return
    const atMs = this.#options.clock.nowMs()
    for (const entry of this.#refusals.drain(atMs)) this.#waiting.add({ event: 'refused_summary', entry, atMs }, 'refusal')
  }

  /** A disk that hangs is as good as none: who waits is told so, and an intent that reaches the disk after all is settled as refused. */
  #watchStall(): void {
    const { flying, flightMs } = this.#writer
    if (!flying || this.#stalled || flightMs < LIMITS.ledgerStallMsMax) return
    this.#stalled = true
    this.#lastError = `the disk has not answered for ${LIMITS.ledgerStallMsMax} ms`
    const error = unavailable(this.#lastError)
    for (const item of flying.items) if ('reject' in item) item.reject(error)
    this.#suspend([], error, 'stalled')
  }
}
