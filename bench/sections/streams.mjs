import { fileURLToPath } from 'node:url'
import { BENCH_CORE, cpuSeconds, freePort, pause, run, start } from '../lib/processes.mjs'
import { median, ratios } from '../lib/stats.mjs'
import { BrokenBench } from '../lib/wrk.mjs'
import { RIVALS } from '../rivals/index.mjs'

const STREAMS = 300
const TOKENS_PER_S = 50
const CLIENT = fileURLToPath(new URL('../lib/stream-client.mjs', import.meta.url))
const BACKEND = fileURLToPath(new URL('../upstream/tokens.mjs', import.meta.url))

export async function startTokenBackend() {
  const port = await freePort()
  return start({ name: 'token backend', command: process.execPath, args: [BACKEND], port, core: BENCH_CORE, env: { PORT: String(port) } })
}

/** Many streams at once: what a relayed chunk costs, and whether any waits for another. The gateway runs as it does by default, with `sync`. */
export async function streams({ short, say }) {
  const rounds = short ? 2 : 5
  const windowMs = short ? 1_500 : 8_000
  const rampMs = short ? 1_000 : 1_500
  const backend = await startTokenBackend()
  const targets = { backend: { running: backend, path: '/api/generate', headers: {} } }
  const series = { backend: [], caddy: [], sync: [] }
  try {
    for (const name of ['caddy', 'sync']) targets[name] = await RIVALS[name].start(backend.port)
    await holdStreams(targets.caddy, backend, { windowMs: 500, rampMs: 500 })
    await warmUp(targets.sync, backend, { short })
    for (let turn = 1; turn <= rounds; turn += 1) {
      for (const [name, target] of Object.entries(targets)) series[name].push(await holdStreams(target, backend, { windowMs, rampMs }))
      say(
        `${STREAMS} streams, round ${turn} of ${rounds}: ${['caddy', 'sync'].map((name) => `${name} ${series[name].at(-1).cpuUs.toFixed(1)} µs a chunk`).join(', ')}`,
      )
    }
  } finally {
    for (const name of ['caddy', 'sync']) await targets[name]?.running.stop()
    await backend.stop()
  }
  return outcome(series, rounds)
}

const WARM_ROUNDS = 6

/** A first byte is timed once for each stream, and code that has run a hundred times is not compiled yet: what is measured is a gateway that is at work. */
export async function warmUp(target, backend, { short, streams = STREAMS, protocol }) {
  for (let turn = 0; turn < (short ? 1 : WARM_ROUNDS); turn += 1)
    await holdStreams(target, backend, { windowMs: 100, rampMs: 500, streams, protocol })
}

/** Opens all streams, waits until each has its first byte, then measures for a while what the subject spends. */
export async function holdStreams({ running, path, headers }, backend, { windowMs, rampMs, streams = STREAMS, protocol = 'ollama' }) {
  const tokens = Math.round(((windowMs + 500) / 1_000) * TOKENS_PER_S) + Math.round((rampMs / 1_000) * TOKENS_PER_S)
  const job = { port: running.port, path, headers, streams, rampMs, tokens, protocol }
  let opened = () => {}
  const open = new Promise((resolve) => {
    opened = resolve
  })
  const onText = (text) => text.includes('OPEN') && opened()
  const client = run(process.execPath, [CLIENT], { core: BENCH_CORE, env: { JOB: JSON.stringify(job) }, onText, msMax: 60_000 })
  await Promise.race([open, client])
  const [cpuBefore, sentBefore] = [cpuSeconds(running.pid), await sentBy(backend)]
  await pause(windowMs)
  const [cpuAfter, sentAfter] = [cpuSeconds(running.pid), await sentBy(backend)]
  const { stdout, stderr } = await client
  const line = /^RESULT (.*)$/m.exec(stdout)?.[1]
  if (line === undefined) throw new BrokenBench(`${running.name}: the streams did not end: ${stdout.slice(-500)}${stderr.slice(-500)}`)
  const result = JSON.parse(line)
  if (result.faults.length > 0)
    throw new BrokenBench(`${running.name}: ${result.faults.length} of ${streams} streams failed: ${result.faults[0]}`)
  return {
    ...result,
    cpuUs: ((cpuAfter - cpuBefore) / (sentAfter - sentBefore)) * 1e6,
    perS: ((sentAfter - sentBefore) / windowMs) * 1_000,
  }
}

const sentBy = async ({ port }) => (await (await fetch(`http://127.0.0.1:${port}/sent`)).json()).sent

function outcome(series, rounds) {
  const of = (name, pick) => median(series[name].map(pick))
  const ms = (us) => (us / 1_000).toFixed(2)
  const row = (label, name) => [
    label,
    name === 'backend' ? '—' : of(name, (one) => one.cpuUs).toFixed(1),
    ms(of(name, (one) => one.first.p50)),
    ms(of(name, (one) => one.first.max)),
    ms(of(name, (one) => one.relay.p50)),
    ms(of(name, (one) => one.relay.p99)),
    ms(of(name, (one) => one.gap.p50)),
    ms(of(name, (one) => one.gap.max)),
    Math.round(of(name, (one) => one.perS)).toLocaleString('en'),
  ]
  const cpu = (name) => series[name].map((one) => one.cpuUs)
  return {
    reached: {
      'streams.cpu': median(ratios(cpu('sync'), cpu('caddy'))),
      'streams.first': median(series.sync.map((one, round) => one.first.p50 - series.backend[round].first.p50)) / 1_000,
      'streams.gap': of('sync', (one) => one.gap.max) / 1_000,
    },
    title: `${STREAMS} streams at ${TOKENS_PER_S} tokens a second`,
    text:
      `${rounds} rounds in turns; every stream was 200 and had every line it should have. CPU is the subject's processor time divided by the chunks that the backend sent ` +
      `meanwhile. First byte is timed from opening a new connection; relay is the age of a token when the caller has it; silence is the longest time between two reads of one stream ` +
      `(a token is due every 20 ms), for the median and the worst stream. Milliseconds but for CPU.`,
    head: ['', 'CPU µs a chunk', 'first byte p50', 'worst', 'relay p50', 'p99', 'silence p50', 'worst', 'chunks/s'],
    rows: [row('the backend itself', 'backend'), row(RIVALS.caddy.label, 'caddy'), row(RIVALS.sync.label, 'sync')],
  }
}
