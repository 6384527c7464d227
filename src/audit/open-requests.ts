import type { Item } from './batch.ts'

/** Requests with an acknowledged intent and no outcome yet: how far back a restart has to look for them. */
export class OpenRequests {
  /** Sequence of each intent, oldest first. */
  readonly #intents = new Map<string, number>()
  /** Until the requests of an earlier process are settled, it is not known which they are. */
  #unsettledFrom: number | undefined

  constructor(unsettledFrom: number | undefined) {
    this.#unsettledFrom = unsettledFrom
  }

  note(items: readonly Item[]): void {
    for (const item of items) {
      if (item.event === 'intent') this.#intents.set(item.entry.request, item.seq)
      else if (item.event === 'outcome') this.#intents.delete(item.entry.request)
    }
  }

  settled(): void {
    this.#unsettledFrom = undefined
  }

  oldest(): number | undefined {
    return this.#unsettledFrom ?? this.#intents.values().next().value
  }
}
