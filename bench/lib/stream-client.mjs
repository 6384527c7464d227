// Opens many streams and times what comes; run by sections/streams.mjs as a process of its own. Prints OPEN when all have their first byte, then a line of JSON.
import { connect } from 'node:net'
import { percentile } from './stats.mjs'

const job = JSON.parse(process.env.JOB)
const { port, path, headers, streams, rampMs, tokens, protocol } = job
/** What is asked, and how many lines a whole answer has: an event of OpenAI's is two, and its last words and `[DONE]` are events. */
const PROTOCOLS = {
  ollama: { body: { model: 'bench', prompt: 'Sing.', stream: true, options: { num_predict: tokens } }, lines: tokens + 1 },
  openai: {
    body: { model: 'bench', messages: [{ role: 'user', content: 'Sing.' }], stream: true, max_tokens: tokens },
    lines: 2 * (tokens + 2),
  },
}
const { lines: wholeLines } = PROTOCOLS[protocol]
const body = JSON.stringify(PROTOCOLS[protocol].body)
const head = Object.entries({ host: `127.0.0.1:${port}`, 'content-type': 'application/json', ...headers, 'content-length': body.length })
const request = `POST ${path} HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`

const NEWLINE = 0x0a
const RETURN = 0x0d
const nowUs = () => Number(process.hrtime.bigint() / 1000n)

const firsts = []
const gaps = []
const relays = []
const faults = []
let open = 0
let over = 0

class Stream {
  startedUs = nowUs()
  lastUs = 0
  worstGapUs = 0
  lines = 0
  last = 0
  ended = false

  constructor() {
    streamsOpen.add(this)
    this.socket = connect(port, '127.0.0.1').setNoDelay(true)
    this.socket.write(request)
    this.socket.on('data', (chunk) => this.data(chunk))
    this.socket.on('error', (fault) => this.finish(fault.message))
    this.socket.on('close', () => this.finish('the connection closed'))
  }

  data(chunk) {
    const now = nowUs()
    if (this.lastUs === 0) this.first(chunk, now)
    else if (now - this.lastUs > this.worstGapUs) this.worstGapUs = now - this.lastUs
    this.lastUs = now
    // Lines of the body end with a bare newline; those of heads and chunk sizes follow a carriage return.
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) {
      if ((at === 0 ? this.last : chunk[at - 1]) !== RETURN) this.lines += 1
    }
    this.last = chunk[chunk.length - 1]
    const stamp = chunk.lastIndexOf('"at":')
    if (stamp !== -1) relays.push(now - Number.parseInt(chunk.latin1Slice(stamp + 5, stamp + 25), 10))
    if (this.lines >= wholeLines) this.finish(this.lines === wholeLines ? null : `${this.lines} lines`)
  }

  first(chunk, now) {
    if (!chunk.latin1Slice(0, 12).endsWith(' 200')) this.finish(chunk.latin1Slice(0, 300))
    firsts.push(now - this.startedUs)
    open += 1
    if (open === streams) process.stdout.write('OPEN\n')
  }

  finish(fault) {
    if (this.ended) return
    this.ended = true
    streamsOpen.delete(this)
    if (fault !== null) faults.push(`${fault} after ${this.lines} of ${wholeLines} lines`)
    gaps.push(this.worstGapUs)
    this.socket.destroy()
    over += 1
    if (over === streams) report()
  }
}

/** A stream that never ends is told as what it is, and not waited for. */
const SILENT_US_MAX = 15_000_000
const streamsOpen = new Set()
setInterval(() => {
  const now = nowUs()
  for (const stream of streamsOpen)
    if (now - Math.max(stream.startedUs, stream.lastUs) > SILENT_US_MAX) stream.finish(`${SILENT_US_MAX / 1e6} s of silence`)
}, 1_000).unref()

function figures(values) {
  const sorted = Float64Array.from(values).sort()
  return { p50: percentile(sorted, 50), p99: percentile(sorted, 99), max: percentile(sorted, 100) }
}

function report() {
  process.stdout.write(`RESULT ${JSON.stringify({ first: figures(firsts), gap: figures(gaps), relay: figures(relays), faults })}\n`)
}

const startedMs = performance.now()
let begun = 0
const timer = setInterval(
  () => {
    const due = rampMs === 0 ? streams : Math.min(streams, Math.ceil(((performance.now() - startedMs) / rampMs) * streams))
    for (; begun < due; begun += 1) new Stream()
    if (begun === streams) clearInterval(timer)
  },
  rampMs === 0 ? 0 : rampMs / streams,
)
