import { LIMITS } from '../kernel/index.ts'
import type { Item } from './batch.ts'

/** `soon`: somebody waits for it. The others ride along with the next batch, and cause one of their own only when none comes. */
export type Urgency = 'soon' | 'outcome' | 'refusal'

const PATIENCE_MS = { outcome: LIMITS.ledgerOutcomeMsMax, refusal: LIMITS.ledgerRefusalMsMax } as const

/** Lines on their way to the writer, and the wish to flush them: at most once per turn of the event loop. */
export class WaitingLines {
  readonly #flush: () => void
  #items: Item[] = []
  #outcomes = 0
  #soon = false
  readonly #timers: Record<'outcome' | 'refusal', NodeJS.Timeout | null> = { outcome: null, refusal: null }

  constructor(flush: () => void) {
    this.#flush = flush
  }

  get items(): readonly Item[] {
    return this.#items
  }

  get length(): number {
    return this.#items.length
  }

  get outcomes(): number {
    return this.#outcomes
  }

  add(item: Item, urgency: Urgency): void {
    this.#items.push(item)
    if (item.event === 'outcome') this.#outcomes += 1
    if (urgency === 'soon') this.flushSoon()
    else if (this.#timers[urgency] === null) this.#arm(urgency)
  }

  flushSoon(): void {
    if (this.#soon) return
    this.#soon = true
    setImmediate(() => {
      this.#soon = false
      this.#flush()
    })
  }

  take(count: number): void {
    if (count === this.#items.length) {
      this.#items = []
      this.#outcomes = 0
      return
    }
    for (const item of this.#items.splice(0, count)) if (item.event === 'outcome') this.#outcomes -= 1
  }

  /** Puts other items in place of all, in their order. */
  replace(items: Item[]): void {
    this.#items = items
    this.#outcomes = items.reduce((sum, item) => sum + (item.event === 'outcome' ? 1 : 0), 0)
  }

  stop(): void {
    for (const timer of Object.values(this.#timers)) if (timer) clearTimeout(timer)
  }

  #arm(urgency: 'outcome' | 'refusal'): void {
    this.#timers[urgency] = setTimeout(() => {
      this.#timers[urgency] = null
      this.#flush()
    }, PATIENCE_MS[urgency]).unref()
  }
}
