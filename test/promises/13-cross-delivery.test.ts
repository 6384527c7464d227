import { Agent } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Answer, call } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { type Behaviour, chunk, type Exchange, head, LAST_CHUNK, type SeenRequest, whole } from '../support/hostile.ts'
import { Random } from '../support/random.ts'
import { rawCaller, requestBytes } from '../support/raw-caller.ts'
import { NDJSON, streamHead, type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const REQUESTS = LONG ? 100_000 : 3_000
const CALLERS = 24
const SEED = Number(process.env.PORTCULLIS_SEED ?? Date.now() % 1_000_000)

/** Every answer carries the id of the request that it is for; the gate tells each caller that id in a header. */
const idOf = (seen: SeenRequest): string => seen.header('x-request-id') ?? ''
const tagged = (id: string): string => `{"tag":"<${id}>","done":true}`
const POISON = '<poison>'
const poison = whole(200, `{"tag":"${POISON}","done":true}`, { 'content-type': 'application/json' })
const good = (id: string): Buffer => whole(200, tagged(id), { 'content-type': 'application/json' })
const stream = (id: string): Buffer =>
  Buffer.concat([Buffer.from(streamHead), chunk(`{"tag":"<${id}>","done":false}\n`), chunk(`${tagged(id)}\n`), Buffer.from(LAST_CHUNK)])

type Trick = (x: Exchange, id: string, random: Random) => Promise<void>
const afterBody =
  (bytes: (id: string) => Buffer | string): Trick =>
  async (x, id) => {
    await x.body()
    await x.send(bytes(id))
  }

/** What leaves the next request on a connection alone, if only just. */
const FAULTS: Readonly<Record<string, Trick>> = {
  good: afterBody(good),
  stream: afterBody(stream),
  early: async (x, id) => {
    await x.send(good(id))
    await x.body()
  },
  'fewer bytes than announced': async (x, id, random) => {
    await x.body()
    await x.send(`${head(200, { 'content-type': 'application/json', 'content-length': 500 })}${tagged(id)}`)
    x[random.of(['fin', 'rst'] as const)]()
  },
  'a cut stream': async (x, id, random) => {
    await x.body()
    const bytes = stream(id)
    await x.send(bytes.subarray(0, random.int(1, bytes.length - 1)))
    x[random.of(['fin', 'rst'] as const)]()
  },
  late: async (x, id, random) => {
    await x.body()
    await x.wait(random.int(1, 30))
    await x.send(good(id))
  },
  'late to a caller who has left': async (x, id) => {
    await x.body()
    await Promise.race([x.gone, x.wait(10).catch(() => {})])
    if (!x.socket.destroyed) x.socket.write(good(id))
  },
  'interim answers first': afterBody((id) =>
    Buffer.concat([Buffer.from('HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n'), good(id)]),
  ),
  'until the end of the connection': async (x, id) => {
    await x.body()
    await x.send(`${head(200, { 'content-type': NDJSON, connection: 'close' })}${tagged(id)}\n`)
    x.fin()
  },
  'keep-alive that is none': async (x, id) => {
    await x.body()
    await x.send(whole(200, tagged(id), { 'content-type': 'application/json', connection: 'keep-alive', 'keep-alive': 'timeout=600' }))
    x.fin()
  },
}

/** Bytes that nobody asked for: they would reach the next request, if the connection had one. */
const UNASKED: Readonly<Record<string, Trick>> = {
  twice: afterBody((id) => Buffer.concat([good(id), good(id)])),
  'twice, the second is poison': afterBody((id) => Buffer.concat([good(id), poison])),
  'twice, in two packets': async (x, id) => {
    await x.body()
    await x.send(good(id))
    await x.send(poison)
  },
  'fewer bytes than announced, and the next answer in their place': async (x, id) => {
    await x.body()
    await x.send(`${head(200, { 'content-type': 'application/json', 'content-length': tagged(id).length + 20 })}${tagged(id)}`)
    await x.wait(3)
    await x.send(good(id))
    x.fin()
  },
  'more bytes than announced': afterBody((id) => Buffer.concat([good(id), Buffer.from(`xx${POISON}`)])),
  'more after the last chunk': afterBody((id) => Buffer.concat([stream(id), poison])),
  'half an answer after an answer': afterBody((id) => Buffer.concat([good(id), poison.subarray(0, 40)])),
  '304 with a body': afterBody(() => Buffer.concat([Buffer.from(head(304, { 'content-length': 10 })), poison])),
  '204 with a body': afterBody((id) => Buffer.concat([Buffer.from(`${head(204)}`), good(id)])),
  'a length and chunks at once': afterBody(
    (id) => `${head(200, { 'content-length': 3, 'transfer-encoding': 'chunked' })}${chunk(tagged(id))}${LAST_CHUNK}${poison}`,
  ),
}

interface House {
  readonly upstream: TextBackend
  readonly gate: GatewayUnderTest
  readonly key: string
}

let house: House
beforeEach(async () => {
  const upstream = await textBackend()
  const gate = await startTestGateway({ OLLAMA_URL: upstream.url, AUDIT_SYNC: 'write', CONNECTIONS_PER_ADDRESS: '1000' })
  house = { upstream, gate, key: (await gate.key({ rights: ['chat', 'manage:chat'], concurrency: 0 })).text }
})
afterEach(async () => {
  await house.gate.stop()
  await house.upstream.close()
})

const TAG = /<(req_\w+|poison)>/g

/** Tags in an answer that are not its own; an answer that never had an id can hold none at all. */
function strangersIn(body: string, own: string): string[] {
  return [...body.matchAll(TAG)].flatMap(([, tag = '']) => (tag === own ? [] : [tag]))
}

interface Tally {
  asked: number
  answered: number
  whole: number
  left: number
  readonly crossed: string[]
}

const ASKS = [
  { path: '/chat/api/generate', body: { model: 'm', prompt: 'p' } },
  { path: '/chat/api/generate', body: { model: 'm', prompt: 'p', stream: false } },
  { path: '/chat/api/chat', body: { model: 'm', messages: [] } },
  { path: '/chat/api/create', body: { model: 'm', from: 'x'.repeat(5_000) } },
  { path: '/chat/api/tags' },
  { path: '/chat/api/version', method: 'HEAD' },
] as const

async function askOnce(random: Random, agent: Agent, tally: Tally): Promise<void> {
  const { gate, key } = house
  tally.asked += 1
  if (random.chance(0.1)) return leaveEarly(random, tally)
  const answer: Answer = await call(gate.port, { ...random.of(ASKS), key, agent })
  const own = String(answer.headers['x-request-id'] ?? '')
  if (answer.status > 0) tally.answered += 1
  if (answer.complete && answer.status === 200) tally.whole += 1
  const strangers = strangersIn(answer.body, own)
  if (strangers.length > 0) tally.crossed.push(`${own} got ${strangers.join()}: ${answer.body.slice(0, 200)}`)
}

/** A caller who leaves his connection to the backend behind, with an answer on it that nobody waits for. */
async function leaveEarly(random: Random, tally: Tally): Promise<void> {
  const caller = await rawCaller(house.gate.port)
  caller.write(requestBytes({ key: house.key, body: '{"model":"m"}' }))
  await new Promise((resolve) => setTimeout(resolve, random.int(0, 5)))
  tally.left += 1
  const own = /x-request-id: (\w+)/i.exec(caller.received)?.[1] ?? ''
  const strangers = strangersIn(caller.received, own)
  if (strangers.length > 0) tally.crossed.push(`${own} got ${strangers.join()}`)
  caller.leave(random.of(['close', 'reset'] as const))
}

/** Many callers at once, to a backend that plays these tricks at random among good answers. */
async function play(tricks: Readonly<Record<string, Trick>>): Promise<Tally> {
  const random = new Random(SEED)
  const names = Object.keys(tricks)
  const played = new Set<string>()
  house.upstream.choose((seen): Behaviour => {
    // Mostly good answers, or no connection would live long enough to be used again.
    const name = random.chance(0.5) ? 'good' : random.of(names)
    played.add(name)
    return (x) => (tricks[name] ?? FAULTS.good)?.(x, idOf(seen), random)
  })
  const tally: Tally = { asked: 0, answered: 0, whole: 0, left: 0, crossed: [] }
  const callers = Array.from({ length: CALLERS }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (tally.asked < REQUESTS) await askOnce(random, agent, tally)
    agent.destroy()
  })
  await Promise.all(callers)
  expect(names.filter((name) => !played.has(name))).toEqual([])
  const records = await house.gate.lines()
  const count = (event: string) => records.filter((record) => record.event === event).length
  expect(count('outcome')).toBe(count('intent'))
  return tally
}

