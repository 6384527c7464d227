import { type Ledger, type LedgerPlace, segmentNumber } from '../audit/index.ts'
import { type Clock, GatewayError, LIMITS, reasonOf } from '../kernel/index.ts'
import type { Store } from '../storage/index.ts'
import { withDays } from './days/store.ts'
import { spent } from './look/store.ts'
import type { Bounds, Question, Questions, Word } from './messages.ts'
import type { Progress } from './project/follower.ts'
import { beginAt, readPlace } from './project/store.ts'
import { Outbox, openContent, sealContent } from './sealed.ts'
import { dayOf, firstDayOf } from './tables.ts'
import { type StartWorker, Thread } from './thread.ts'
import type { ContentSealer, CrashedCharge, FoundRequest, KeptContent, Retention, Usage, UsageLog, UsageState } from './types.ts'
import { within } from './within.ts'

export interface UsageParts {
  readonly store: Pick<Store, 'file' | 'db'>
  readonly ledgerFile: string
  readonly ledger: Pick<Ledger, 'head'>
  readonly sealer: ContentSealer
  readonly clock: Clock
  readonly log: UsageLog
  readonly retention: Retention
  readonly startWorker?: StartWorker
}

export const createUsage = (parts: UsageParts): Usage => new Accounts(parts)

/** The accounts as the main thread has them. The thread behind them begins when there is something to do, because most commands have nothing for it. */
class Accounts implements Usage {
  readonly #parts: UsageParts
  readonly #thread: Thread
  readonly #outbox: Outbox
  #retention: Retention
  #progress: Progress = { place: null, longestTransactionMs: 0, gap: null, fault: null }
  #told: LedgerPlace | null = null
  #timers: NodeJS.Timeout[] = []
  #onCrashed: ((charge: CrashedCharge) => void) | null = null

  constructor(parts: UsageParts) {
    const { store, ledgerFile, log, startWorker } = parts
    this.#parts = parts
    this.#retention = parts.retention
    this.#outbox = new Outbox(log, (row) => this.#thread.tell({ order: 'keep', row }))
    this.#thread = new Thread({
      data: () => ({ storeFile: store.file, ledgerFile, bounds: this.#bounds() }),
      log,
      heard: (word) => this.#hear(word),
      started: () => this.#started(),
      ...(startWorker && { start: startWorker }),
    })
  }

  get contentBytesMax(): number {
    return this.#retention.contentBytesMax
  }

