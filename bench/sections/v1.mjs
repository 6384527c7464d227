import { scratch } from '../lib/cleanup.mjs'
import { startGateway } from '../lib/gateway.mjs'
import { cpuSeconds, idle } from '../lib/processes.mjs'
import { copyKeys, copyModels } from '../lib/seed.mjs'
import { median, ratios, spread } from '../lib/stats.mjs'
import { furnish, startV1, v1Target } from '../lib/v1.mjs'
import { BrokenBench, load, verify } from '../lib/wrk.mjs'
import { RIVALS } from '../rivals/index.mjs'
import { ANSWER, QUESTION, startSmallBackend } from '../upstream/small.mjs'
import { stopAll } from './small.mjs'
import { holdStreams, startTokenBackend, warmUp } from './streams.mjs'

const CONNECTIONS = 32
const MODELS = 10_000
const KEYS = 100_000
const STREAMS = 300
const MANY_STREAMS = 1_000

/** The /v1 face with limits and accounts on: small answers and streams, beside Portkey and beside our own bare face of Ollama. */
export async function v1({ short, say }) {
  const answers = await smallAnswers({ short, say })
  const streamed = await streamedAnswers({ short, say })
  return {
    reached: { ...answers.reached, ...streamed.reached },
    title: 'The /v1 face',
    text: `Key, user, model and endpoint have limits of every kind, the user pays, and none is reached: ${answers.text} Streams: ${streamed.text}`,
    head: ['', 'requests/s', 'noise', '× Portkey', '× /chat', 'CPU µs', 'first byte p50', 'CPU µs a chunk'],
    rows: [...answers.rows.map((row) => [...row, '', '']), ...streamed.rows],
  }
}

const SUBJECTS = {
  portkey: { label: 'Portkey gateway', start: (backend) => RIVALS.portkey.start(backend) },
  chat: { label: 'Portcullis /chat, write', start: (backend) => RIVALS.write.start(backend) },
  v1: { label: 'Portcullis /v1, write', start: (backend) => startV1('portcullis v1', backend) },
  sync: { label: 'Portcullis /v1, sync', start: (backend) => startV1('portcullis v1 sync', backend, { sync: 'sync' }) },
  large: { label: `Portcullis /v1, write, ${MODELS} models, ${KEYS} keys`, start: (backend) => startLarge(backend) },
}

/** The same gateway on a store with many models and keys. */
async function startLarge(backend, sync = 'write') {
  const home = scratch('large')
  const first = await startGateway({ name: 'portcullis large', backend, sync, home, env: { DISCOVERY: 'off' } })
  const key = await furnish(home, backend)
  await first.stop()
  await copyKeys(home, { keys: KEYS, users: 1_000 })
  await copyModels(home, MODELS)
  const running = await startGateway({ name: 'portcullis large', backend, sync, home, env: { DISCOVERY: 'off' } })
  return v1Target(running, key)
}

async function smallAnswers({ short, say }) {
  const rounds = short ? 2 : 7
  const seconds = short ? 1 : 4
  const backend = await startSmallBackend()
  const targets = {}
  const series = Object.fromEntries(Object.keys(SUBJECTS).map((name) => [name, { rps: [], cpuUs: [], p50: [], lateUs: [] }]))
  try {
    for (const [name, { start }] of Object.entries(SUBJECTS)) {
      targets[name] = await start(backend.port)
      targets[name].answerBytes = await verify(targets[name], QUESTION, ANSWER)
    }
    for (const target of Object.values(targets)) await round(target, short ? 1 : 3)
    for (let turn = 1; turn <= rounds; turn += 1) {
      for (const [name, target] of Object.entries(targets)) {
        const measured = await round(target, seconds)
        for (const [what, value] of Object.entries(measured)) series[name][what].push(value)
      }
      say(
        `/v1, round ${turn} of ${rounds}: ${Object.keys(targets)
          .map((name) => `${name} ${Math.round(series[name].rps.at(-1))}`)
          .join(', ')}`,
      )
    }
  } finally {
    await stopAll(backend, targets)
  }
  const over = (one, other, what = 'rps') => median(ratios(series[one][what], series[other][what]))
  const row = ([name, { rps, cpuUs }]) => [
    SUBJECTS[name].label,
    Math.round(median(rps)).toLocaleString('en'),
    `± ${(spread(rps) * 100).toFixed(0)} %`,
    over(name, 'portkey').toFixed(1),
    over(name, 'chat').toFixed(2),
    median(cpuUs).toFixed(1),
  ]
  return {
    reached: { 'v1.portkey': over('v1', 'portkey'), 'v1.chat': over('v1', 'chat'), 'v1.large': over('large', 'v1', 'p50') },
    text:
      `${rounds} rounds of ${seconds} s each, in turns, ${CONNECTIONS} connections. The accounts follow the ledger with a lower priority than requests have; what they ` +
      `have left after a round is waited for, and is ${median(series.v1.lateUs).toFixed(0)} µs of a processor for each request.`,
    rows: Object.entries(series).map(row),
  }
}

