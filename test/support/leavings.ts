import { until } from './until.ts'

/** How long it takes until somebody's leaving is felt where it should be. */
export class Leavings {
  worstMs = 0
  count = 0

  /** Waits until `read` gives the moment at which a leaving of `leftMs` was felt. */
  async felt(read: () => number | null, leftMs: number): Promise<void> {
    const at = await until(read, { withinMs: 5_000, what: 'the backend to be let go' })
    this.worstMs = Math.max(this.worstMs, at - leftMs)
    this.count += 1
  }
}

const STILL_MS = 100

/** Waits until a number has stopped growing: the buffers on the way are full. */
export async function settledAt(read: () => number): Promise<void> {
  let before = -1
  let since = performance.now()
  await until(
    () => {
      const now = read()
      if (now !== before) since = performance.now()
      before = now
      return now > 0 && performance.now() - since > STILL_MS
    },
    { withinMs: 10_000, what: 'buffers to fill' },
  )
}
