import { GatewayError, LIMITS } from '../kernel/index.ts'

/** The memory for bodies that must be read before they may pass, for all requests together: a hundred callers with 32 MiB each would fill a machine. */
export class BodyRoom {
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number = LIMITS.bodiesInMemoryBytesMax) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Null when there is room, and then it is taken. */
  take(bytes: number): GatewayError | null {
    if (this.#bytes + bytes > this.#bytesMax)
      return new GatewayError('BODIES_FULL', { reason: `${this.#bytes} bytes of bodies are in memory` })
    this.#bytes += bytes
    return null
  }

  give(bytes: number): void {
    this.#bytes -= bytes
  }
}
