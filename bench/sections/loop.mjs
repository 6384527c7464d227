import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { GATEWAY, newKey, startGateway } from '../lib/gateway.mjs'
import { pause, run } from '../lib/processes.mjs'
import { BrokenBench, load, verify } from '../lib/wrk.mjs'
import { ANSWER, QUESTION, startSmallBackend } from '../upstream/small.mjs'
import { KEYS, listAll, storeOfManyKeys } from './start.mjs'

const PRELOAD = pathToFileURL(fileURLToPath(new URL('../lib/loop-delay.mjs', import.meta.url))).href
const REQUEST_EVERY_MS = 5

/**
 * How late the gateway's event loop is while other work goes on, by its own clock (lib/loop-delay.mjs, read by a signal). The gateway is not pinned here and answers
 * 200 requests a second meanwhile, so that the machine's scheduler is in the figure as it would be in life.
 */
export async function loop({ short, say }) {
  const backend = await startSmallBackend()
  const home = await storeOfManyKeys()
  const figuresFile = join(home, 'loop.json')
  const gateway = await startGateway({
    backend: backend.port,
    sync: 'write',
    home,
    core: null,
    node: ['--import', PRELOAD],
    env: { BENCH_LOOP_FILE: figuresFile },
  })
  const target = { running: gateway, path: '/chat/api/generate', headers: { 'x-api-key': await newKey(gateway) } }
  const command = (...args) => portcullis(gateway, args)
  const works = [
    ['nothing else', () => pause(1_000)],
    ['`portcullis report`', () => command('report', '--json', '--output', join(home, 'report.json'))],
    ['`portcullis audit verify`', () => command('audit', 'verify')],
    [`a list of all ${KEYS.toLocaleString('en')} keys`, () => listAll(gateway)],
  ]
  const rows = []
  try {
    target.answerBytes = await verify(target, QUESTION, ANSWER)
    await load(target, { connections: 32, seconds: short ? 3 : 20, body: QUESTION, answerBytes: target.answerBytes })
    for (const [what, work] of works) {
      rows.push(await measured(gateway, target, figuresFile, what, work, short ? 3_000 : 10_000))
      say(`event loop beside ${what}: p99 ${rows.at(-1).moments.toFixed(1)} ms, most ${rows.at(-1).max.toFixed(1)} ms`)
    }
  } finally {
    await gateway.stop()
    await backend.stop()
  }
  return outcome(rows, statSync(gateway.ledger).size)
}

async function portcullis({ variables }, args) {
  const { status, stderr, stdout } = await run(process.execPath, [GATEWAY, ...args], { env: variables })
  if (status !== 0) throw new BrokenBench(`portcullis ${args[0]} ended with ${status}: ${stderr.slice(-500)}${stdout.slice(-500)}`)
}

/** The work again and again for a while, or one hiccup of the machine would be the whole figure. */
async function measured(gateway, target, file, what, work, msMin) {
  const traffic = lightTraffic(target)
  try {
    await look(gateway, file)
    const startedAt = performance.now()
    let times = 0
    for (; performance.now() - startedAt < msMin; times += 1) await work()
    const seconds = (performance.now() - startedAt) / 1_000 / times
    return { what, seconds, ...(await look(gateway, file)) }
  } finally {
    await traffic.stop()
  }
}

/** A few requests all the while, each of them looked at. */
function lightTraffic(target) {
  let over = false
  const going = (async () => {
    while (!over) {
      await verify(target, QUESTION, ANSWER)
      await pause(REQUEST_EVERY_MS)
    }
  })()
  const fault = going.then(
    () => null,
    (thrown) => thrown,
  )
  return {
    async stop() {
      over = true
      const thrown = await fault
      if (thrown !== null) throw thrown
    },
  }
}

async function look({ pid }, file) {
  rmSync(file, { force: true })
  process.kill(pid, 'SIGUSR2')
  for (let waitedMs = 0; waitedMs < 5_000; waitedMs += 5) {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
    if (text.endsWith('}')) return JSON.parse(text)
    await pause(5)
  }
  throw new BrokenBench('the gateway did not say how late its event loop was')
}

function outcome(rows, bytes) {
  const [, report, verified, list] = rows
  return {
    reached: { 'loop.report': report.moments, 'loop.verify': verified.moments, 'loop.query': list.moments },
    title: 'Event-loop delay',
    text:
      `Milliseconds above the timer's own period, measured inside the gateway, which is not pinned here and answers about 200 requests a second meanwhile; the ledger that is ` +
      `read has ${(bytes / 1024 ** 2).toFixed(0)} MiB. "p99 of turns" is Node's own histogram (perf_hooks), in which a long stall counts once; "p99 of moments" counts each turn for ` +
      'as long as it took, which is what a request meets that comes at a random moment, and is what is judged.',
    head: ['beside', 'p50', 'p99 of turns', 'p99 of moments', 'most', 'the work took, s'],
    rows: rows.map(({ what, p50, p99, moments, max, seconds }) => [
      what,
      ...[p50, p99, moments, max, seconds].map((value) => value.toFixed(2)),
    ]),
  }
}
