import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, call, generate } from '../support/caller.ts'
import { freePort } from '../support/free-port.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { type Behaviour, chunk, head, hugeHeaders, LAST_CHUNK, redirect, whole } from '../support/hostile.ts'
import { rawCaller } from '../support/raw-caller.ts'
import {
  generation,
  LAST_LINE,
  NDJSON,
  ONE_OBJECT,
  sayAndEnd,
  streamBytes,
  streamHead,
  type TextBackend,
  textBackend,
  token,
} from '../support/text-backend.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
/** The short form cuts at every third byte; the long one at every byte. */
const STRIDE = LONG ? 1 : 3

let upstream: TextBackend
let gate: GatewayUnderTest
let key: TestKey
beforeAll(async () => {
  upstream = await textBackend()
  gate = await startTestGateway({ OLLAMA_URL: upstream.url })
  key = await gate.key({ rights: ['chat', 'manage:chat'], concurrency: 0 })
})
afterAll(async () => {
  await gate.stop()
  await upstream.close()
})
const lastOutcome = async () => {
  const outcome = (await gate.outcomes()).at(-1)
  if (outcome === undefined) throw new Error('there is no outcome')
  return outcome
}

/** What a client of Ollama takes for success. */
const looksFinished = ({ status, complete, body }: Answer): boolean => {
  if (status !== 200 || !complete) return false
  try {
    const last: unknown = JSON.parse(body.trimEnd().split('\n').at(-1) ?? '')
    return typeof last === 'object' && last !== null && 'done' in last && last.done === true
  } catch {
    return false
  }
}
/** An end that says nothing of the fault: complete, and without an error in it. */
const looksClean = (answer: Answer): boolean => answer.complete && answer.status < 400 && !/\{"error":"[^"]+"\}\n?$/.test(answer.body)

const OBJECT = 'application/json; charset=utf-8'
const until = (type: string, body: string): Buffer => Buffer.from(`${head(200, { 'content-type': type, connection: 'close' })}${body}`)
/** A good answer in every framing that HTTP has. */
const FRAMINGS: readonly { name: string; bytes: Buffer; stream: boolean }[] = [
  { name: 'a chunked stream', bytes: streamBytes, stream: true },
  { name: 'a stream with a length', bytes: whole(200, token('a') + LAST_LINE, { 'content-type': NDJSON }), stream: true },
  // The last newline of a stream that ends with its connection is no part of its meaning.
  { name: 'a stream that ends with its connection', bytes: until(NDJSON, `${token('a')}${LAST_LINE.trimEnd()}`), stream: true },
  { name: 'one object with a length', bytes: whole(200, ONE_OBJECT, { 'content-type': OBJECT }), stream: false },
  {
    name: 'one object, chunked',
    bytes: Buffer.concat([
      Buffer.from(head(200, { 'content-type': OBJECT, 'transfer-encoding': 'chunked' })),
      chunk(ONE_OBJECT),
      Buffer.from(LAST_CHUNK),
    ]),
    stream: false,
  },
  { name: 'one object that ends with its connection', bytes: until(OBJECT, ONE_OBJECT), stream: false },
]

/** One death, and what the caller made of it; the ledger is asked afterwards, for all of them at once. */
interface Death {
  readonly what: string
  readonly answer: Answer
}

async function deathsOf({ name, bytes, stream }: (typeof FRAMINGS)[number]): Promise<Death[]> {
  const deaths: Death[] = []
  for (let at = 0; at < bytes.length; at += STRIDE) {
    for (const end of ['fin', 'rst'] as const) {
      upstream.behave(sayAndEnd(bytes.subarray(0, at), end))
      const answer = await call(gate.port, generate(key.text, { stream }))
      await gate.quiet()
      deaths.push({ what: `${name}, ${end} after ${at} of ${bytes.length} bytes`, answer })
    }
  }
  return deaths
}

