import type { IncomingMessage } from 'node:http'
import { GatewayError, LIMITS, Slots, type Slotted } from '../kernel/index.ts'

const LOOK_EVERY_MS = LIMITS.bodyIdleMsMax / 2
const FLOOR_BYTES = (LIMITS.bodyIdleMsMax / 1_000) * LIMITS.bodyFloorBytesPerS
const NEVER = -1

/**
 * How fast a body comes, by what the last two looks saw of it. An average since its beginning would let a fast start pay for a trickle of days, and a
 * silence is a pace like any other.
 */
export class Pace implements Slotted {
  slot = NEVER
  /** What has come so far; counted by whoever reads the body. */
  bytes = 0
  #atLastLook = NEVER
  #atLookBefore = NEVER
  readonly #incoming: IncomingMessage
  readonly #fail: (error: GatewayError) => void

  constructor(incoming: IncomingMessage, fail: (error: GatewayError) => void) {
    this.#incoming = incoming
    this.#fail = fail
    watch(this)
  }

  look(): void {
    // A pause is ours (the backend is slow to take it), and does not count against the caller.
    if (this.#incoming.isPaused()) {
      this.#atLastLook = this.#atLookBefore = NEVER
      return
    }
    const { bytes } = this
    const from = this.#atLookBefore
    this.#atLookBefore = this.#atLastLook
    this.#atLastLook = bytes
    if (from !== NEVER && bytes - from < FLOOR_BYTES) this.#fail(new GatewayError('BODY_TOO_SLOW', { headers: { connection: 'close' } }))
  }

  /** Nobody reads it any more. */
  end(): void {
    watched.delete(this)
  }
}

// One coarse timer for all bodies of the process: a timer for each costs more than reading a small one.
const watched = new Slots<Pace>()
let timer: NodeJS.Timeout | null = null

function watch(pace: Pace): void {
  watched.add(pace)
  timer ??= setInterval(lookAtAll, LOOK_EVERY_MS).unref()
}

function lookAtAll(): void {
  for (const pace of watched) pace.look()
  if (watched.size > 0 || timer === null) return
  clearInterval(timer)
  timer = null
}
