import { type FollowedBatch, followLedger, LedgerGap, type LedgerPlace } from '../../audit/index.ts'
import { type Clock, LIMITS, reasonOf } from '../../kernel/index.ts'
import type { CrashedCharge, UsageLog } from '../types.ts'
import { type Batch, batchOf, COUNTED_EVENTS, type Counted, countedOf, type Oddity } from './batch.ts'
import { ModelNames } from './names.ts'

/** What the follower asks of the store. */
export interface Accounts {
  place(): Promise<LedgerPlace | null>
  setPlace(place: LedgerPlace): Promise<void>
  usersOf(keys: readonly string[]): Promise<Map<string, string>>
  namesOn(day: string): Promise<readonly { readonly key_id: string; readonly model: string }[]>
  apply(batch: Batch, from: LedgerPlace, to: LedgerPlace): Promise<void>
}

export interface Progress {
  readonly place: LedgerPlace | null
  readonly longestTransactionMs: number
  /** Why the ledger cannot be followed any further. */
  readonly gap: string | null
  /** What went wrong at the last try; another comes. */
  readonly fault: string | null
}

export interface FollowerParts {
  readonly ledgerFile: string
  readonly accounts: Accounts
  readonly clock: Clock
  readonly log: UsageLog
  readonly applied: (progress: Progress, crashed: readonly CrashedCharge[]) => void
}

const OPTIONS = { events: COUNTED_EVENTS, batchLinesMax: LIMITS.usageBatchLinesMax, windowLinesMax: LIMITS.usageWindowLinesMax }
const KEYS_REMEMBERED_MAX = 100_000

/** Takes the ledger into the accounts, batch after batch, as far as it is told that the ledger is acknowledged. */
export class Follower {
  readonly #parts: FollowerParts
  readonly #names = new ModelNames()
  #users = new Map<string, string>()
  #place: LedgerPlace | null = null
  #goal: LedgerPlace | null = null
  #running: Promise<void> | null = null
  #longestMs = 0
  #gap: string | null = null
  #fault: string | null = null
  #stopped = false
  #timer: NodeJS.Timeout | null = null

  constructor(parts: FollowerParts) {
    this.#parts = parts
  }

  get progress(): Progress {
    return { place: this.#place, longestTransactionMs: this.#longestMs, gap: this.#gap, fault: this.#fault }
  }

  /** Reads up to there, or as far as it gets: then the progress says why, and it tries again by itself. */
  async reach(goal: LedgerPlace): Promise<Progress> {
    this.#goal = goal
    do {
      this.#running ??= this.#try().finally(() => {
        this.#running = null
      })
      await this.#running
      // It may have been done with the goal before this one when this one was set.
    } while (!this.#done() && this.#fault === null)
    return this.progress
  }

  /** Counts from there on, and leaves out whatever was not read. */
  async skipTo(place: LedgerPlace): Promise<LedgerPlace | null> {
    await this.#running
    const { accounts } = this.#parts
    const from = await accounts.place()
    await accounts.setPlace(place)
    this.#place = place
    this.#gap = this.#fault = null
    return from
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#timer) clearTimeout(this.#timer)
    await this.#running
  }

  async #try(): Promise<void> {
    try {
      this.#place ??= await this.#parts.accounts.place()
      while (!this.#done()) await this.#advance()
      if (this.#fault !== null) this.#parts.log.info({}, 'usage: the ledger is followed again')
      this.#fault = null
    } catch (error) {
      if (error instanceof LedgerGap) this.#halt(error)
      else this.#failed(error)
    }
  }

  #done(): boolean {
    const [place, goal] = [this.#place, this.#goal]
    if (this.#stopped || this.#gap !== null || goal === null || place === null) return true
    return place.seq === goal.seq && place.hash === goal.hash
  }

  async #advance(): Promise<void> {
    const { ledgerFile } = this.#parts
    if (this.#place === null || this.#goal === null) return
    for await (const batch of followLedger(ledgerFile, this.#place, this.#goal, OPTIONS)) {
      await this.#take(batch, this.#place)
      if (this.#stopped) return
    }
  }

  async #take({ lines, place: to }: FollowedBatch, from: LedgerPlace): Promise<void> {
    const { accounts, clock, applied } = this.#parts
    const odd = { unread: 0, capped: 0 }
    const note = (what: Oddity): void => {
      odd[what] += 1
    }
    const counted = lines.flatMap((line) => countedOf(line, note) ?? [])
    await this.#prepare(counted)
    const batch = batchOf(counted, (key) => this.#users.get(key) ?? '', this.#names)
    const startMs = clock.monoMs()
    await accounts.apply(batch, from, to)
    this.#longestMs = Math.max(this.#longestMs, clock.monoMs() - startMs)
    this.#place = to
    applied(this.progress, batch.crashed)
    this.#warn(batch, odd, to)
  }

  async #prepare(counted: readonly Counted[]): Promise<void> {
    const { accounts } = this.#parts
    if (this.#users.size > KEYS_REMEMBERED_MAX) this.#users = new Map()
    const keys = [...new Set(counted.map(({ key }) => key))].filter((key) => !this.#users.has(key))
    if (keys.length > 0) for (const [key, user] of await accounts.usersOf(keys)) this.#users.set(key, user)
    for (const day of new Set(counted.map(({ day }) => day))) {
      if (!this.#names.knows(day)) this.#names.learn(day, await accounts.namesOn(day))
    }
  }

  /** No waiting mends it, and what would come after the gap cannot be told from what was counted before: so nothing is counted until a person decides. */
  #halt({ message }: LedgerGap): void {
    this.#gap = message
    this.#parts.log.error(
      { reason: message, seq: this.#place?.seq, segment: this.#place?.segment },
      'usage: the ledger does not go on where the accounts stand, so nothing more is counted; if it was exchanged or cut on purpose: portcullis usage skip',
    )
  }

  #failed(error: unknown): void {
    const reason = reasonOf(error)
    if (this.#fault === null) this.#parts.log.error({ reason }, 'usage: the accounts cannot be brought up to the ledger; it is tried again')
    this.#fault = reason
    // What was to be written may stand there all the same, when it was the answer that failed.
    this.#place = null
    if (this.#stopped) return
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      if (this.#goal) void this.reach(this.#goal)
    }, LIMITS.usageTryAgainMs)
  }

  #warn({ charges, rows }: Batch, { unread, capped }: Readonly<Record<Oddity, number>>, { seq, segment }: LedgerPlace): void {
    const { log } = this.#parts
    if (capped > 0)
      log.warn({ lines: capped, seq, segment }, 'usage: lines of the ledger say more than a request can use, and are counted at the most')
    if (unread > 0) log.warn({ lines: unread, seq, segment }, 'usage: lines of the ledger could not be understood and are not counted')
    const nobody = [...rows.values()].flat().filter(({ user_id, cost_micro }) => user_id === '' && cost_micro !== 0).length
    if (nobody > 0)
      log.warn(
        { requests: nobody, seq, charged: charges.size },
        'usage: requests of keys that the store does not know were charged to nobody',
      )
  }
}
