import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Behaviour, chunk, delayed, head, LAST_CHUNK, whole } from '../support/hostile.ts'
import { ask as askForBytes } from '../support/media.ts'
import { sayAndEnd } from '../support/text-backend.ts'
import { openV1World, type V1Case, type V1World } from '../support/v1-world.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
/** The short form cuts each answer in so many places and at each of its last bytes; the long one at every byte. */
const CUTS = 4
const LAST_BYTES = 2
const HEARTBEAT_MS = 50

let world: V1World
beforeAll(async () => {
  // Its ledger is read at the end as one file.
  world = await openV1World({ HEARTBEAT: `${HEARTBEAT_MS}ms`, AUDIT_ROTATE_MIB: '1024' })
})
beforeEach(() => world.forget())
afterAll(() => world.close())

/** What a good backend says to one way of asking, and what its client makes of it. */
interface Good extends V1Case {
  readonly type: string
  readonly bytes: Buffer
  readonly told: string
}

/** Asks the backend once more itself, as the gate did. */
async function goodOf(asked: V1Case): Promise<Good> {
  const { ask, model, backend } = asked
  backend.forget()
  const told = await ask.ask(world.clients, model)
  const { target, body, header } = backend.last
  const headers = { 'content-type': header('content-type'), 'anthropic-version': '2023-06-01' }
  const { bytes, headers: answered } = await askForBytes(backend.port, { path: target, key: '', headers, body })
  return { ...asked, bytes, told, type: String(answered['content-type']) }
}

const PARTS = 3
function inChunks(bytes: Buffer): Buffer {
  const size = Math.ceil(bytes.length / PARTS)
  return Buffer.concat([0, 1, 2].map((nth) => chunk(bytes.subarray(nth * size, (nth + 1) * size))))
}

/** Every framing that HTTP has. A sound that ends with its connection is not among them: nobody can tell a whole one from a half. */
function framings({ ask, type, bytes }: Good): readonly (readonly [name: string, bytes: Buffer])[] {
  const head200 = (headers: Readonly<Record<string, string>>): Buffer => Buffer.from(head(200, { 'content-type': type, ...headers }))
  const chunked = Buffer.concat([head200({ 'transfer-encoding': 'chunked' }), inChunks(bytes), Buffer.from(LAST_CHUNK)])
  return [
    ['with a length', whole(200, bytes, { 'content-type': type })],
    ['in chunks', chunked],
    ...(ask.kind === 'bytes' ? [] : [['until its connection ends', Buffer.concat([head200({ connection: 'close' }), bytes])] as const]),
  ]
}

function placesIn({ length }: Buffer): readonly number[] {
  if (LONG) return Array.from({ length }, (_none, at) => at)
  const spread = Array.from({ length: CUTS }, (_none, nth) => Math.floor((nth * length) / CUTS))
  return [...new Set([...spread, ...Array.from({ length: LAST_BYTES }, (_none, nth) => length - 1 - nth)])]
}

interface Death {
  readonly what: string
  readonly request: string
  /** Everything that the client gave to its program; null where it threw. */
  readonly told: string | null
  readonly good: string
}

async function dieAt(good: Good, behaviour: Behaviour, what: string): Promise<Death> {
  const { ask, model, backend } = good
  backend.forget()
  backend.behave(behaviour)
  const told = await ask.ask(world.clients, model).catch(() => null)
  return { what, request: backend.last.header('x-request-id') ?? '', told, good: good.told }
}

async function deathsOf(good: Good): Promise<Death[]> {
  const deaths: Death[] = []
  for (const [framing, bytes] of framings(good)) {
    for (const at of placesIn(bytes)) {
      for (const end of ['fin', 'rst'] as const) {
        const what = `${good.ask.name} of ${good.model} ${framing}, ${end} after ${at} of ${bytes.length} bytes`
        deaths.push(await dieAt(good, sayAndEnd(bytes.subarray(0, at), end), what))
      }
    }
  }
  return deaths
}

/** Those whose clients were shown an end that looked good, though something was missing. */
const clean = (deaths: readonly Death[]) => deaths.filter(({ told, good }) => told !== null && told !== good).map(({ what }) => what)

