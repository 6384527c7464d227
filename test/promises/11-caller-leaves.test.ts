import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { call, generate } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { type Behaviour, chunk, head, silent } from '../support/hostile.ts'
import { Leavings, settledAt } from '../support/leavings.ts'
import { LEAVING, type Leaving, rawCaller, requestBytes } from '../support/raw-caller.ts'
import { endlessStream, generation, type TextBackend, textBackend, token } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const ROUNDS = LONG ? 20 : 3
const PLACES = 3
const GOAL_MS = 1_000
const WAYS = Object.keys(LEAVING) as Leaving[] // the keys of that very table

let upstream: TextBackend
let gate: GatewayUnderTest
let key: TestKey
/** Good keys that must be verified before they are let in, because the gate was restarted since they were made. */
let coldKeys: TestKey[] = []
const leavings = new Leavings()
beforeAll(async () => {
  upstream = await textBackend()
  const before = await startTestGateway({ OLLAMA_URL: upstream.url })
  coldKeys = await Promise.all(Array.from({ length: ROUNDS * WAYS.length }, () => before.key()))
  await before.stop({ keep: true })
  gate = await startTestGateway(before.env, before)
  key = await gate.key({ rights: ['chat', 'manage:chat'], concurrency: PLACES })
})
afterEach(() => {
  expect(upstream.faults).toEqual([])
  upstream.forget()
})
afterAll(async () => {
  process.stdout.write(
    `promise 11: ${leavings.count} callers left, the backend was let go after at most ${leavings.worstMs.toFixed(0)} ms; places given back exactly once\n`,
  )
  await gate.stop()
  await upstream.close()
})

const corridor = () => gate.gateway.house.corridor.inFlight

const ask = (more: object) => JSON.stringify({ model: 'm', prompt: 'p', ...more })

/** The start of an answer of a known length, and then nothing. */
const halfAnObject = (): Behaviour => async (x) => {
  await x.body()
  await x.send(`${head(200, { 'content-type': 'application/json', 'content-length': 10_000 })}{"model":"m","response":"`)
  await x.gone
}

/** As much as fits into every buffer on the way, until the peer leaves. */
const flood = (): Behaviour => async (x) => {
  await x.body()
  await x.send(head(200, { 'content-type': 'application/x-ndjson', 'transfer-encoding': 'chunked' }))
  const line = chunk(token('x'.repeat(60_000)))
  for (;;) await x.send(line)
}

const takesSome = (): Behaviour => async (x) => {
  await x.readSome(20_000)
  await x.gone
}

interface Stage {
  readonly name: string
  readonly backend: () => Behaviour
  readonly bytes: string | (() => string)
  /** The caller has come as far as it will, once the backend has seen it. */
  readonly heard?: string
  /** Set where the caller reads nothing. One that only says that it will send no more may still read one day, and has a deadline for that. */
  readonly deaf?: true
}

const STAGES: readonly Stage[] = [
  { name: 'before the headers of a stream', backend: silent, bytes: ask({}) },
  { name: 'before the headers of one object', backend: silent, bytes: ask({ stream: false }) },
  { name: 'in the middle of a stream', backend: () => endlessStream(3), bytes: ask({}), heard: '"a"' },
  { name: 'in the middle of one object', backend: halfAnObject, bytes: ask({ stream: false }), heard: '"response"' },
  { name: 'while it does not read', backend: flood, bytes: ask({}), deaf: true },
]

async function leaveAt({ backend, bytes, heard, deaf }: Stage, how: Leaving): Promise<void> {
  upstream.forget()
  upstream.behave(backend())
  const caller = await rawCaller(gate.port, { reads: deaf === undefined })
  caller.write(requestBytes({ key: key.text, body: typeof bytes === 'string' ? bytes : bytes() }))
  const seen = await until(() => upstream.asked[0], { withinMs: 5_000, what: 'the backend to be asked' })
  if (heard !== undefined) await caller.heard(heard)
  if (deaf) await settledAt(() => seen.sentBytes)
  await leavings.felt(() => seen.leftMs, caller.leave(how))
}

