// Preloaded into the gateway by sections/loop.mjs. On SIGUSR2 it writes how late the event loop was since the last signal, and begins anew.
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const RESOLUTION_MS = 1

if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  process.on('SIGUSR2', () => {
    // The timer's own period is part of what Node records; what is above it is delay.
    const ms = (ns) => Math.max(0, ns / 1e6 - RESOLUTION_MS)
    const figures = { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max), count: delay.count }
    writeFileSync(process.env.BENCH_LOOP_FILE, JSON.stringify(figures))
    delay.reset()
  })
}
