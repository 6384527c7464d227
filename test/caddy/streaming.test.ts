import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { caddyVersion, type RunningCaddy, startCaddy } from '../support/caddy.ts'
import { parseAnswer, rawExchange } from '../support/raw-http.ts'
import { type StandIn, standInGatekeeper } from '../support/stand-in-gatekeeper.ts'
import { lacking, named } from '../support/tools.ts'
import { until } from '../support/until.ts'

const reason = lacking('caddy')
const CHUNKS = 20
const headers = { 'x-api-key': 'pcl_x' }

describe.skipIf(reason)(named('streams through Caddy', reason), () => {
  let gatekeeper: StandIn
  let caddy: RunningCaddy
  beforeAll(async () => {
    gatekeeper = await standInGatekeeper()
    caddy = await startCaddy({ gatekeeper: gatekeeper.address, env: { BODY_MAX: '1MiB' } })
  })
  afterAll(async () => {
    await caddy?.stop()
    await gatekeeper?.close()
  })

  test.each(['application/x-ndjson', 'text/event-stream', 'audio/mpeg', 'application/json'])(
    'each chunk of an answer arrives before the next is sent: %s',
    async (type) => {
      const arrivals = new Waiting()
      gatekeeper.answerWith(async (req, res) => {
        // Go's HTTP/1 server takes the rest of a request away once the answer begins, so an answer that comes before it may be cut off.
        await once(req.resume(), 'end')
        res.writeHead(200, { 'content-type': type })
        for (let i = 0; i < CHUNKS; i += 1) {
          res.write(`chunk ${i}\n`)
          await arrivals.atLeast(i + 1)
        }
        res.end()
      })
      const began = performance.now()
      const res = await answerOf(caddy.url, {})
      let text = ''
      res.setEncoding('utf8')
      res.on('data', (chunk: string) => {
        text += chunk
        arrivals.set(text.split('\n').length - 1)
      })
      await once(res, 'end')
      expect(text.split('\n')).toHaveLength(CHUNKS + 1)
      // Twenty round trips on loopback take a few ms; half of the goal of 5 ms each still shows a buffer or a timer.
      expect((performance.now() - began) / CHUNKS).toBeLessThan(50)
    },
  )

  test('each chunk of an upload arrives before the next is sent', async () => {
    const arrivals = new Waiting()
    gatekeeper.answerWith((req, res) => {
      let received = 0
      req.on('data', (chunk: Buffer) => {
        received += chunk.length
        arrivals.set(Math.floor(received / 7))
      })
      req.once('end', () => res.end(String(received)))
    })
    const req = request(`${caddy.url}/whisper/api/transcribe`, { method: 'POST', headers })
    for (let i = 0; i < CHUNKS; i += 1) {
      req.write('7 bytes')
      await arrivals.atLeast(i + 1)
    }
    req.end()
    const [res] = (await once(req, 'response')) as [IncomingMessage] // the event's only argument
    expect(await textOf(res)).toBe(String(CHUNKS * 7))
  })

  test('an answer may come while the upload still runs', async () => {
    gatekeeper.answerWith((_req, res) => {
      res.writeHead(413).end('too large')
    })
    const req = request(`${caddy.url}/whisper/api/transcribe`, { method: 'POST', headers: { ...headers, 'content-length': '1000000' } })
    req.on('error', () => {})
    // Go's server passes the answer on at the next bytes of the upload, not while it waits for them.
    const sending = setInterval(() => req.write('more of it'), 5)
    try {
      const [res] = (await once(req, 'response')) as [IncomingMessage] // the event's only argument
      expect(res.statusCode).toBe(413)
    } finally {
      clearInterval(sending)
      req.destroy()
    }
  })

  test('a caller who asks before sending (Expect: 100-continue) is refused before it sends', async () => {
    gatekeeper.answerWith((_req, res) => {
      res.writeHead(413).end('too large')
    })
    let continued = false
    const req = request(`${caddy.url}/whisper/api/transcribe`, {
      method: 'POST',
      headers: { ...headers, 'content-length': '1000000', expect: '100-continue' },
    })
    req.on('error', () => {})
    req.once('continue', () => {
      continued = true
    })
    req.flushHeaders()
    const [res] = (await once(req, 'response')) as [IncomingMessage] // the event's only argument
    expect({ status: res.statusCode, continued }).toEqual({ status: 413, continued: false })
    req.destroy()
  })

  test.each(['before the headers', 'in the stream'])('a caller who leaves %s is noticed within 1 s', async (when) => {
    const left: number[] = []
    let reached = false
    gatekeeper.answerWith((req, res) => {
      reached = true
      res.once('close', () => left.push(performance.now()))
      req.resume()
      if (when === 'in the stream') res.write('first\n')
    })
    const req = request(`${caddy.url}/chat/api/generate`, { method: 'POST', headers })
    req.on('error', () => {})
    if (when === 'in the stream') req.once('response', (res) => res.on('error', () => {}).resume())
    req.end('{}')
    await until(() => reached, { withinMs: 2_000, what: 'the request to reach the gatekeeper' })
    const began = performance.now()
    req.destroy()
    const at = await until(() => left[0], { withinMs: 2_000, what: 'the gatekeeper to lose the connection' })
    expect(at - began).toBeLessThan(1_000)
  })

  // Caddy 2.6 closes a chunked answer as if it were whole when the server behind it dies (caddyserver/caddy#5951); releases that we name do not.
  const old =
    reason === '' && caddyVersion().startsWith('2.6.') ? 'Caddy 2.6 ends a broken stream as if it were whole, caddy issue 5951' : ''
  test.skipIf(old)(named('a gatekeeper that dies in a stream is not shown as a clean end', old), async () => {
    gatekeeper.answerWith((req, res) => {
      res.write('half of it')
      setImmediate(() => req.socket.destroy())
    })
    const answer = await rawExchange(caddy.port, 'GET /chat HTTP/1.1\r\nHost: gate\r\nX-API-Key: k\r\n\r\n').catch(() => '')
    expect(answer).not.toMatch(/\r\n0\r\n\r\n$/)
  })

  test('an answer of known length that breaks off stays short', async () => {
    gatekeeper.answerWith((req, res) => {
      res.writeHead(200, { 'content-length': '1000' })
      res.write('half of it')
      setImmediate(() => req.socket.destroy())
    })
    const answer = await rawExchange(caddy.port, 'GET /chat HTTP/1.1\r\nHost: gate\r\nX-API-Key: k\r\nConnection: close\r\n\r\n')
    const { head, body } = parseAnswer(answer)
    expect(head === '' || (/Content-Length: 1000/i.test(head) && body.length < 1000)).toBe(true)
  })

  test('a request that reached the gatekeeper is never sent again', async () => {
    for (const method of ['POST', 'GET', 'PUT']) {
      gatekeeper.seen.length = 0
      gatekeeper.answerWith((req) => req.socket.destroy())
      // Go's client repeats what carries this header, if it may.
      const res = await fetch(`${caddy.url}/chat/api/generate`, { method, headers: { ...headers, 'idempotency-key': 'x' } })
      expect(res.status, method).toBe(502)
      expect(res.headers.get('x-should-retry'), method).toBe('false')
      expect(gatekeeper.seen, method).toHaveLength(1)
    }
  })
})

test.skipIf(reason)(named('a gatekeeper that is away is 503 with a time to come back, not an empty 502', reason), async () => {
  const gatekeeper = await standInGatekeeper()
  await gatekeeper.close()
  const caddy = await startCaddy({ gatekeeper: gatekeeper.address })
  try {
    const res = await fetch(`${caddy.url}/chat`, { headers })
    expect(res.status).toBe(503)
    expect(res.headers.get('retry-after')).toBe('5')
    expect(res.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await res.text()).toBe('503 Service Unavailable - the gatekeeper cannot be reached')
  } finally {
    await caddy.stop()
  }
})

async function answerOf(url: string, body: unknown): Promise<IncomingMessage> {
  const req = request(`${url}/chat/api/generate`, { method: 'POST', headers })
  req.end(JSON.stringify(body))
  const [res] = (await once(req, 'response')) as [IncomingMessage] // the event's only argument
  return res
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** A count that one side raises and the other waits for, so that nothing is sent before what was sent has arrived. */
class Waiting {
  #count = 0
  #wake = () => {}

  set(count: number): void {
    this.#count = count
    this.#wake()
  }

  async atLeast(count: number): Promise<void> {
    while (this.#count < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
