import { idle } from '../lib/processes.mjs'
import { differences, median } from '../lib/stats.mjs'
import { load, verify } from '../lib/wrk.mjs'
import { RIVALS } from '../rivals/index.mjs'
import { ANSWER, QUESTION } from '../upstream/small.mjs'
import { startAll, stopAll } from './small.mjs'

const NAMES = ['nginx', 'caddy', 'write', 'sync']

/** One connection, one request after the other: what standing in between costs when nobody waits. */
export async function latency({ short, say }) {
  const rounds = short ? 2 : 9
  const seconds = short ? 1 : 3
  const { backend, targets } = await startAll(NAMES)
  targets.backend = { running: backend, path: '/api/generate', headers: {}, answerBytes: 0 }
  const p50 = Object.fromEntries(Object.keys(targets).map((name) => [name, []]))
  const p99 = Object.fromEntries(Object.keys(targets).map((name) => [name, []]))
  try {
    targets.backend.answerBytes = await verify(targets.backend, QUESTION, ANSWER)
    // What is compiled at run time is so only after many requests, of which one connection makes few.
    for (const name of ['write', 'sync']) await round(targets[name], seconds + 1, 32)
    for (let turn = 1; turn <= rounds; turn += 1) {
      for (const [name, target] of Object.entries(targets)) {
        const { p50us, p99us } = await round(target, seconds)
        p50[name].push(p50us)
        p99[name].push(p99us)
      }
      say(
        `one connection, round ${turn} of ${rounds}: ${Object.keys(targets)
          .map((name) => `${name} ${p50[name].at(-1)} µs`)
          .join(', ')}`,
      )
    }
  } finally {
    delete targets.backend
    await stopAll(backend, targets)
  }
  const added = (name) => median(differences(p50[name], p50.caddy))
  return {
    reached: { 'latency.write': added('write'), 'latency.sync': added('sync') / 1_000 },
    title: 'One connection',
    text: `${rounds} rounds of ${seconds} s each, in turns. Medians over the rounds, in microseconds; the added time is the median of differences within a round.`,
    head: ['', 'p50', 'p99', 'added over Caddy'],
    rows: Object.keys(p50).map((name) => [
      RIVALS[name]?.label ?? 'the backend itself',
      String(median(p50[name])),
      String(median(p99[name])),
      String(Math.round(added(name))),
    ]),
  }
}

async function round(target, seconds, connections = 1) {
  const result = await load(target, { connections, seconds, body: QUESTION, answerBytes: target.answerBytes })
  await idle(target.running.pid)
  return result
}
