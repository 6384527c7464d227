import { readdirSync, readlinkSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AnthropicBackend, anthropicBackend, messageStream } from '../support/anthropic-backend.ts'
import { call } from '../support/caller.ts'
import type { TestKey } from '../support/gateway.ts'
import { type Behaviour, chunk, head, type SeenRequest, silent } from '../support/hostile.ts'
import { Leavings, settledAt } from '../support/leavings.ts'
import { FORM_END, FORM_TYPE, partHead } from '../support/media.ts'
import { busy, chatAnswer, chatStream, type OpenaiBackend, responseStream } from '../support/openai-backend.ts'
import { LEAVING, type Leaving, rawCaller, requestBytes } from '../support/raw-caller.ts'
import { until } from '../support/until.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const ROUNDS = LONG ? 20 : 2
const PLACES = 3
const GOAL_MS = 1_000
const HEARTBEAT_MS = 50
const WAYS = Object.keys(LEAVING) as Leaving[] // the keys of that very table

let scene: V1Scene
let one: OpenaiBackend
let two: OpenaiBackend
let narrow: OpenaiBackend
let letters: AnthropicBackend
let key: TestKey
const leavings = new Leavings()
beforeAll(async () => {
  scene = await openV1Scene({ HEARTBEAT: `${HEARTBEAT_MS}ms`, CONNECTIONS_PER_ADDRESS: '1000' })
  one = await scene.endpoint('one', { rpm: 1_000_000 })
  two = await scene.endpoint('two', { priority: 1 })
  narrow = await scene.endpoint('narrow', { concurrency: 1 })
  letters = await anthropicBackend()
  await scene.gate.gateway.house.models.manage.endpoints.create({ name: 'letters', url: letters.url, dialect: 'anthropic' })
  const priced = { price_in: 1_000_000, price_out: 2_000_000, unit: 'token' as const }
  await scene.model('m', ['one', 'two'], priced)
  await scene.model('narrow', ['narrow'], priced)
  await scene.model('prose', ['letters'], priced)
  await scene.model('voice', ['one', 'two'], { capability: 'speech' })
  await scene.model('ears', ['one', 'two'], { capability: 'transcription' })
  key = await scene.gate.key({ concurrency: PLACES })
})
beforeEach(() => {
  for (const backend of [one, two, narrow, letters]) backend.forget()
})
afterEach(async () => {
  await untilNothingIsHeld()
  expect([one, two, narrow, letters].flatMap(({ faults }) => faults)).toEqual([])
})
afterAll(async () => {
  process.stdout.write(
    `promise 11: over /v1 ${leavings.count} callers left, the backend was let go after at most ${leavings.worstMs.toFixed(0)} ms; places, queues, reservations and endpoints back to zero after each\n`,
  )
  await scene.close()
  await letters.close()
})

const house = () => scene.gate.gateway.house
const corridor = () => house().corridor.inFlight

interface Standing {
  readonly endpoint: string
  readonly in_flight: number
  readonly waiting: number
}
async function standing(): Promise<readonly Standing[]> {
  const { body } = await call(scene.gate.port, { path: '/status', headers: { host: 'localhost' } })
  return (JSON.parse(body) as { endpoints: readonly Standing[] }).endpoints // as docs say
}

/** All that a request takes, wherever it takes it. */
async function held(): Promise<Readonly<Record<string, number>>> {
  const { inFlight, atModels, atEndpoints } = house().limits.stats()
  const { spent } = house().limits
  const reserved = [spent.of('key', key.id), ...['m', 'narrow', 'prose'].map((model) => spent.of('model', model))]
  const endpoints = await standing()
  return {
    corridor: corridor().size,
    keys: inFlight,
    models: atModels,
    endpoints: atEndpoints,
    reserved: reserved.reduce((sum, { reservedMicro }) => sum + reservedMicro, 0),
    working: endpoints.reduce((sum, { in_flight }) => sum + in_flight, 0),
    waiting: endpoints.reduce((sum, { waiting }) => sum + waiting, 0),
  }
}

async function untilNothingIsHeld(): Promise<void> {
  let now = {}
  const isNothing = async (): Promise<boolean> => {
    now = await held()
    return Object.values(now).every((amount) => amount === 0)
  }
  await until(isNothing, { withinMs: 2_000, what: 'everything to be given back' }).catch((fault: unknown) => {
    throw new Error(JSON.stringify(now), { cause: fault })
  })
}

const json = (fields: object): string => JSON.stringify(fields)
const chat = (more: object = {}): string => json({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...more })
const CHAT = '/v1/chat/completions'
const stream = true

