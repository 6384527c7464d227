import { GatewayError, LIMITS } from '../kernel/index.ts'

/** A place at a backend. Giving it back twice is harmless; not giving it back would starve everybody, so whoever holds one has a `finally`. */
export type Release = () => void

export interface BackendQueue {
  /** Resolves with a place, when it is the caller's turn; rejects when the queue is full, the wait is too long, or the caller leaves. */
  enter(caller: string, signal: AbortSignal): Promise<Release>
  /** A place beyond every bound, at once: where there is none jobs are counted all the same, because a reload may set one. */
  take(): Release
  /** For a reload. Fewer places take effect as jobs end; who waits has more of them at once. */
  resize(concurrency: number): void
  readonly inFlight: number
  readonly waiting: number
}

interface Waiter {
  admit(release: Release): void
  refuse(error: GatewayError): void
}

export function createQueue(name: string, concurrency: number): BackendQueue {
  let placesMax = concurrency
  let inFlight = 0
  const lines = new Lines()

  const take = (): Release => {
    inFlight += 1
    let held = true
    return () => {
      if (!held) return
      held = false
      inFlight -= 1
      admitNext()
    }
  }

  const admitNext = (): void => {
    while (lines.waiting > 0 && (placesMax === 0 || inFlight < placesMax)) lines.next()?.admit(take())
  }

  const wait = (caller: string, signal: AbortSignal): Promise<Release> =>
    new Promise((resolve, reject) => {
      const leave = (): void => waiter.refuse(new GatewayError('BODY_INCOMPLETE', { reason: 'the caller left while waiting' }))
      const settle = (): void => {
        clearTimeout(timer)
        lines.remove(caller, waiter)
        signal.removeEventListener('abort', leave)
      }
      const waiter: Waiter = {
        admit: (release) => {
          settle()
          resolve(release)
        },
        refuse: (error) => {
          settle()
          reject(error)
        },
      }
      const timer = setTimeout(
        () => waiter.refuse(new GatewayError('QUEUE_FULL', { detail: `No place at ${name} came free in time`, reason: 'waited too long' })),
        LIMITS.queueWaitMsMax,
      )
      lines.add(caller, waiter)
      signal.addEventListener('abort', leave)
    })

  const full = (reason: string): GatewayError =>
    new GatewayError('QUEUE_FULL', { detail: `${lines.waiting} requests are waiting for ${name} already`, reason })

  return {
    get inFlight() {
      return inFlight
    },
    get waiting() {
      return lines.waiting
    },
    take,
    resize(next) {
      placesMax = next
      admitNext()
    },
    enter(caller, signal) {
      if (placesMax === 0 || inFlight < placesMax) return Promise.resolve(take())
      if (lines.waiting >= LIMITS.queueLengthMax) {
        const victim = lines.latestOfLongest(caller)
        if (victim === null) return Promise.reject(full('no place to wait'))
        victim.refuse(full('gave way to a caller who waits with less'))
      }
      return wait(caller, signal)
    },
  }
}

/** Who waits, in a line for each caller. The map's order is the order of turns. */
class Lines {
  readonly #lines = new Map<string, Set<Waiter>>()
  #waiting = 0

  get waiting(): number {
    return this.#waiting
  }

  add(caller: string, waiter: Waiter): void {
    const line = this.#lines.get(caller)
    if (line) line.add(waiter)
    else this.#lines.set(caller, new Set([waiter]))
    this.#waiting += 1
  }

  remove(caller: string, waiter: Waiter): void {
    const line = this.#lines.get(caller)
    if (!line?.delete(waiter)) return
    this.#waiting -= 1
    if (line.size === 0) this.#lines.delete(caller)
  }

  /** Whose turn it is; that caller's next job then waits behind everybody else's. */
  next(): Waiter | undefined {
    for (const [caller, line] of this.#lines) {
      const [first] = line
      this.#lines.delete(caller)
      this.#lines.set(caller, line)
      return first
    }
  }

  /** Who came last of those with the most places, when another would still have no more than they have left; null when nobody has to give way. */
  latestOfLongest(other: string): Waiter | null {
    let longest: Set<Waiter> | undefined
    for (const line of this.#lines.values()) if (longest === undefined || line.size > longest.size) longest = line
    const size = this.#lines.get(other)?.size ?? 0
    return longest !== undefined && size + 1 < longest.size ? ([...longest].at(-1) ?? null) : null
  }
}
