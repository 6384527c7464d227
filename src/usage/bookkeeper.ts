import { LIMITS, reasonOf, systemClock } from '../kernel/index.ts'
import { Contents } from './contents/contents.ts'
import { contentStore, findContent } from './contents/store.ts'
import { daysOf, dropDay, type UsageDb } from './days/store.ts'
import { findRequest, requestsPage } from './log/store.ts'
import { forgetCountsBefore, spent, summary } from './look/store.ts'
import type { Bounds, Order, Question, Questions, Word } from './messages.ts'
import { Follower } from './project/follower.ts'
import { apply, namesOn, readPlace, setPlace, usersOf } from './project/store.ts'
import type { CrashedCharge, UsageLog } from './types.ts'
import { within } from './within.ts'

export interface BookkeeperParts {
  readonly db: UsageDb
  readonly ledgerFile: string
  readonly bounds: Bounds
  readonly say: (word: Word) => void
}

type Answers = { readonly [Q in Question]: (asked: Questions[Q]['asked']) => Promise<Questions[Q]['answer']> }

/** Does what the main thread orders: follows the ledger, and everything else one after the other. */
export class Bookkeeper {
  readonly #parts: BookkeeperParts
  readonly #follower: Follower
  readonly #contents: Contents
  readonly #answers: Answers
  #bounds: Bounds
  #turn: Promise<void> = Promise.resolve()
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(parts: BookkeeperParts) {
    const { db, ledgerFile, bounds } = parts
    const log = logOver(parts.say)
    this.#parts = parts
    this.#bounds = bounds
    this.#follower = new Follower({
      ledgerFile,
      clock: systemClock,
      log,
      applied: (_progress, crashed) => this.#tell(crashed),
      accounts: {
        place: () => readPlace(db),
        setPlace: (place) => setPlace(db, place),
        usersOf: (keys) => usersOf(db, keys),
        namesOn: (day) => namesOn(db, day),
        apply: (batch, from, to) => apply(db, batch, from, to, this.#bounds.logFirstDay),
      },
    })
    this.#contents = new Contents(contentStore(db), log, contentBounds(bounds))
    this.#answers = {
      caughtUp: async () => this.#follower.progress,
      summary: (wanted) => summary(db, wanted),
      requests: (wanted) => requestsPage(db, wanted),
      request: async (id) => {
        const request = await findRequest(db, id)
        return request && { request, content: await findContent(db, id) }
      },
      spent: (today) => spent(db, today),
      skip: (place) => this.#follower.skipTo(place),
    }
  }

  obey(order: Exclude<Order, { order: 'stop' }>): void {
    if (order.order === 'follow') void this.#follow(order)
    else if (order.order === 'ask') void this.#answer(order)
    else if (order.order === 'keep') this.#next(() => this.#keep(order))
    else this.#next(() => this.#tidy(order.bounds))
  }

  async stop(): Promise<void> {
    await this.#follower.stop()
    await this.#turn
  }

  async #follow({ head }: Extract<Order, { order: 'follow' }>): Promise<void> {
    await this.#follower.reach(head)
    this.#tell([], true)
  }

  async #answer({ id, question, asked, head }: Extract<Order, { order: 'ask' }>): Promise<void> {
    // Who wants the latest waits a moment for it; who wants to know when all is counted waits until it is.
    if (head !== null) {
      const reached = this.#follower.reach(head)
      await (question === 'caughtUp' ? reached : within(LIMITS.usageCatchUpMsMax, reached))
    }
    this.#tell([], true)
    this.#next(async () => {
      const answers: Readonly<Record<Question, (asked: never) => Promise<unknown>>> = this.#answers
      try {
        // Who asks has matched question and asked; see Thread.ask.
        const answer = await answers[question](asked as never)
        this.#parts.say({ word: 'answer', id, answer })
      } catch (error) {
        this.#parts.say({ word: 'failed', id, reason: reasonOf(error) })
      }
    })
  }

  async #keep({ row }: Extract<Order, { order: 'keep' }>): Promise<void> {
    await this.#contents.add(row)
    this.#parts.say({ word: 'kept', bytes: row.bytes })
  }

  async #tidy(bounds: Bounds): Promise<void> {
    const { db } = this.#parts
    this.#bounds = bounds
    await this.#contents.tidy(contentBounds(bounds))
    for (const day of await daysOf(db, 'requests')) if (day < bounds.logFirstDay) await dropDay(db, 'requests', day)
    while ((await forgetCountsBefore(db, bounds.countsFirstDay)) !== null);
  }

  /** Of these, one at a time: no table goes while somebody reads it. */
  #next(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(work).catch((error: unknown) => {
      this.#parts.say({
        word: 'log',
        level: 'warn',
        fields: { reason: reasonOf(error) },
        message: 'usage: the upkeep failed and is tried again',
      })
    })
  }

  #tell(crashed: readonly CrashedCharge[], always = false): void {
    const nowMs = systemClock.monoMs()
    if (!always && crashed.length === 0 && nowMs - this.#toldMs < LIMITS.usageTellMs) return
    this.#toldMs = nowMs
    this.#parts.say({ word: 'progress', progress: this.#follower.progress, crashed })
  }
}

const contentBounds = ({ contentFirstDay, contentTotalBytesMax }: Bounds) => ({
  firstDay: contentFirstDay,
  totalBytesMax: contentTotalBytesMax,
})

function logOver(say: (word: Word) => void): UsageLog {
  const at = (level: 'info' | 'warn' | 'error') => (fields: object, message: string) => say({ word: 'log', level, fields, message })
  return { info: at('info'), warn: at('warn'), error: at('error') }
}
