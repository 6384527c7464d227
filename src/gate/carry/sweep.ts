import { type Clock, Slots, type Slotted } from '../../kernel/index.ts'

/** Whatever has deadlines, and is asked a few times a second whether one has passed. */
export interface Watched extends Slotted {
  overdue(nowMs: number): void
}

export interface Sweep {
  /** Time as of the last look, for whoever needs the time of a chunk and not its microsecond. */
  readonly nowMs: number
  add(watched: Watched): void
  delete(watched: Watched): void
}

const LOOK_EVERY_MS = 50

/**
 * One timer for all requests in flight. Three timers for each, armed again by every chunk, cost more than the chunk itself; a deadline
 * that fires up to 50 ms late costs nobody anything.
 */
export function createSweep(clock: Clock): Sweep {
  const watched = new Slots<Watched>()
  let nowMs = clock.monoMs()
  let timer: NodeJS.Timeout | null = null
  const look = (): void => {
    nowMs = clock.monoMs()
    for (const one of watched) one.overdue(nowMs)
    if (watched.size === 0 && timer !== null) {
      clearInterval(timer)
      timer = null
    }
  }
  return {
    get nowMs() {
      return nowMs
    },
    add(one) {
      watched.add(one)
      if (timer === null) {
        nowMs = clock.monoMs()
        timer = setInterval(look, LOOK_EVERY_MS)
        timer.unref()
      }
    },
    delete(one) {
      watched.delete(one)
    },
  }
}
