// Callers who do as little as they can, and the backend that some of them read from, in a process of their own: their work is not the gate's.
// Told over IPC: { say: 'begin', port, key, perKind, large } · { say: 'count' } · { say: 'leave' }. Answers each with one message.
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const PER_ADDRESS = 90
const TRICKLE_MS = 2_000
const SMALL_BYTES = 32 * 1024
const LARGE_BYTES = 6 * 1024 * 1024 // more than the kernel takes for a caller who reads nothing
const AT_ONCE = 50

const kinds = { headers: [], bodies: [], readers: [] }
let backendHits = 0

const block = Buffer.alloc(64 * 1024, 'a long answer ')
/** Sends as much as its path says, and never says that this was all. */
const backend = createServer((request, response) => {
  backendHits += 1
  let left = request.url === '/large' ? LARGE_BYTES : SMALL_BYTES
  response.on('error', () => {})
  request.resume()
  response.writeHead(200, { 'content-type': 'application/octet-stream' })
  const more = () => {
    while (left > 0 && !response.destroyed) {
      const bytes = Math.min(left, block.length)
      left -= bytes
      if (!response.write(block.subarray(0, bytes))) {
        response.once('drain', more)
        return
      }
    }
  }
  more()
})
backend.keepAliveTimeout = 1_000

/** Begins to speak, says a little more every now and then, and notes how it ended. */
function caller({ port, from, bytes, trickle, reads }) {
  const seen = { status: 0, openedMs: 0, closedMs: 0, connected: false }
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  socket.on('error', () => {})
  socket.setEncoding('latin1')
  let timer
  socket.once('connect', () => {
    seen.connected = true
    seen.openedMs = performance.now()
    socket.write(bytes)
    if (trickle !== '') timer = setInterval(() => socket.write(trickle), TRICKLE_MS)
  })
  if (reads) socket.on('data', (text) => (seen.status ||= Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)))
  else socket.pause()
  socket.once('close', () => {
    clearInterval(timer)
    seen.closedMs = performance.now()
  })
  return { socket, seen }
}

const HEAD = 'POST /chat/api/generate HTTP/1.1\r\nHost: gate\r\n'
const SPEECH = {
  headers: () => ({ bytes: HEAD, trickle: 'X-A: a\r\n', reads: true }),
  bodies: ({ key }) => ({
    bytes: `${HEAD}X-API-Key: ${key}\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"prompt":"${'a'.repeat(SMALL_BYTES)}`,
    trickle: 'a',
    reads: true,
  }),
  readers: ({ key, large }, n) => ({
    bytes: `POST /slow/${n < large ? 'large' : 'small'} HTTP/1.1\r\nHost: gate\r\nX-API-Key: ${key}\r\nContent-Length: 2\r\n\r\n{}`,
    trickle: '',
    reads: false,
  }),
}

async function begin(told) {
  for (let n = 0; n < told.perKind; n += 1) {
    for (const [at, kind] of Object.keys(kinds).entries()) {
      const from = `127.0.${20 + at}.${1 + Math.floor(n / PER_ADDRESS)}`
      kinds[kind].push(caller({ port: told.port, from, ...SPEECH[kind](told, n) }))
    }
    if (n % AT_ONCE === AT_ONCE - 1) await pause(10)
  }
}

const count = () =>
  Object.fromEntries(
    Object.entries(kinds).map(([kind, callers]) => {
      const closed = callers.filter(({ seen }) => seen.closedMs > 0)
      const statuses = {}
      for (const { seen } of closed) statuses[seen.status] = (statuses[seen.status] ?? 0) + 1
      const slowestMs = Math.max(0, ...closed.map(({ seen }) => seen.closedMs - seen.openedMs))
      const open = callers.filter(({ seen }) => seen.connected).length - closed.length
      return [kind, { open, closed: closed.length, statuses, slowestMs }]
    }),
  )

process.on('message', async (told) => {
  if (told.say === 'begin') await begin(told)
  if (told.say === 'leave') for (const callers of Object.values(kinds)) for (const { socket } of callers) socket.destroy()
  process.send({ ...count(), backendHits })
})
process.on('disconnect', () => process.exit(0))
backend.listen(0, '127.0.0.1', () => process.send({ url: `http://127.0.0.1:${backend.address().port}` }))