function report(what: string, { asked, answered, whole: complete, left, crossed }: Tally): void {
  const { upstream } = house
  process.stdout.write(
    `promise 13: ${what} (seed ${SEED}): ${asked} tagged requests by ${CALLERS} callers, ${upstream.asked.length} reached the backend over ${upstream.connections} connections, ` +
      `${answered} answered, ${complete} whole, ${left} left early; cross-deliveries ${crossed.length}\n`,
  )
}

describe("promise 13: user B never gets user A's bytes", () => {
  it('from a backend that answers early, late, cut and with lies, over connections that are used again', { timeout: 900_000 }, async () => {
    const tally = await play(FAULTS)
    report(`${Object.keys(FAULTS).length} faults`, tally)
    expect(tally.crossed).toEqual([])
    expect(tally.whole).toBeGreaterThan(REQUESTS / 3)
    expect(house.upstream.connections).toBeLessThan(house.upstream.asked.length * 0.6)
    expect(house.gate.log()).not.toContain('used twice')
  })

  it('from one that answers twice, or more than it said', { timeout: 900_000 }, async () => {
    const tally = await play({ ...FAULTS, ...UNASKED })
    report(`${Object.keys(UNASKED).length} ways to send what nobody asked for`, tally)
    expect(tally.crossed).toEqual([])
    expect(tally.whole).toBeGreaterThan(REQUESTS / 3)
    // Caught once, it gets a new connection for each request.
    expect(house.gate.log().split('no connection to it is used twice from now on')).toHaveLength(2)
    expect(house.upstream.connections).toBeGreaterThan(house.upstream.asked.length * 0.9)
  })

  it('from one that speaks on a connection where nobody waits for anything', async () => {
    const { upstream, gate, key } = house
    let spoken = false
    upstream.choose((seen) => async (x) => {
      await x.body()
      await x.send(good(idOf(seen)))
      setTimeout(() => {
        spoken = x.socket.write(poison)
      }, 20)
    })
    await call(gate.port, { ...ASKS[1], key })
    await until(() => spoken && gate.log().includes('used twice'), { withinMs: 2_000, what: 'the gate to notice' })
    const { body, headers } = await call(gate.port, { ...ASKS[1], key })
    expect(strangersIn(body, String(headers['x-request-id']))).toEqual([])
    const [first, second] = upstream.asked
    expect(second?.connection).not.toBe(first?.connection)
  })
})