describe('promise 11: a caller who leaves is noticed', () => {
  for (const stage of STAGES) {
    it.each(WAYS.filter((how) => !(stage.deaf && how === 'fin')))(`${stage.name}, by %s`, async (how) => {
      for (let round = 0; round < ROUNDS; round += 1) await leaveAt(stage, how)
      await gate.quiet()
      expect((await gate.outcomes()).at(-1)).toMatchObject({ ended: 'client_closed' })
      expect(leavings.worstMs).toBeLessThan(GOAL_MS)
    })
  }

  it.each(WAYS)('during an upload, by %s', async (how) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      upstream.forget()
      upstream.behave(takesSome())
      const caller = await rawCaller(gate.port)
      caller.write(requestBytes({ path: '/chat/api/create', key: key.text, body: 'x'.repeat(30_000), contentLength: 1_000_000 }))
      const seen = await until(() => upstream.asked[0], { withinMs: 5_000, what: 'the backend to be asked' })
      await until(() => seen.bodyBytes >= 20_000, { withinMs: 5_000, what: 'some of the upload' })
      await leavings.felt(() => seen.leftMs, caller.leave(how))
    }
    await gate.quiet()
    expect((await gate.outcomes()).at(-1)).toMatchObject({ ended: 'client_closed', bytes_in: 30_000 })
  })

  it.each(WAYS)('within a body that the gate must read itself, by %s', async (how) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const caller = await rawCaller(gate.port)
      caller.write(requestBytes({ key: key.text, body: '{"model":', contentLength: 500 }))
      await until(() => corridor().size === 1, { withinMs: 5_000, what: 'the request to be in the corridor' })
      const leftMs = caller.leave(how)
      await leavings.felt(() => (corridor().size === 0 ? performance.now() : null), leftMs)
    }
    expect(upstream.asked).toEqual([])
    expect((await gate.refusals()).at(-1)).toMatchObject({ code: 'BODY_INCOMPLETE', key: key.id })
  })

  it.each(WAYS)('while its key is still being verified, with a body to come, by %s', async (how) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const caller = await rawCaller(gate.port)
      caller.write(requestBytes({ key: coldKeys.pop()?.text ?? '', body: '{', contentLength: 500 }))
      await until(() => corridor().size === 1, { withinMs: 5_000, what: 'the request to be in the corridor' })
      const leftMs = caller.leave(how)
      await leavings.felt(() => (corridor().size === 0 ? performance.now() : null), leftMs)
    }
    expect(upstream.asked).toEqual([])
    expect((await gate.refusals()).at(-1)).toMatchObject({ code: 'BODY_INCOMPLETE', user: 'ada' })
  })

  it.each(WAYS)('behind another request on the same connection, by %s', async (how) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      upstream.forget()
      upstream.behave(silent())
      const caller = await rawCaller(gate.port)
      const one = requestBytes({ key: key.text, body: ask({}) })
      caller.write(one + one)
      const [, second] = await until(() => (upstream.asked.length === 2 ? upstream.asked : null), {
        withinMs: 5_000,
        what: 'both requests',
      })
      await leavings.felt(() => second?.leftMs ?? null, caller.leave(how))
    }
    await gate.quiet()
  })
})

