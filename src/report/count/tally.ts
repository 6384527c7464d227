import { Book } from './book.ts'

export interface Count {
  readonly name: string
  readonly count: number
}

interface Box {
  n: number
}

const newBox = (): Box => ({ n: 0 })
const heldIn = (box: Box): number => box.n

/** How often each name was seen. */
export class Tally {
  readonly #book: Book<Box>
  #total = 0

  constructor(max: number) {
    this.#book = new Book(max, newBox, heldIn)
  }

  add(name: string, n = 1): void {
    this.#book.of(name).n += n
    this.#total += n
  }

  get total(): number {
    return this.#total
  }

  get size(): number {
    return this.#book.size
  }

  get exact(): boolean {
    return this.#book.exact
  }

  top(count: number): Count[] {
    return this.#book.top(count).map(([name, { n }]) => ({ name, count: n }))
  }
}
