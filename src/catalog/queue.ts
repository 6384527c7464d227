import { GatewayError, LIMITS } from '../kernel/index.ts'

/** A place at a backend. Giving it back twice is harmless; not giving it back would starve everybody, so whoever holds one has a `finally`. */
export type Release = () => void

export interface BackendQueue {
  /** Resolves with a place, in order of arrival; rejects when the queue is full, the wait is too long, or the caller leaves. */
  enter(signal: AbortSignal): Promise<Release>
  readonly inFlight: number
  readonly waiting: number
}

interface Waiter {
  admit(release: Release): void
  refuse(error: GatewayError): void
}

const nothing: Release = () => {}

export function createQueue(name: string, concurrency: number): BackendQueue {
  let inFlight = 0
  const waiters = new Set<Waiter>()

  const take = (): Release => {
    inFlight += 1
    let held = true
    return () => {
      if (!held) return
      held = false
      inFlight -= 1
      const next = waiters.values().next()
      if (!next.done && inFlight < concurrency) {
        waiters.delete(next.value)
        next.value.admit(take())
      }
    }
  }

  const wait = (signal: AbortSignal): Promise<Release> =>
    new Promise((resolve, reject) => {
      const leave = (): void => waiter.refuse(new GatewayError('BODY_INCOMPLETE', { reason: 'the caller left while waiting' }))
      const settle = (): void => {
        clearTimeout(timer)
        waiters.delete(waiter)
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
      waiters.add(waiter)
      signal.addEventListener('abort', leave)
    })

  return {
    get inFlight() {
      return inFlight
    },
    get waiting() {
      return waiters.size
    },
    enter(signal) {
      if (concurrency === 0) return Promise.resolve(nothing)
      if (inFlight < concurrency) return Promise.resolve(take())
      if (waiters.size >= LIMITS.queueLengthMax) {
        const detail = `${waiters.size} requests are waiting for ${name} already`
        return Promise.reject(new GatewayError('QUEUE_FULL', { detail }))
      }
      return wait(signal)
    },
  }
}