  async caughtUp(): Promise<void> {
    const { log, ledger } = this.#parts
    if (!this.#thread.running && (await this.#isCaughtUp())) return
    const slow = setInterval(() => {
      const { seq, behind } = this.state()
      log.info({ seq, behind }, 'usage: the ledger is being taken into the accounts')
    }, LIMITS.usageSlowMs)
    try {
      this.#progress = await this.#thread.ask('caughtUp', null, ledger.head())
    } catch (error) {
      log.error({ reason: reasonOf(error) }, 'usage: the accounts are not up to the ledger; budgets and balances begin with what is known')
    } finally {
      clearInterval(slow)
    }
  }

  async upToDate(): Promise<void> {
    const head = placeIn(this.#parts.ledger.head())
    if (!this.#thread.running && (await this.#isCaughtUp())) return
    const progress = await within(LIMITS.usageUpToDateMsMax, this.#thread.ask('caughtUp', null, head)).catch(notCounted)
    const why = progress === null ? 'that takes too long' : (progress.gap ?? progress.fault)
    if (why !== null) notCounted(why)
  }

  follow(onCrashed?: (charge: CrashedCharge) => void): void {
    if (this.#timers.length > 0) return
    this.#onCrashed = onCrashed ?? null
    const first = setTimeout(() => {
      this.#tellHead()
      this.#timers.push(setInterval(() => this.#tellHead(), LIMITS.usageTellMs).unref())
    }, LIMITS.usageFirstTellMs).unref()
    const upkeep = setInterval(() => this.#thread.tell({ order: 'tidy', bounds: this.#bounds() }), LIMITS.usageUpkeepMs).unref()
    this.#timers = [first, upkeep]
  }

  spentThisMonth() {
    const today = dayOf(this.#parts.clock.nowMs())
    // At the start nobody waits for this thread yet, and another one need not be woken.
    return this.#thread.running ? this.#thread.ask('spent', today, null) : spent(withDays(this.#parts.store.db), today)
  }

  summary(wanted: Questions['summary']['asked']) {
    return this.#askLatest('summary', wanted)
  }

  requests(wanted: Questions['requests']['asked']) {
    return this.#askLatest('requests', wanted)
  }

  async request(id: string): Promise<FoundRequest | null> {
    const found = await this.#askLatest('request', id)
    if (found === null) return null
    const { request, content } = found
    if (content === null) return { request, content, contentFault: null }
    try {
      return { request, content: openContent(this.#parts.sealer, content), contentFault: null }
    } catch (error) {
      return { request, content: null, contentFault: reasonOf(error) }
    }
  }

  keepContent(content: KeptContent): void {
    const { sealer } = this.#parts
    const bytesMax = this.contentBytesMax
    const bytes = Math.min(content.prompt.length, bytesMax) + Math.min(content.answer.length, bytesMax)
    this.#outbox.put(() => sealContent(sealer, content, bytesMax), bytes)
  }

  async skip(): Promise<{ from: LedgerPlace | null; to: LedgerPlace }> {
    const to = placeIn(this.#parts.ledger.head())
    const { gap, fault } = await this.#askLatest('caughtUp', null)
    const detail =
      fault === null ? 'The accounts follow the ledger; there is nothing to leave out' : `That is tried again by itself: ${fault}`
    if (gap === null) throw new GatewayError('CONFLICT', { detail })
    const from = await this.#thread.ask('skip', to, null)
    this.#progress = { ...this.#progress, place: to, gap: null, fault: null }
    this.#parts.log.warn({ from, to }, 'usage: a part of the ledger was left out of the accounts, as somebody ordered')
    return { from, to }
  }

  reconfigure(retention: Retention): void {
    this.#retention = retention
    if (this.#thread.running) this.#thread.tell({ order: 'tidy', bounds: this.#bounds() })
  }

  stillReads(segment: string): boolean {
    const { place } = this.#progress
    return place === null || segmentNumber(segment) >= segmentNumber(place.segment)
  }

  state(): UsageState {
    const { place, longestTransactionMs, gap, fault } = this.#progress
    const lastError = this.#thread.lastError ?? gap ?? fault
    const behind = place === null ? 0 : Math.max(0, this.#parts.ledger.head().seq - place.seq)
    return { ok: lastError === null, seq: place?.seq ?? null, behind, longestTransactionMs, lastError }
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    // The next start need not read what this one can.
    if (this.#thread.running) await this.#askLatest('spent', dayOf(this.#parts.clock.nowMs())).catch(() => undefined)
    await this.#thread.stop()
  }

  async #askLatest<Q extends Question>(question: Q, asked: Questions[Q]['asked']): Promise<Questions[Q]['answer']> {
    if (!this.#thread.running) await this.#isCaughtUp()
    return this.#thread.ask(question, asked, placeIn(this.#parts.ledger.head()))
  }

  /** Where there is nothing to read, which is so on most days' first start, no thread has to be started for that. */
  async #isCaughtUp(): Promise<boolean> {
    const { store, ledger, log } = this.#parts
    const db = withDays(store.db)
    const head = placeIn(ledger.head())
    let place = await readPlace(db)
    if (place === null && (await beginAt(db, head)))
      log.info({ seq: head.seq, segment: head.segment }, 'usage: the accounts begin with the next line of the ledger')
    place ??= await readPlace(db)
    this.#progress = { ...this.#progress, place }
    return place?.seq === head.seq && place.hash === head.hash
  }

  #started(): void {
    this.#told = null
    this.#outbox.reset()
    this.#thread.tell({ order: 'tidy', bounds: this.#bounds() })
  }

  #tellHead(): void {
    const head = placeIn(this.#parts.ledger.head())
    if (head.seq === this.#told?.seq || (head.seq === this.#progress.place?.seq && !this.#thread.running)) return
    this.#told = head
    this.#thread.tell({ order: 'follow', head })
  }

  #hear(word: Extract<Word, { word: 'progress' | 'kept' }>): void {
    if (word.word === 'kept') {
      this.#outbox.arrived(word.bytes)
      return
    }
    this.#progress = word.progress
    for (const charge of word.crashed) this.#onCrashed?.(charge)
  }

  #bounds(): Bounds {
    const nowMs = this.#parts.clock.nowMs()
    return {
      logFirstDay: firstDayOf(nowMs, this.#retention.keepDays),
      countsFirstDay: firstDayOf(nowMs, LIMITS.usageCountDays),
      contentFirstDay: firstDayOf(nowMs, this.#retention.contentKeepDays),
      contentTotalBytesMax: this.#retention.contentTotalBytesMax,
    }
  }
}

function notCounted(thrown: unknown): never {
  throw new GatewayError('STORE_UNAVAILABLE', {
    detail: 'Not all that was used is counted yet, so no account can be opened, closed or deleted now; portcullis status says why',
    reason: `the accounts are not up to the ledger: ${reasonOf(thrown)}`,
    cause: thrown,
  })
}

/** Without the seal, which is another matter. */
const placeIn = ({ segment, bytes, seq, hash }: LedgerPlace): LedgerPlace => ({ segment, bytes, seq, hash })
