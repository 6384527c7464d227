import { LIMITS } from '../../kernel/index.ts'

/** The first few different items, as many as evidence shows. A list, because an empty set is ten times as large and there are very many of them. */
export class Few {
  // Made anew for each item: a list that is pushed to, or spread, reserves room for seventeen.
  #items: readonly string[] = []

  add(item: string): void {
    if (this.#items.length < LIMITS.reportEvidenceLinesMax && !this.#items.includes(item)) this.#items = this.#items.concat(item)
  }

  get size(): number {
    return this.#items.length
  }

  get list(): readonly string[] {
    return this.#items
  }
}
