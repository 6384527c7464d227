import { countLines } from '../lib/ledger.mjs'
import { cpuSeconds, idle } from '../lib/processes.mjs'
import { median, ratios, spread } from '../lib/stats.mjs'
import { BrokenBench, load, verify } from '../lib/wrk.mjs'
import { RIVALS } from '../rivals/index.mjs'
import { ANSWER, QUESTION, startSmallBackend } from '../upstream/small.mjs'

const CONNECTIONS = 32

/** Small answers: how many a second, each rival alone on one core, in rounds that take turns. */
export async function small({ short, say }) {
  const rounds = short ? 3 : 9
  const seconds = short ? 1 : 4
  const { backend, targets } = await startAll(Object.keys(RIVALS))
  const series = Object.fromEntries(Object.keys(targets).map((name) => [name, { rps: [], cpuUs: [], requests: 0 }]))
  try {
    for (const [name, target] of Object.entries(targets))
      await round(target, short ? 1 : 3).then(({ requests }) => add(series[name], requests))
    for (let turn = 1; turn <= rounds; turn += 1) {
      for (const [name, target] of Object.entries(targets)) {
        const { rps, cpuUs, requests } = await round(target, seconds)
        series[name].rps.push(rps)
        series[name].cpuUs.push(cpuUs)
        add(series[name], requests)
      }
      say(
        `small answers, round ${turn} of ${rounds}: ${Object.keys(targets)
          .map((name) => `${name} ${Math.round(series[name].rps.at(-1))}`)
          .join(', ')}`,
      )
    }
    for (const target of Object.values(targets)) await verify(target, QUESTION, ANSWER)
  } finally {
    await stopAll(backend, targets)
  }
  for (const name of ['write', 'sync']) await ledgerHolds(targets[name], series[name].requests)
  return outcome(series, { rounds, seconds })
}

const add = (one, requests) => {
  one.requests += requests
}

async function round(target, seconds) {
  const before = cpuSeconds(target.running.pid)
  const result = await load(target, { connections: CONNECTIONS, seconds, body: QUESTION, answerBytes: target.answerBytes })
  const cpuUs = ((cpuSeconds(target.running.pid) - before) / result.requests) * 1e6
  await idle(target.running.pid) // the accounts follow for a while, and they would take the next one's time
  return { rps: result.rps, requests: result.requests, cpuUs }
}

export async function startAll(names) {
  const backend = await startSmallBackend()
  const targets = {}
  try {
    for (const name of names) {
      const target = await RIVALS[name].start(backend.port)
      targets[name] = target
      target.answerBytes = await verify(target, QUESTION, ANSWER)
    }
  } catch (fault) {
    await stopAll(backend, targets)
    throw fault
  }
  return { backend, targets }
}

export async function stopAll(backend, targets) {
  for (const { running } of Object.values(targets)) await running.stop()
  await backend.stop()
}

/** The ledger was on: each request that was answered has its two lines. */
async function ledgerHolds({ running }, requests) {
  const lines = await countLines(running.ledger)
  if (lines < requests * 2) throw new BrokenBench(`${running.name}: ${requests} requests left ${lines} lines in the ledger`)
}

function outcome(series, { rounds, seconds }) {
  const { caddy, portkey, write, sync } = series
  const over = (one, other) => median(ratios(one.rps, other.rps))
  const cpuOver = (one, other) => median(ratios(other.cpuUs, one.cpuUs))
  const row = ([name, { rps, cpuUs, requests }]) => [
    RIVALS[name].label,
    Math.round(median(rps)).toLocaleString('en'),
    `± ${(spread(rps) * 100).toFixed(0)} %`,
    over(series[name], caddy).toFixed(2),
    over(series[name], portkey).toFixed(1),
    median(cpuUs).toFixed(1),
    requests.toLocaleString('en'),
  ]
  return {
    reached: {
      'small.write.caddy': over(write, caddy),
      'small.write.portkey': over(write, portkey),
      'small.sync.caddy': over(sync, caddy),
      'small.sync.portkey': over(sync, portkey),
    },
    title: 'Small answers, 32 connections',
    text:
      `${rounds} rounds of ${seconds} s each, in turns; every answer was 200 with the same ${Buffer.byteLength(ANSWER)} bytes of body. Medians; the ratios are medians of ` +
      `ratios within a round. CPU is the subject's own processor time for one request, which noise on the machine hardly touches: by it, ` +
      `\`write\` is ${cpuOver(write, caddy).toFixed(2)} × and \`sync\` ${cpuOver(sync, caddy).toFixed(2)} × Caddy.`,
    head: ['', 'requests/s', 'noise', '× Caddy', '× Portkey', 'CPU µs', 'requests'],
    rows: Object.entries(series).map(row),
  }
}
