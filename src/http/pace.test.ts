import type { IncomingMessage } from 'node:http'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LIMITS } from '../kernel/index.ts'
import { Pace } from './pace.ts'

const FLOOR_BYTES = (LIMITS.bodyIdleMsMax / 1_000) * LIMITS.bodyFloorBytesPerS
const PASSED_MS = LIMITS.bodyIdleMsMax * 2

/** A request as far as a pace asks it. */
function body(paused = false): { state: { paused: boolean }; pace: Pace; codes: string[] } {
  const state = { paused }
  const codes: string[] = []
  const incoming = { isPaused: () => state.paused } as unknown as IncomingMessage // nothing else is asked
  return { state, codes, pace: new Pace(incoming, ({ code }) => codes.push(code)) }
}

/** Time in steps of a second, in each of which so many bytes come. */
function bring({ pace }: { pace: Pace }, ms: number, bytesPerS: number): void {
  for (let at = 0; at < ms; at += 1_000) {
    pace.bytes += bytesPerS
    vi.advanceTimersByTime(1_000)
  }
}

describe('the pace of a body', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
  afterEach(() => {
    vi.advanceTimersByTime(LIMITS.bodyIdleMsMax) // the timer of all bodies ends at the first look that finds none
    vi.useRealTimers()
  })

  it('is enough at the floor, and too slow a byte a second below it', () => {
    const enough = body()
    bring(enough, PASSED_MS * 2, LIMITS.bodyFloorBytesPerS)
    enough.pace.end()
    const slower = body()
    bring(slower, PASSED_MS, LIMITS.bodyFloorBytesPerS - 1)
    slower.pace.end()
    expect([enough.codes, new Set(slower.codes)]).toEqual([[], new Set(['BODY_TOO_SLOW'])])
  })

  it('is not paid for by a fast beginning', () => {
    const one = body()
    bring(one, 1_000, 1_000 * FLOOR_BYTES)
    bring(one, PASSED_MS, 1)
    one.pace.end()
    expect(one.codes[0]).toBe('BODY_TOO_SLOW')
  })

  it('is nobody’s fault while it is we who do not take it, nor for a while after', () => {
    const one = body(true)
    bring(one, PASSED_MS, 0)
    one.state.paused = false
    bring(one, LIMITS.bodyIdleMsMax - 1_000, 0)
    expect(one.codes).toEqual([])
    bring(one, LIMITS.bodyIdleMsMax, 0)
    one.pace.end()
    expect(one.codes).not.toEqual([])
  })

  it('is not asked of a body that was read', () => {
    const one = body()
    one.pace.end()
    bring(one, PASSED_MS, 0)
    expect(one.codes).toEqual([])
  })
})
