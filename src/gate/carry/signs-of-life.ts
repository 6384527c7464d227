import type { HeaderPairs } from '../limit-headers.ts'
import type { CallerSide } from './caller-side.ts'
import type { Watched } from './sweep.ts'

/** What is said while a backend is silent, in words that the stream's format has for it. */
export interface LifeWords {
  readonly everyMs: number
  readonly words: Buffer
  /** The head of the answer, should nothing have been said before. */
  readonly head: readonly string[]
}

/**
 * Proxies and clients cut a connection on which nothing comes for a minute or two, and a model may take longer to load. Something that means nothing is then
 * sent, but only between two events. After the first of them, errors can only be told within the stream.
 */
export class SignsOfLife implements Watched {
  slot = -1
  readonly #caller: CallerSide
  readonly #words: LifeWords
  readonly #headers: HeaderPairs

  constructor(caller: CallerSide, words: LifeWords, headers: HeaderPairs) {
    this.#caller = caller
    this.#words = words
    this.#headers = headers
  }

  overdue(nowMs: number): void {
    const { sentMs, atBoundary, pausedMs, ending, isGone } = this.#caller
    if (nowMs - sentMs < this.#words.everyMs || !atBoundary || pausedMs > 0 || ending || isGone) return
    this.#caller.keepAlive([...this.#words.head, ...this.#headers], this.#words.words, nowMs)
  }
}
