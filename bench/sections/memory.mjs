import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { scratch } from '../lib/cleanup.mjs'
import { newKey, startGateway } from '../lib/gateway.mjs'
import { BENCH_CORE, forgetPeak, freePort, pause, peakMiB, rssMiB, start } from '../lib/processes.mjs'
import { BrokenBench } from '../lib/wrk.mjs'

const MiB = 1024 * 1024
const BULK_BYTES = 200 * MiB
const STREAMS = 1_000
const BACKEND = fileURLToPath(new URL('../upstream/bulk.mjs', import.meta.url))
const BLOCK = Buffer.alloc(64 * 1024, 'portcullis ')

/** What a large body and many silent streams leave in memory, each in a gateway of its own. The peak is the kernel's own count, so none is missed. */
export async function memory({ say }) {
  const port = await freePort()
  const backend = await start({
    name: 'bulk backend',
    command: process.execPath,
    args: [BACKEND],
    port,
    core: BENCH_CORE,
    env: { PORT: String(port) },
  })
  const works = [
    ['200 MiB upload', (ask) => upload(ask, BULK_BYTES)],
    ['200 MiB download, the reader pausing half way', (ask) => download(ask, BULK_BYTES)],
    ['1,000 idle streams', idleStreams],
  ]
  const rows = []
  try {
    for (const [what, work] of works) {
      rows.push(await measured(port, what, work))
      say(`${what}: ${rows.at(-1).idle.toFixed(0)} MiB before, ${rows.at(-1).peak.toFixed(0)} MiB at most`)
    }
  } finally {
    await backend.stop()
  }
  return outcome(rows)
}

function withPlainService(port) {
  const file = join(scratch('config'), 'portcullis.yaml')
  writeFileSync(file, `services:\n  files:\n    url: http://127.0.0.1:${port}\n    routes:\n      - GET /bulk\n`)
  return file
}

/** `work` answers a function that ends it, when memory is to be looked at while it still holds what it opened. */
async function measured(port, what, work) {
  const gateway = await startGateway({ backend: port, env: { PORTCULLIS_CONFIG: withPlainService(port) } })
  const { pid } = gateway
  try {
    const ask = { port: gateway.port, headers: { 'x-api-key': await newKey(gateway, ['all', 'manage:chat', 'use:files']) } }
    await upload(ask, MiB)
    await download(ask, MiB)
    await pause(1_000)
    const idle = rssMiB(pid)
    forgetPeak(pid)
    const startedAt = performance.now()
    const end = await work(ask)
    const seconds = (performance.now() - startedAt) / 1_000
    if (end !== undefined) await pause(1_000)
    const row = { what, idle, peak: peakMiB(pid), after: rssMiB(pid), seconds }
    end?.()
    return row
  } finally {
    await gateway.stop()
  }
}

async function upload({ port, headers }, bytes) {
  const path = `/chat/api/blobs/sha256:${'0'.repeat(64)}`
  const sent = request({ port, host: '127.0.0.1', method: 'POST', path, headers: { ...headers, 'content-length': bytes } })
  const answered = new Promise((resolve, reject) => sent.once('response', resolve).once('error', reject))
  await pipeline(Readable.from(blocks(bytes)), sent)
  const answer = await answered
  let body = ''
  for await (const chunk of answer) body += chunk
  if (answer.statusCode !== 201 || JSON.parse(body).bytes !== bytes)
    throw new BrokenBench(`upload of ${bytes} bytes: ${answer.statusCode} ${body}`)
}

function* blocks(bytes) {
  for (let left = bytes; left > 0; left -= BLOCK.length) yield left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK
}

async function download({ port, headers }, bytes) {
  const sent = request({ port, host: '127.0.0.1', path: `/files/bulk?bytes=${bytes}`, headers })
  sent.end()
  const answer = await new Promise((resolve, reject) => sent.once('response', resolve).once('error', reject))
  let read = 0
  for await (const chunk of answer) {
    const half = read < bytes / 2 && read + chunk.length >= bytes / 2
    read += chunk.length
    if (half) await pause(500)
  }
  if (answer.statusCode !== 200 || read !== bytes) throw new BrokenBench(`download of ${bytes} bytes: ${answer.statusCode}, ${read} bytes`)
}

async function idleStreams({ port, headers }) {
  const body = '{"model":"bench","prompt":"Wait."}'
  const head = Object.entries({ host: 'bench', 'content-type': 'application/json', ...headers, 'content-length': body.length })
  const text = `POST /chat/api/generate HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
  const sockets = []
  const opened = Array.from({ length: STREAMS }, async () => {
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket)
    socket.write(text)
    await new Promise((resolve, reject) => {
      let seen = ''
      socket.on('error', reject)
      socket.on('data', (chunk) => {
        seen += chunk.toString('latin1')
        if (seen.includes('"done":false')) resolve()
        else if (!seen.startsWith('HTTP/1.1 200')) reject(new BrokenBench(`an idle stream: ${seen.slice(0, 200)}`))
      })
    })
  })
  await Promise.all(opened)
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}

function outcome([up, down, many]) {
  return {
    reached: { 'memory.upload': up.peak - up.idle, 'memory.download': down.peak - down.idle, 'memory.streams': many.peak },
    title: 'Memory',
    text: 'Resident memory of the gateway in MiB: before, the highest that the kernel saw meanwhile, and after. Each gateway was fresh and had carried 1 MiB each way before.',
    head: ['', 'before', 'highest', 'after', 'seconds'],
    rows: [up, down, many].map(({ what, idle, peak, after, seconds }) => [
      what,
      ...[idle, peak, after].map((value) => value.toFixed(0)),
      seconds.toFixed(2),
    ]),
  }
}