const MANAGED = { path: '/chat/api/create', body: { model: 'x' } }
/** Deaths that are no cut of a good answer: [what, behaviour, status the caller sees, what its body says]. */
const OTHERS: readonly (readonly [name: string, behaviour: Behaviour, status: number, body: RegExp])[] = [
  ['a status line that is none', sayAndEnd('SSH-2.0-OpenSSH_9.2\r\n', 'fin'), 502, /broke off/],
  ['a chunk size that is none', sayAndEnd(`${streamHead}zz\r\nhello`, 'fin'), 200, /\{"error":"[^"]*broke off[^"]*"\}\n$/],
  ['a second answer instead of a chunk', sayAndEnd(`${streamHead}HTTP/1.1 200 OK\r\n\r\n`, 'fin'), 200, /\{"error"/],
  [
    'a length and chunks at once',
    sayAndEnd(`${head(200, { 'content-length': 3, 'transfer-encoding': 'chunked' })}abc`, 'fin'),
    502,
    /broke off/,
  ],
  ['two different lengths', sayAndEnd('HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd', 'fin'), 502, /broke off/],
  ['headers without end', hugeHeaders(40_000), 502, /broke off/],
  ['a redirect', redirect('http://127.0.0.1:1/'), 502, /broke off/],
  [
    'a switch of protocols',
    sayAndEnd('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n', 'fin'),
    502,
    /broke off/,
  ],
  ['100 Continue for ever, and the end', sayAndEnd('HTTP/1.1 102 Processing\r\n\r\n'.repeat(50), 'fin'), 502, /broke off/],
  [
    'a failure told in band',
    sayAndEnd(
      Buffer.concat([Buffer.from(streamHead), chunk(token('a')), chunk('{"error":"out of memory"}\n'), Buffer.from(LAST_CHUNK)]),
      'fin',
    ),
    200,
    /\{"error":"out of memory"\}\n$/,
  ],
]

describe('promise 12: a backend that dies is never shown as a clean end', () => {
  it('at any byte of its answer, in any framing, by FIN or by RST', { timeout: 120_000 }, async () => {
    const before = (await gate.outcomes()).length
    const deaths: Death[] = []
    for (const framing of FRAMINGS) deaths.push(...(await deathsOf(framing)))
    const outcomes = (await gate.outcomes()).slice(before)
    const clean = deaths.filter(({ answer }) => looksFinished(answer) || looksClean(answer))
    const unrecorded = deaths.filter((_death, n) => outcomes[n]?.ended !== 'upstream_died')
    process.stdout.write(
      `promise 12: ${deaths.length} deaths at every ${STRIDE === 1 ? '' : `${STRIDE}rd `}byte of ${FRAMINGS.length} framings, by FIN and RST: clean ends ${clean.length}, not recorded as upstream_died ${unrecorded.length}\n`,
    )
    expect(clean.map(({ what }) => what)).toEqual([])
    expect(unrecorded.map(({ what }) => what)).toEqual([])
    expect(outcomes.length).toBe(deaths.length)
    expect(deaths.length).toBeGreaterThan(200)
  })

  it.each(FRAMINGS)('and $name that is whole is a clean end', async ({ bytes, stream }) => {
    upstream.behave(sayAndEnd(bytes, 'fin'))
    expect(looksFinished(await call(gate.port, generate(key.text, { stream })))).toBe(true)
    expect(await lastOutcome()).toMatchObject({ ended: 'complete', status: 200, units: { tokens_in: 3, tokens_out: 2 } })
  })

  it.each(OTHERS)('by %s', async (_name, behaviour, status, body) => {
    upstream.behave(behaviour)
    const answer = await call(gate.port, generate(key.text))
    expect(answer).toMatchObject({ status, body: expect.stringMatching(body) })
    expect(await lastOutcome()).toMatchObject({ ended: 'upstream_died', code: 'UPSTREAM_DIED' })
  })

  it('to a caller of HTTP/1.0, whose answers all end with their connection', async () => {
    const cut = Buffer.concat([Buffer.from(head(200, { 'content-type': OBJECT, 'transfer-encoding': 'chunked' })), chunk('{"models":[')])
    upstream.behave(async (x) => {
      await x.body()
      await x.send(cut)
      await x.wait(50) // so that the caller has what came before
      x.fin()
    })
    const caller = await rawCaller(gate.port)
    caller.write(`GET /chat/api/tags HTTP/1.0\r\nX-API-Key: ${key.text}\r\n\r\n`)
    await caller.gone()
    expect(caller.received).toMatch(/\r\n\r\n\{"models":\[$/)
    expect(caller.fault).toBe('ECONNRESET')
  })

  it('within a line, which is ended before the error is told', async () => {
    upstream.behave(sayAndEnd(Buffer.concat([Buffer.from(streamHead), chunk(token('a') + token('b').slice(0, 9))]), 'rst'))
    const { body } = await call(gate.port, generate(key.text))
    expect(body.split('\n').at(-2)).toMatch(/^\{"error":"/)
    expect(await lastOutcome()).toMatchObject({ ended: 'upstream_died', status: 200, estimated: true, units: { tokens_out: 1 } })
  })

  it.each([10_000, 400_000])('while it is sent an upload of %i bytes', async (bytes) => {
    upstream.behave(async (x) => {
      await x.readSome(5_000)
      x.rst()
    })
    const answer = await call(gate.port, { ...MANAGED, key: key.text, body: Buffer.alloc(bytes, 'x') })
    expect(answer).toMatchObject({ status: 502, headers: { 'x-should-retry': 'false' } })
    expect(await lastOutcome()).toMatchObject({ ended: 'upstream_died', service: 'chat', route: '/chat/api/create' })
  })

  it('on a connection that was kept, between two requests', async () => {
    upstream.behave(generation())
    expect(looksFinished(await call(gate.port, generate(key.text)))).toBe(true)
    for (const socket of upstream.sockets) socket.resetAndDestroy()
    expect(looksFinished(await call(gate.port, generate(key.text)))).toBe(true)
  })

  it('and one that was never there is not called dead', async () => {
    const away = await startTestGateway({ OLLAMA_URL: `http://127.0.0.1:${await freePort()}` })
    const { text } = await away.key()
    const answer = await call(away.port, generate(text))
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' }, body: expect.stringContaining('cannot be reached') })
    expect(await away.outcomes()).toMatchObject([{ ended: 'refused', code: 'UPSTREAM_UNREACHABLE', status: 503 }])
    await away.stop()
  })
})
