import { GatewayError, LIMITS } from '../kernel/index.ts'

/**
 * The memory for bodies that must be read before they may pass, for all requests together: a hundred callers with 32 MiB each would fill a machine.
 * One caller may have a quarter of it, or whoever lets large bodies trickle would keep everybody else out.
 */
export class BodyRoom {
  readonly #bytesMax: number
  readonly #shares = new Map<string, BodyShare>()
  #bytes = 0

  constructor(bytesMax: number = LIMITS.bodiesInMemoryBytesMax) {
    this.#bytesMax = bytesMax
  }

  /** What one caller has of it. There are as many as there are callers, and they are kept: making one for each request would cost more. */
  of(caller: string): BodyShare {
    const known = this.#shares.get(caller)
    if (known !== undefined) return known
    const made = new BodyShare(this, Math.floor(this.#bytesMax / 4))
    this.#shares.set(caller, made)
    return made
  }

  get bytes(): number {
    return this.#bytes
  }

  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false
    this.#bytes += bytes
    return true
  }

  give(bytes: number): void {
    this.#bytes -= bytes
  }
}

export class BodyShare {
  readonly #room: BodyRoom
  readonly #bytesMax: number
  #bytes = 0

  constructor(room: BodyRoom, bytesMax: number) {
    this.#room = room
    this.#bytesMax = bytesMax
  }

  /** Null when there is room, and then it is taken. */
  take(bytes: number): GatewayError | null {
    if (this.#bytes + bytes > this.#bytesMax)
      return new GatewayError('BODIES_FULL', { reason: `this caller has ${this.#bytes} bytes of bodies in memory` })
    if (!this.#room.take(bytes)) return new GatewayError('BODIES_FULL', { reason: `${this.#room.bytes} bytes of bodies are in memory` })
    this.#bytes += bytes
    return null
  }

  give(bytes: number): void {
    this.#bytes -= bytes
    this.#room.give(bytes)
  }
}
