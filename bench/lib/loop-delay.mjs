// Preloaded into the gateway by sections/loop.mjs. On SIGUSR2 it writes how late the event loop was since the last signal, and begins anew.
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const PERIOD_MS = 1
const SAMPLES_MAX = 1_000_000

/**
 * How late the loop was, as a request sees it that comes at a random moment. A histogram of turns counts a stall of half a second once and thousands of idle
 * turns beside it, so that the stall vanishes from its p99; here each turn counts for as long as it took.
 */
class Moments {
  #lateMs = new Float32Array(SAMPLES_MAX)
  #count = 0
  #lastMs = performance.now()

  turn() {
    const nowMs = performance.now()
    if (this.#count < SAMPLES_MAX) this.#lateMs[this.#count++] = Math.max(0, nowMs - this.#lastMs - PERIOD_MS)
    this.#lastMs = nowMs
  }

  percentile(percent) {
    const late = this.#lateMs.slice(0, this.#count).sort()
    let beyondMs = late.reduce((sum, ms) => sum + ms + PERIOD_MS, 0) * (1 - percent / 100)
    for (let at = late.length - 1; at >= 0; at -= 1) {
      beyondMs -= late[at] + PERIOD_MS
      if (beyondMs < 0) return late[at]
    }
    return 0
  }

  reset() {
    this.#count = 0
    this.#lastMs = performance.now()
  }
}

if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: PERIOD_MS })
  delay.enable()
  const moments = new Moments()
  setInterval(() => moments.turn(), PERIOD_MS).unref()
  process.on('SIGUSR2', () => {
    // The timer's own period is part of what Node records; what is above it is delay.
    const ms = (ns) => Math.max(0, ns / 1e6 - PERIOD_MS)
    const figures = { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max), moments: moments.percentile(99) }
    writeFileSync(process.env.BENCH_LOOP_FILE, JSON.stringify(figures))
    delay.reset()
    moments.reset()
  })
}