async function round(target, seconds) {
  const before = cpuSeconds(target.running.pid)
  const result = await load(target, { connections: CONNECTIONS, seconds, body: QUESTION, answerBytes: target.answerBytes })
  const cpuUs = ((cpuSeconds(target.running.pid) - before) / result.requests) * 1e6
  const atEnd = cpuSeconds(target.running.pid)
  await idle(target.running.pid) // its accounts follow for a while, and they would take the next one's time
  return { rps: result.rps, p50: result.p50us, cpuUs, lateUs: ((cpuSeconds(target.running.pid) - atEnd) / result.requests) * 1e6 }
}

async function streamedAnswers({ short, say }) {
  const rounds = short ? 1 : 4
  const windowMs = short ? 1_500 : 6_000
  const rampMs = short ? 1_000 : 1_500
  const options = { windowMs, rampMs, protocol: 'openai' }
  const backend = await startTokenBackend()
  const targets = { backend: { running: backend, path: '/v1/chat/completions', headers: {} } }
  const series = { backend: [], portkey: [], v1: [], large: [] }
  let slots
  try {
    targets.portkey = await RIVALS.portkey.start(backend.port)
    targets.v1 = await startV1('portcullis v1', backend.port, { sync: 'sync' })
    targets.large = await startLarge(backend.port, 'sync')
    for (const name of ['portkey', 'v1', 'large'])
      await warmUp(targets[name], backend, { short, protocol: 'openai', ...(name === 'portkey' && { streams: 50 }) })
    for (let turn = 1; turn <= rounds; turn += 1) {
      // Portkey cannot hold as many; each is asked for what it can.
      for (const [name, target] of Object.entries(targets))
        series[name].push(await holdStreams(target, backend, { ...options, streams: name === 'portkey' ? 50 : STREAMS }))
      say(
        `/v1 streams, round ${turn} of ${rounds}: ${['portkey', 'v1', 'large'].map((name) => `${name} ${series[name].at(-1).cpuUs.toFixed(1)} µs a chunk`).join(', ')}`,
      )
    }
    await holdStreams(targets.v1, backend, { ...options, streams: MANY_STREAMS, rampMs: rampMs * 2 })
    slots = await slotsOf(targets.v1)
    say(`${MANY_STREAMS} streams: no error, ${slots} in flight afterwards`)
  } finally {
    for (const name of ['portkey', 'v1', 'large']) await targets[name]?.running.stop()
    await backend.stop()
  }
  if (slots !== 0) throw new BrokenBench(`${slots} requests are in flight after all streams have ended`)
  const of = (name, pick) => median(series[name].map(pick))
  const row = (label, name) => [
    label,
    '',
    '',
    '',
    '',
    '',
    `${(of(name, (one) => one.first.p50) / 1_000).toFixed(2)} ms`,
    name === 'backend' ? '—' : of(name, (one) => one.cpuUs).toFixed(1),
  ]
  return {
    reached: {
      'v1.first': median(series.v1.map((one, at) => one.first.p50 - series.backend[at].first.p50)) / 1_000,
      'v1.large.first': median(
        ratios(
          series.large.map((one) => one.first.p50),
          series.v1.map((one) => one.first.p50),
        ),
      ),
    },
    text: `${rounds} rounds in turns with \`sync\`, ${STREAMS} at once at 50 tokens a second (Portkey 50 at once, since it cannot hold as many), every one whole, then ${MANY_STREAMS} at once without an error.`,
    rows: [
      row('the backend itself, streams', 'backend'),
      row('Portkey gateway, streams', 'portkey'),
      row('Portcullis /v1, streams', 'v1'),
      row('Portcullis /v1, streams, the large store', 'large'),
    ],
  }
}

/** The question itself is in flight while it is answered. */
async function slotsOf({ running }) {
  const answer = await fetch(`http://127.0.0.1:${running.port}/status`, { headers: { host: 'localhost' } })
  const { in_flight, endpoints } = await answer.json()
  return in_flight - 1 + endpoints.reduce((sum, endpoint) => sum + endpoint.in_flight + endpoint.waiting, 0)
}