describe('promise 11: a caller who leaves the queue of a backend', () => {
  let narrow: GatewayUnderTest
  let text: string
  beforeAll(async () => {
    narrow = await startTestGateway({ OLLAMA_URL: upstream.url, CHAT_CONCURRENCY: '1' })
    text = (await narrow.key({ concurrency: 0 })).text
  })
  afterAll(() => narrow.stop())

  interface Backend {
    readonly in_flight: number
    readonly waiting: number
  }
  const queue = async (): Promise<Backend> => {
    const { backends } = JSON.parse((await call(narrow.port, { path: '/status' })).body) as { backends: readonly [Backend] } // as docs say
    return backends[0]
  }
  const queueIs = (inFlight: number, waiting: number) =>
    until(
      async () => {
        const now = await queue()
        return now.in_flight === inFlight && now.waiting === waiting
      },
      { withinMs: 2_000, what: `${inFlight} at the backend and ${waiting} waiting` },
    )

  it.each(WAYS)('gives its place to the next, by %s', async (how) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      upstream.forget()
      upstream.behave(endlessStream())
      const callers = await Promise.all([0, 1, 2].map(() => rawCaller(narrow.port)))
      const [first, second, third] = callers
      if (!first || !second || !third) throw new Error('three callers were made')
      for (const [n, caller] of callers.entries()) {
        caller.write(requestBytes({ key: text, body: ask({ prompt: String(n) }) }))
        await queueIs(1, n)
      }
      second.leave(how)
      await queueIs(1, 1)
      upstream.behave(generation())
      const leftMs = first.leave(how)
      await leavings.felt(() => (upstream.asked.length === 2 ? performance.now() : null), leftMs)
      await third.heard('0\r\n\r\n')
      expect(upstream.asked.map(({ body }) => JSON.parse(body.toString()).prompt)).toEqual(['0', '2'])
      third.leave(how)
      await queueIs(0, 0)
    }
    const chats = (await narrow.outcomes()).filter(({ service }) => service === 'chat')
    const ended = chats.slice(-3 * ROUNDS).map((outcome) => outcome.ended)
    expect(ended.filter((end) => end === 'client_closed').length).toBe(2 * ROUNDS)
    expect(ended.filter((end) => end === 'complete').length).toBe(ROUNDS)
  })

  it('and a key that is disabled there is told so, and holds no place', async () => {
    const waiter = await narrow.key()
    upstream.forget()
    upstream.behave(endlessStream())
    const first = await rawCaller(narrow.port)
    first.write(requestBytes({ key: text, body: ask({}) }))
    await queueIs(1, 0)
    const answer = call(narrow.port, generate(waiter.text))
    await queueIs(1, 1)
    await narrow.gateway.house.identity.keys.disable(waiter.id, { now: true })
    expect(await answer).toMatchObject({ status: 401, body: '{"error":"The key was disabled while the request ran"}' })
    await queueIs(1, 0)
    first.leave('close')
    await queueIs(0, 0)
    expect((await narrow.outcomes()).find(({ key: id }) => id === waiter.id)).toMatchObject({
      ended: 'revoked',
      status: 401,
      code: 'REVOKED',
    })
  })

  it('leaves room for exactly one at the backend, however many came and went', async () => {
    upstream.forget()
    upstream.behave(endlessStream())
    const callers = await Promise.all(Array.from({ length: 20 }, () => rawCaller(narrow.port)))
    for (const caller of callers) caller.write(requestBytes({ key: text, body: ask({}) }))
    await queueIs(1, 19)
    for (const [n, caller] of callers.entries()) if (n % 2 === 0) caller.leave(WAYS[n % WAYS.length] ?? 'close')
    await queueIs(1, 9)
    for (const caller of callers) caller.leave('reset')
    await queueIs(0, 0)
  })
})

describe('promise 11: after all that', () => {
  it(`a key of ${PLACES} places has exactly so many`, async () => {
    upstream.behave(endlessStream())
    await gate.quiet()
    const callers = await Promise.all(Array.from({ length: PLACES }, () => rawCaller(gate.port)))
    for (const caller of callers) {
      caller.write(requestBytes({ key: key.text, body: ask({}) }))
      await caller.heard('"a"')
    }
    expect(await call(gate.port, generate(key.text))).toMatchObject({ status: 429, headers: { 'retry-after': '1' } })
    for (const caller of callers) caller.leave('close')
    await gate.quiet()
    upstream.behave(generation())
    expect(await call(gate.port, generate(key.text))).toMatchObject({ status: 200, complete: true })
  })
})
