// A backend that streams tokens as Ollama does, one every 20 ms for each stream, and can be asked how many it has sent. HTTP is written by hand on bare
// sockets: what measures must cost less than what it measures.
//   options.num_predict   tokens to send; 0 sends one and is then silent until the caller goes; max_tokens at /v1, where it streams events as OpenAI does
import { createServer } from 'node:net'

const EVERY_MS = 20
const headOf = (type) => `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`

let sent = 0
/** Streams by the millisecond, of twenty, in which their token is due: their work is spread evenly, as it is in life. */
const phases = Array.from({ length: EVERY_MS }, () => new Set())
let nextPhase = 0

const nowUs = () => process.hrtime.bigint() / 1000n

function chunked(line) {
  return `${line.length.toString(16)}\r\n${line}\r\n`
}

const OLLAMA = {
  head: headOf('application/x-ndjson'),
  token: () => chunked(`{"model":"bench","created_at":"2026-01-01T00:00:00.000000Z","at":${nowUs()},"response":" gate","done":false}\n`),
  last: () =>
    chunked(
      '{"model":"bench","created_at":"2026-01-01T00:00:00.000000Z","response":"","done":true,"done_reason":"stop","prompt_eval_count":26,"eval_count":400}\n',
    ),
}

const event = (rest) =>
  chunked(`data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":1767225600,"model":"bench",${rest}}\n\n`)
const openai = (usage) => ({
  head: headOf('text/event-stream; charset=utf-8'),
  token: () => event(`"at":${nowUs()},"choices":[{"index":0,"delta":{"content":" gate"},"finish_reason":null}]`),
  last: () =>
    event('"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]') +
    (usage ? event('"choices":[],"usage":{"prompt_tokens":26,"completion_tokens":400,"total_tokens":426}') : '') +
    chunked('data: [DONE]\n\n'),
})
const OPENAI = { false: openai(false), true: openai(true) }

function begin(socket, tokens, speech) {
  sent += 1
  socket.write(speech.head + speech.token())
  if (tokens === 0) return
  const stream = { socket, left: tokens - 1, speech }
  const phase = phases[nextPhase]
  nextPhase = (nextPhase + 7) % EVERY_MS
  phase.add(stream)
  socket.once('close', () => phase.delete(stream))
}

function tick(phase) {
  for (const stream of phase) {
    if (stream.left > 0) {
      stream.left -= 1
      sent += 1
      stream.socket.write(stream.speech.token())
      continue
    }
    phase.delete(stream)
    stream.socket.write(`${stream.speech.last()}0\r\n\r\n`)
  }
}

let ticked = Math.floor(performance.now())
setInterval(() => {
  const now = Math.floor(performance.now())
  // A late timer makes up for what it missed, but never gives a stream two tokens at once.
  for (const until = Math.min(now, ticked + EVERY_MS); ticked < until; ) {
    ticked += 1
    tick(phases[ticked % EVERY_MS])
  }
  ticked = now
}, 1)

function whole(socket, status, body) {
  socket.write(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
}

function answer(socket, line, body) {
  if (line.startsWith('POST /v1/')) {
    const { max_tokens: tokens, stream_options: options } = JSON.parse(body)
    begin(socket, tokens, OPENAI[options?.include_usage === true])
  } else if (line.startsWith('POST ')) begin(socket, JSON.parse(body).options?.num_predict ?? 50, OLLAMA)
  else if (line.startsWith('GET /sent ')) whole(socket, '200 OK', JSON.stringify({ sent }))
  else whole(socket, '200 OK', '{"version":"0.0.0"}')
}

createServer((socket) => {
  let text = ''
  socket.setNoDelay(true).setEncoding('latin1')
  socket.on('error', () => {})
  socket.on('data', (more) => {
    text += more
    for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end + 2))?.[1] ?? 0)
      if (text.length < end + 4 + length) return
      answer(socket, text.slice(0, text.indexOf('\r\n')), text.slice(end + 4, end + 4 + length))
      text = text.slice(end + 4 + length)
    }
  })
}).listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4096 })