/** Those that the ledger does not call by their name. What lacked nothing but the end of its connection may be called either. */
async function misnamed(deaths: readonly Death[]): Promise<readonly string[]> {
  const endings = new Map((await world.scene.gate.outcomes()).map(({ request, ended }) => [request as string, ended]))
  return deaths.flatMap(({ what, request, told }) => {
    const ended = endings.get(request)
    return ended === 'upstream_died' || (told !== null && ended === 'complete') ? [] : [`${what}: ${ended}`]
  })
}

/** The short form asks each kind of backend in each way, and half of them by a model that has another name there. */
const chosen = (): readonly V1Case[] => {
  const own = world.cases.filter(({ backend }) => backend !== world.foreign)
  return LONG ? world.cases : [...own.filter((_case, nth) => nth % 2 === (nth >> 1) % 2), ...world.cases.slice(own.length)]
}

describe('promise 12: a backend that dies is never shown as a clean end over /v1', () => {
  it('at any byte of its answer, in any protocol and framing, to the clients that people use', { timeout: 7_200_000 }, async () => {
    const deaths: Death[] = []
    for (const asked of chosen()) deaths.push(...(await deathsOf(await goodOf(asked))))
    const [seenAsClean, unrecorded] = [clean(deaths), await misnamed(deaths)]
    const lackedNothing = deaths.filter(({ told }) => told !== null).length
    process.stdout.write(
      `promise 12: ${deaths.length} deaths in ${chosen().length} ways to be asked over /v1${LONG ? ', at every byte' : ''}, by FIN and RST: clean ends ${seenAsClean.length}, not recorded as upstream_died ${unrecorded.length}; ${lackedNothing} came after the last word and lacked nothing\n`,
    )
    expect(seenAsClean).toEqual([])
    expect(unrecorded).toEqual([])
    expect(lackedNothing).toBeLessThan(deaths.length / 5)
    expect(deaths.length).toBeGreaterThan(400)
  })

  it('nor once its caller was told that it lives', { timeout: 600_000 }, async () => {
    const streams = chosen().filter(({ ask }) => ask.kind === 'events' && ask.capability === 'text')
    const deaths: Death[] = []
    for (const good of await eachGood(streams)) {
      const [, , [, bytes = Buffer.alloc(0)] = []] = framings(good)
      for (const at of [0, 10, bytes.length / 2, bytes.length - 9]) {
        const behaviour = delayed(HEARTBEAT_MS + 110, sayAndEnd(bytes.subarray(0, at), 'rst'))
        deaths.push(
          await dieAt(good, behaviour, `${good.ask.name} after signs of life, rst after ${Math.floor(at)} of ${bytes.length} bytes`),
        )
      }
    }
    process.stdout.write(`promise 12: ${deaths.length} deaths after signs of life: clean ends ${clean(deaths).length}\n`)
    expect(clean(deaths)).toEqual([])
    expect(await misnamed(deaths)).toEqual([])
    const statuses = new Set((await world.scene.gate.outcomes()).slice(-deaths.length).map(({ status }) => status))
    expect([...statuses]).toEqual([200])
  })

  it('and what is whole is a clean end, in any framing', { timeout: 120_000 }, async () => {
    const faults: string[] = []
    const requests: string[] = []
    for (const good of await eachGood(chosen())) {
      for (const [framing, bytes] of framings(good)) {
        const { told, request } = await dieAt(good, sayAndEnd(bytes, 'fin'), framing)
        requests.push(request)
        if (told !== good.told) faults.push(`${good.ask.name} of ${good.model} ${framing}`)
      }
    }
    expect(faults).toEqual([])
    const endings = (await world.scene.gate.outcomes()).filter(({ request }) => requests.includes(request)).map(({ ended }) => ended)
    expect(new Set(endings)).toEqual(new Set(['complete']))
    expect(endings.length).toBe(requests.length)
  })
})

async function eachGood(cases: readonly V1Case[]): Promise<readonly Good[]> {
  const all: Good[] = []
  for (const one of cases) all.push(await goodOf(one))
  return all
}
