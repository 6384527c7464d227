/**
 * Room that all requests share, counted in bytes: memory for bodies that must be read before they may pass, disk for uploads that must wait. One caller may
 * have a quarter of it, or whoever lets large bodies trickle would keep everybody else out.
 */
export class Room {
  readonly #bytesMax: number
  readonly #shares = new Map<string, Share>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** What one caller has of it. There are as many as there are callers, and they are kept: making one for each request would cost more. */
  of(caller: string): Share {
    const known = this.#shares.get(caller)
    if (known !== undefined) return known
    const made = new Share(this, Math.floor(this.#bytesMax / 4))
    this.#shares.set(caller, made)
    return made
  }

  get bytes(): number {
    return this.#bytes
  }

  take(bytes: number): string | null {
    if (this.#bytes + bytes > this.#bytesMax) return `${this.#bytes} of ${this.#bytesMax} bytes are taken`
    this.#bytes += bytes
    return null
  }

  give(bytes: number): void {
    this.#bytes -= bytes
  }
}

export class Share {
  readonly #room: Room
  readonly #bytesMax: number
  #bytes = 0

  constructor(room: Room, bytesMax: number) {
    this.#room = room
    this.#bytesMax = bytesMax
  }

  /** Null when there is room, and then it is taken; else why there is none. */
  take(bytes: number): string | null {
    if (this.#bytes + bytes > this.#bytesMax) return `this caller has ${this.#bytes} of ${this.#bytesMax} bytes`
    const full = this.#room.take(bytes)
    if (full === null) this.#bytes += bytes
    return full
  }

  give(bytes: number): void {
    this.#bytes -= bytes
    this.#room.give(bytes)
  }
}