/** The start of an answer of a known length, and then nothing. */
const halfAnObject = (): Behaviour => async (x) => {
  await x.body()
  await x.send(`${head(200, { 'content-type': 'application/json', 'content-length': 10_000 })}{"id":"half`)
  await x.gone
}

/** As much as fits into every buffer on the way, until the peer leaves. */
const flood = (): Behaviour => async (x) => {
  await x.body()
  await x.send(head(200, { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }))
  const event = chunk(`data: {"choices":[{"delta":{"content":"${'x'.repeat(60_000)}"}}]}\n\n`)
  for (;;) await x.send(event)
}

interface Stage {
  readonly name: string
  readonly at: () => OpenaiBackend | AnthropicBackend
  readonly backend: () => Behaviour
  readonly path: string
  readonly body: string
  /** The caller has come as far as it will, once the backend has seen it. */
  readonly heard?: string
  /** Set where the caller reads nothing. */
  readonly deaf?: true
}

const atOne = (): OpenaiBackend => one
const endless = (): Behaviour => chatStream({ tokens: ['a', 'b'], end: 'hang', done: false })
const BEAT = ': keep-alive'

const STAGES: readonly Stage[] = [
  { name: 'before the headers of one object', at: atOne, backend: silent, path: CHAT, body: chat() },
  { name: 'before the headers of a stream', at: atOne, backend: silent, path: CHAT, body: chat({ stream }) },
  { name: 'after signs of life, before anything else', at: atOne, backend: silent, path: CHAT, body: chat({ stream }), heard: BEAT },
  { name: 'in the middle of a stream', at: atOne, backend: endless, path: CHAT, body: chat({ stream }), heard: '"b"' },
  { name: 'in the middle of one object', at: atOne, backend: halfAnObject, path: CHAT, body: chat(), heard: '"half' },
  { name: 'while it does not read', at: atOne, backend: flood, path: CHAT, body: chat({ stream }), deaf: true },
  {
    name: 'in the middle of a response',
    at: atOne,
    backend: () => responseStream({ last: 'none', end: 'hang' }),
    path: '/v1/responses',
    body: json({ model: 'm', input: 'hi', stream }),
    heard: 'output_text.delta',
  },
  {
    name: 'in the middle of a message',
    at: () => letters,
    backend: () => messageStream({ stop: false, end: 'hang' }),
    path: '/v1/messages',
    body: json({ model: 'prose', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }], stream }),
    heard: 'content_block_delta',
  },
  {
    name: 'in the middle of a sound',
    at: atOne,
    backend: () => async (x) => {
      await x.body()
      await x.send(`${head(200, { 'content-type': 'audio/mpeg', 'transfer-encoding': 'chunked' })}`)
      await x.send(chunk('ID3 a sound'))
      await x.gone
    },
    path: '/v1/audio/speech',
    body: json({ model: 'voice', input: 'hi', voice: 'v' }),
    heard: 'ID3',
  },
]

async function leaveAt({ at, backend, path, body, heard, deaf }: Stage, how: Leaving): Promise<void> {
  const upstream = at()
  upstream.forget()
  upstream.behave(backend())
  const caller = await rawCaller(scene.gate.port, { reads: deaf === undefined })
  caller.write(requestBytes({ path, key: key.text, body }))
  const seen = await until(() => upstream.asked[0], { withinMs: 5_000, what: 'the backend to be asked' })
  if (heard !== undefined) await caller.heard(heard)
  if (deaf) await settledAt(() => seen.sentBytes)
  await leavings.felt(() => seen.leftMs, caller.leave(how))
}

const lastOutcome = async () => (await scene.gate.outcomes()).filter(({ service }) => service === 'v1').at(-1)

