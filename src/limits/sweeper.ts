import { LIMITS } from '../kernel/index.ts'

/** Walks through everything once a minute, a slice at a time: a hundred thousand keys in one go would hold up everybody's answers for 90 ms. */
export function startSweeper(round: () => Generator<void>): { stop(): void } {
  let rest: Generator<void> | null = null
  let next: NodeJS.Immediate | undefined
  const slice = (): void => {
    for (let n = 0; n < LIMITS.sweptAtOnceMax; n += 1) {
      if (rest?.next().done !== false) {
        rest = null
        return
      }
    }
    next = setImmediate(slice)
  }
  const timer = setInterval(() => {
    if (rest !== null) return
    rest = round()
    slice()
  }, LIMITS.idleKeySweepMs).unref()
  return {
    stop() {
      clearInterval(timer)
      clearImmediate(next)
    },
  }
}
