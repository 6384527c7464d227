/** Time as a part that tests can replace. `nowMs` is wall time for records; `monoMs` never jumps and is for durations. */
export interface Clock {
  nowMs(): number
  monoMs(): number
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monoMs: () => performance.now(),
}
