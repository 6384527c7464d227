import type { IncomingHttpHeaders } from 'node:http'
import type { WholeAnswer } from '../../dialects/index.ts'

/** An answer that must be read before it can be passed on. */
export class Collected {
  readonly headers: IncomingHttpHeaders
  /** False when more has come than is kept. */
  isWhole = true
  readonly #chunks: Buffer[] = []
  #bytes = 0

  constructor(headers: IncomingHttpHeaders = {}) {
    this.headers = headers
  }

  /** False when it has become too long; what is too much is not kept. */
  add(chunk: Buffer, bytesMax: number): boolean {
    this.#bytes += chunk.length
    this.isWhole = this.#bytes <= bytesMax
    if (this.isWhole) this.#chunks.push(chunk)
    return this.isWhole
  }

  answer(status: number, contentType: string): WholeAnswer {
    return { status, contentType, body: Buffer.concat(this.#chunks), retryAfter: this.headers['retry-after'] }
  }
}

export const NOTHING = Buffer.alloc(0)