describe('promise 11: a caller who leaves /v1 is noticed', () => {
  for (const stage of STAGES) {
    it.each(WAYS.filter((how) => !(stage.deaf && how === 'fin')))(`${stage.name}, by %s`, async (how) => {
      for (let round = 0; round < ROUNDS; round += 1) await leaveAt(stage, how)
      expect(await lastOutcome()).toMatchObject({ ended: 'client_closed' })
      expect(two.asked).toEqual([])
      expect(leavings.worstMs).toBeLessThan(GOAL_MS)
    })
  }

  it.each(WAYS)('during an upload, which is put aside until its options are known, by %s', async (how) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const parts of [['model', 'file'], ['file']] as const) {
        const caller = await rawCaller(scene.gate.port)
        caller.write(uploadBytes(parts, { whole: false }))
        await inCorridor()
        if (round % 2 === 1) await until(spooled, { withinMs: 5_000, what: 'some of it to be put aside' })
        await leavings.felt(hasLeftCorridor, caller.leave(how))
      }
    }
    expect(one.asked).toEqual([])
    expect((await scene.gate.refusals()).at(-1)).toMatchObject({ code: 'BODY_INCOMPLETE', key: key.id })
    await until(() => spooled() === 0, { withinMs: 2_000, what: 'what was put aside to be let go' })
  })

  it.each(WAYS)('while its upload is sent on, by %s', async (how) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      one.forget()
      one.behave(takesSlowly)
      const caller = await rawCaller(scene.gate.port)
      caller.write(uploadBytes(['model', 'file'], { whole: true }))
      const seen = await until(() => one.asked[0], { withinMs: 5_000, what: 'the backend to be asked' })
      await until(() => seen.bodyBytes >= 20_000, { withinMs: 5_000, what: 'some of the upload' })
      await leavings.felt(() => seen.leftMs, caller.leave(how))
    }
    expect(await lastOutcome()).toMatchObject({ ended: 'client_closed', model: 'ears' })
    await until(() => spooled() === 0, { withinMs: 2_000, what: 'what was put aside to be let go' })
  })

  it.each(WAYS)('within a body that the gate must read itself, by %s', async (how) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const caller = await rawCaller(scene.gate.port)
      caller.write(requestBytes({ path: CHAT, key: key.text, body: '{"model":', contentLength: 500 }))
      await inCorridor()
      await leavings.felt(hasLeftCorridor, caller.leave(how))
    }
    expect(one.asked).toEqual([])
    expect((await scene.gate.refusals()).at(-1)).toMatchObject({ code: 'BODY_INCOMPLETE', key: key.id })
  })

  it('and where a backend is to be read to its end all the same, everything is given back when it ends', async () => {
    await house().models.manage.endpoints.edit('one', { abort: 'drain' })
    one.behave(chatStream({ tokens: Array.from({ length: 10 }, () => 'x'), everyMs: 20 }))
    const caller = await rawCaller(scene.gate.port)
    caller.write(requestBytes({ path: CHAT, key: key.text, body: chat({ stream }) }))
    await caller.heard('"x"')
    caller.leave('reset')
    await until(() => one.last.doneMs !== null, { withinMs: 5_000, what: 'the backend to come to its end' })
    expect(one.last.leftMs).toBe(null)
    expect(await lastOutcome()).toMatchObject({ ended: 'client_closed', units: { tokens_out: 10 } })
    await house().models.manage.endpoints.edit('one', { abort: 'cancel' })
  })
})

const inCorridor = () => until(() => corridor().size === 1, { withinMs: 5_000, what: 'the request to be in the corridor' })
const hasLeftCorridor = (): number | null => (corridor().size === 0 ? performance.now() : null)

/** Only who reads on sees that his peer has left. */
const takesSlowly: Behaviour = async (x) => {
  for (let bytes = 20_000; ; bytes += 20_000) {
    await x.readSome(bytes)
    await x.wait(5)
  }
}

