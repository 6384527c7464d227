import { reasonOf } from '../kernel/index.ts'
import type { IdentityLog } from './log.ts'

/** Those who are told of something that has happened. One of them may fail; it has happened all the same. */
export class Listeners<Told extends readonly unknown[]> {
  readonly #listeners = new Set<(...told: Told) => void>()
  readonly #log: IdentityLog
  readonly #failure: string

  constructor(log: IdentityLog, failure: string) {
    this.#log = log
    this.#failure = failure
  }

  /** The answer ends the calls. */
  add(listener: (...told: Told) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  readonly tell = (...told: Told): void => {
    for (const listener of this.#listeners) {
      try {
        listener(...told)
      } catch (thrown) {
        this.#log.error({ told, reason: reasonOf(thrown) }, this.#failure)
      }
    }
  }
}
