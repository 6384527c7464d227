import type { Clock } from '../../src/kernel/index.ts'

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Clock {
  advance(ms: number): void
}

export function manualClock(startMs = Date.parse('2026-11-20T12:00:00Z')): ManualClock {
  let elapsed = 0
  return {
    nowMs: () => startMs + elapsed,
    monoMs: () => elapsed,
    advance: (ms) => {
      elapsed += ms
    },
  }
}
