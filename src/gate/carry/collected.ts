/** An answer that must be read before it can be passed on. */
export class Collected {
  readonly #chunks: Buffer[] = []
  #bytes = 0

  /** False when it has become too long; what is too much is not kept. */
  add(chunk: Buffer, bytesMax: number): boolean {
    this.#bytes += chunk.length
    if (this.#bytes > bytesMax) return false
    this.#chunks.push(chunk)
    return true
  }

  body(): Buffer {
    return Buffer.concat(this.#chunks)
  }
}

export const NOTHING = Buffer.alloc(0)
