// Where the time of the gateway goes: `node bench/profile.mjs write|sync|streams|v1|v1-streams [--seconds 8] [--rows 30] [--keep FILE]`.
// The gateway runs under --cpu-prof on its core with the load of the bench; the table shows functions by their own time, and files by theirs.
import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { scratch } from './lib/cleanup.mjs'
import { newKey, startGateway } from './lib/gateway.mjs'
import { table } from './lib/report.mjs'
import { startV1 } from './lib/v1.mjs'
import { load, verify } from './lib/wrk.mjs'
import { holdStreams, startTokenBackend } from './sections/streams.mjs'
import { ANSWER, QUESTION, startSmallBackend } from './upstream/small.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '8' },
    rows: { type: 'string', default: '30' },
    keep: { type: 'string' },
  },
})
const [what = 'write'] = positionals
/** What is asked, how the ledger is synced, and whether the answer is a stream. */
const KINDS = {
  write: { start: startChat, sync: 'write' },
  sync: { start: startChat, sync: 'sync' },
  streams: { start: startChat, sync: 'sync', protocol: 'ollama' },
  v1: { start: startFace, sync: 'write' },
  'v1-streams': { start: startFace, sync: 'sync', protocol: 'openai' },
}
if (!Object.hasOwn(KINDS, what)) {
  process.stderr.write(`usage: node bench/profile.mjs ${Object.keys(KINDS).join('|')} [--seconds 8] [--rows 30] [--keep FILE]\n`)
  process.exit(2)
}

const directory = scratch('profile')
const file = await record(KINDS[what], Number(values.seconds))
if (values.keep !== undefined) copyFileSync(file, values.keep)
show(JSON.parse(readFileSync(file, 'utf8')), Number(values.rows))
process.exit(0)

async function startChat(backend, options) {
  const running = await startGateway({ backend, ...options })
  return { running, path: '/chat/api/generate', headers: { 'x-api-key': await newKey(running) } }
}

async function startFace(backend, options) {
  return startV1('portcullis v1', backend, options)
}

async function record({ start, sync, protocol }, seconds) {
  const backend = protocol === undefined ? await startSmallBackend() : await startTokenBackend()
  const target = await start(backend.port, { sync, node: ['--cpu-prof', `--cpu-prof-dir=${directory}`, '--cpu-prof-interval', '200'] })
  if (protocol !== undefined) await holdStreams(target, backend, { windowMs: seconds * 1_000, rampMs: 500, protocol })
  else {
    target.answerBytes = await verify(target, QUESTION, ANSWER)
    const { rps } = await load(target, { connections: 32, seconds, body: QUESTION, answerBytes: target.answerBytes })
    process.stdout.write(`${Math.round(rps)} requests a second under the profiler\n`)
  }
  await target.running.stop()
  await backend.stop()
  return mainThreadProfile()
}

/** The ledger's thread leaves a profile of its own; the main thread's is the one with most functions in it. */
function mainThreadProfile() {
  const profiles = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'))
  const sized = profiles.map((name) => ({
    path: join(directory, name),
    nodes: JSON.parse(readFileSync(join(directory, name), 'utf8')).nodes.length,
  }))
  return sized.sort((a, b) => b.nodes - a.nodes)[0].path
}

function show({ nodes, samples, timeDeltas }, rows) {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const functions = new Map()
  const files = new Map()
  let busyUs = 0
  for (const [at, id] of samples.entries()) {
    const us = timeDeltas[at]
    const { functionName, url, lineNumber } = byId.get(id).callFrame
    if (functionName === '(idle)') continue
    busyUs += us
    const place = placeOf(url)
    const name = `${functionName || '(anonymous)'}  ${place === '' ? '' : `${place}:${lineNumber + 1}`}`
    functions.set(name, (functions.get(name) ?? 0) + us)
    files.set(place || functionName, (files.get(place || functionName) ?? 0) + us)
  }
  const top = (map) =>
    [...map]
      .sort(([, a], [, b]) => b - a)
      .slice(0, rows)
      .map(([name, us]) => [name, `${((us / busyUs) * 100).toFixed(1)} %`, (us / 1_000).toFixed(0)])
  process.stdout.write(`\n${table(['function', 'self', 'ms'], top(functions))}\n${table(['file', 'self', 'ms'], top(files))}`)
}

/** Short enough for a table: the path below dist/ or node_modules/. */
function placeOf(url) {
  if (url === '') return ''
  return /(?:\/dist\/|\/node_modules\/)(.*)$/.exec(url)?.[1] ?? (url.startsWith('node:') ? url : basename(url))
}
