// Attackers with keys that are none, in a process of their own: their work is not the gate's.
// Told over IPC: { say: 'begin', port, attackers, everyMs, keys } · { say: 'end' }. The second is answered, when all attempts are, with what became of them.
import { connect } from 'node:net'
import { setPriority } from 'node:os'

const CONNECTIONS_EACH = 3 // two may wait for argon2, and one is told off at once
const ATTEMPTS_PER_ADDRESS = 15 // fewer than get an address throttled

// Real attackers bring processors of their own; these share the gate's.
setPriority(10)

const BODY = '{"model":"m","prompt":"hello","stream":false}'
const bytesFor = (key) =>
  `POST /chat/api/generate HTTP/1.1\r\nHost: gate\r\nX-API-Key: ${key}\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`

const count = { attempts: 0, skipped: 0, unanswered: 0, connections: 0, statuses: {} }
let outstanding = 0
let over = false

/** A kept connection with one attempt on it at a time. */
function openLine(port, from, onIdle) {
  const line = { socket: connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true }), busy: false, gone: false, from }
  let heard = ''
  count.connections += 1
  line.socket.setEncoding('latin1')
  line.socket.on('error', () => {})
  line.socket.on('data', (text) => {
    heard += text
    const head = heard.indexOf('\r\n\r\n')
    if (head < 0 || heard.length < head + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(heard)?.[1] ?? 0)) return
    const status = heard.slice(9, 12)
    count.statuses[status] = (count.statuses[status] ?? 0) + 1
    heard = ''
    line.busy = false
    outstanding -= 1
    onIdle(line)
  })
  line.socket.once('close', () => {
    line.gone = true
    if (!line.busy) return
    line.busy = false
    outstanding -= 1
    count.unanswered += 1
  })
  return line
}

/** Every other attacker keeps its address and is throttled there; the rest take a new one before that can happen to them. */
function attacker({ port, everyMs, attackers, keys }, n) {
  let lines = []
  let from = ''
  let made = 0
  const onIdle = (line) => {
    if (line.from !== from || over) line.socket.destroy()
  }
  const attempt = () => {
    if (made % ATTEMPTS_PER_ADDRESS === 0 && (made === 0 || n % 2 === 1)) {
      from = `127.${100 + n}.${Math.floor(made / ATTEMPTS_PER_ADDRESS) % 256}.1`
      for (const line of lines) if (!line.busy) line.socket.destroy()
    }
    lines = lines.filter(({ gone }) => !gone)
    let free = lines.find((line) => !line.busy && line.from === from)
    if (free === undefined) {
      if (lines.length >= CONNECTIONS_EACH) {
        count.skipped += 1
        return
      }
      free = openLine(port, from, onIdle)
      lines.push(free)
    }
    free.busy = true
    outstanding += 1
    free.socket.write(bytesFor(keys[(made * attackers + n) % keys.length]))
    count.attempts += 1
    made += 1
  }
  setTimeout(
    () => {
      const timer = setInterval(() => (over ? clearInterval(timer) : attempt()), everyMs)
    },
    (everyMs * n) / attackers,
  )
}

process.on('message', (told) => {
  if (told.say === 'begin') {
    const flood = { ...told, keys: told.keys.split(' ') }
    for (let n = 0; n < told.attackers; n += 1) attacker(flood, n)
    return
  }
  over = true
  const look = setInterval(() => {
    if (outstanding > 0) return
    clearInterval(look)
    process.send(count)
  }, 20)
})
process.on('disconnect', () => process.exit(0))
process.send('ready')