/** Files that are put aside have no name; their descriptors say that they were in the spool. */
const spooled = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${scene.gate.dataDir}/spool/`)
    } catch {
      return false // closed in the meantime
    }
  }).length

const SOUND_BYTES = 1_000_000

/** A form with a recording, its parts in this order; or its beginning. */
function uploadBytes(parts: readonly ('model' | 'file')[], { whole }: { readonly whole: boolean }): string {
  const sound = 'x'.repeat(whole ? SOUND_BYTES : 30_000)
  const bytes = { model: `${partHead('model')}ears\r\n`, file: `${partHead('file', 'a.wav')}${sound}` }
  const body = parts.map((part) => bytes[part]).join('') + (whole ? `\r\n${FORM_END}` : '')
  const headers = { 'Content-Type': FORM_TYPE }
  const contentLength = whole ? body.length : SOUND_BYTES
  return requestBytes({ path: '/v1/audio/transcriptions', key: key.text, body, contentLength, headers })
}

describe('promise 11: a caller who leaves between two endpoints', () => {
  /** Waits for a word before it says that it is busy. */
  function busyWhenTold(): { readonly behaviour: Behaviour; tell(): void } {
    let tell = (): void => {}
    const told = new Promise<void>((resolve) => {
      tell = resolve
    })
    const behaviour: Behaviour = async (x) => {
      await x.body()
      await told
      await busy(503)(x)
    }
    return { behaviour, tell }
  }

  it.each(WAYS)('is not taken to the other one, by %s', async (how) => {
    for (const body of [chat(), chat({ stream })]) {
      for (let round = 0; round < ROUNDS; round += 1) {
        one.forget()
        const { behaviour, tell } = busyWhenTold()
        one.behave(behaviour)
        const caller = await rawCaller(scene.gate.port)
        caller.write(requestBytes({ path: CHAT, key: key.text, body }))
        const seen = await until(() => one.asked[0], { withinMs: 5_000, what: 'the first to be asked' })
        if (round % 2 === 1 && body.includes('stream')) await caller.heard(BEAT)
        const leftMs = caller.leave(how)
        tell()
        await leavings.felt(() => hasLeftCorridor() ?? (seen.leftMs === null ? null : seen.leftMs), leftMs)
        await untilNothingIsHeld()
      }
    }
    // Whoever left in the very moment of the answer may have been taken on; then that one was let go as well.
    for (const seen of two.asked) expect(seen.leftMs).not.toBe(null)
  })

  it.each(WAYS)('is let go by the one that it was taken to, by %s', async (how) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      one.forget()
      two.forget()
      one.behave(busy(429))
      two.behave(silent())
      const caller = await rawCaller(scene.gate.port)
      caller.write(requestBytes({ path: CHAT, key: key.text, body: chat({ stream }) }))
      const seen = await until(() => two.asked[0], { withinMs: 5_000, what: 'the other to be asked' })
      if (round % 2 === 1) await caller.heard(BEAT)
      await leavings.felt(() => seen.leftMs, caller.leave(how))
    }
    expect(await lastOutcome()).toMatchObject({ ended: 'client_closed', endpoint: 'two', passed_over: 'one: UPSTREAM_BUSY' })
  })
})

describe('promise 11: a caller who leaves the queue of an endpoint', () => {
  const ask = (n: number | string) => json({ model: 'narrow', stream, messages: [{ role: 'user', content: String(n) }] })
  const queueIs = (inFlight: number, waiting: number) =>
    until(
      async () => {
        const now = (await standing()).find(({ endpoint }) => endpoint === 'narrow')
        return now?.in_flight === inFlight && now.waiting === waiting
      },
      { withinMs: 2_000, what: `${inFlight} at the endpoint and ${waiting} waiting` },
    )
  const contents = (asked: readonly SeenRequest[]) => asked.map(({ body }) => JSON.parse(body.toString()).messages[0].content as string)

  it.each(WAYS)('gives its place to the next, whether it was told that it lives or not, by %s', async (how) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      narrow.forget()
      narrow.behave(endless())
      const callers = await Promise.all([0, 1, 2].map(() => rawCaller(scene.gate.port)))
      const [first, second, third] = callers
      if (!first || !second || !third) throw new Error('three callers were made')
      for (const [n, caller] of callers.entries()) {
        caller.write(requestBytes({ path: CHAT, key: key.text, body: ask(n) }))
        await queueIs(1, n)
      }
      if (round % 2 === 1) await second.heard(BEAT)
      second.leave(how)
      await queueIs(1, 1)
      narrow.behave(chatAnswer())
      narrow.choose((_seen, nth) => (nth === 1 ? null : chatStream()))
      const leftMs = first.leave(how)
      await leavings.felt(() => (narrow.asked.length === 2 ? performance.now() : null), leftMs)
      await third.heard('[DONE]')
      expect(contents(narrow.asked)).toEqual(['0', '2'])
      third.leave(how)
      await untilNothingIsHeld()
    }
  })

  it('leaves room for exactly one there, however many came and went', async () => {
    const { text } = await scene.gate.key({ concurrency: 0 })
    narrow.behave(endless())
    const callers = await Promise.all(Array.from({ length: 20 }, () => rawCaller(scene.gate.port)))
    for (const [n, caller] of callers.entries()) caller.write(requestBytes({ path: CHAT, key: text, body: ask(n) }))
    await queueIs(1, 19)
    for (const [n, caller] of callers.entries()) if (n % 2 === 0) caller.leave(WAYS[n % WAYS.length] ?? 'close')
    await queueIs(1, 9)
    for (const caller of callers) caller.leave('reset')
    await queueIs(0, 0)
  })
})

describe('promise 11: after all that', () => {
  it(`a key of ${PLACES} places has exactly so many over /v1`, async () => {
    one.behave(endless())
    const callers = await Promise.all(Array.from({ length: PLACES }, () => rawCaller(scene.gate.port)))
    for (const caller of callers) {
      caller.write(requestBytes({ path: CHAT, key: key.text, body: chat({ stream }) }))
      await caller.heard('"b"')
    }
    expect(await held()).toMatchObject({ corridor: PLACES, keys: PLACES, models: PLACES, endpoints: PLACES, working: PLACES })
    expect(await scene.chat({}, key.text)).toMatchObject({ status: 429, headers: { 'retry-after': '1' } })
    for (const caller of callers) caller.leave('close')
    await untilNothingIsHeld()
    one.behave(chatAnswer())
    expect(await scene.chat({}, key.text)).toMatchObject({ status: 200, complete: true })
  })
})
