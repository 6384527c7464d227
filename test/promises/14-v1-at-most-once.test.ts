import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Breaks } from '../support/breaks.ts'
import { type Answer, call } from '../support/caller.ts'
import { type ChaosProxy, chaosProxy } from '../support/chaos-proxy.ts'
import { freePort } from '../support/free-port.ts'
import { type Behaviour, cutAfter, delayed, early, type SeenRequest } from '../support/hostile.ts'
import { FORM_TYPE, formBytes, toneWav } from '../support/media.ts'
import { busy, chat, type OpenaiBackend, proxyFault, transcribe } from '../support/openai-backend.ts'
import { Random } from '../support/random.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const SEED = Number(process.env.PORTCULLIS_SEED ?? Date.now() % 1_000_000)
/** The short form breaks at every 61st byte of an exchange; the long one at every byte. */
const STRIDE = LONG ? 1 : 61
const REQUESTS = LONG ? 20_000 : 420
const CALLERS = 12

let scene: V1Scene
/** Asked first, by way of the proxy; then the second; and the third has the model that stands in. */
let first: TextBackend
let others: readonly OpenaiBackend[]
let proxy: ChaosProxy
const all = (): readonly (OpenaiBackend | TextBackend)[] => [first, ...others]
beforeAll(async () => {
  first = await textBackend(chat())
  proxy = await chaosProxy(first.port)
  // Deadlines are a setting of the gate's own service alone, so that is the one which is asked first.
  const deadlines = { CHAT_FIRST_BYTE: '300ms', CHAT_IDLE: '300ms' }
  scene = await openV1Scene({ CHAT_ENABLED: 'true', OLLAMA_URL: proxy.url, AUDIT_SYNC: 'write', HEARTBEAT: '100ms', ...deadlines })
  others = [await scene.endpoint('second', { priority: 1 }), await scene.endpoint('third')]
  await scene.gate.gateway.house.models.manage.endpoints.create({
    name: 'gone',
    url: `http://127.0.0.1:${await freePort()}/v1`,
    dialect: 'openai',
  })
  await scene.model('stand-in', ['third'])
  await scene.model('m', ['builtin:chat', 'gone', 'second'], { fallback: 'stand-in' })
  await scene.model('ears', ['gone', 'second', 'third'], { capability: 'transcription' })
})
afterAll(async () => {
  await scene.close()
  await proxy.close()
  await first.close()
})

const forget = (): void => {
  for (const backend of all()) backend.forget()
}
const ask = (stream: boolean): Promise<Answer> => scene.chat({ stream })

const newBreaks = (stream: boolean): Breaks =>
  new Breaks({
    proxy,
    ask: () => ask(stream),
    asked: () => all().flatMap(({ asked }) => asked),
    forget,
    quiet: () => scene.gate.quiet(),
    dropKept() {
      for (const socket of first.sockets) socket.resetAndDestroy()
    },
    answerBytesMin: 300,
  })

describe('promise 14: over /v1 a generation is sent at most once, to whichever of the endpoints of its model', () => {
  it.each([false, true])(
    'whichever byte of an exchange the connection breaks at (as a stream: %s)',
    { timeout: 3_600_000 },
    async (stream) => {
      forget()
      const breaks = newBreaks(stream)
      const { up, down } = await breaks.measure()
      for (const [direction, bytes] of [
        ['up', up],
        ['down', down],
      ] as const) {
        for (const how of ['rst', 'fin'] as const) {
          for (let atByte = 0; atByte <= bytes * 2; atByte += STRIDE) await breaks.askUntilBroken({ direction, atByte, how })
        }
      }
      for (const direction of ['up', 'down'] as const) await breaks.askUntilBroken({ direction, atByte: 150, how: 'stall' })
      const { count, tally } = breaks
      process.stdout.write(
        `promise 14: ${count} breaks over /v1${stream ? ' as streams' : ''} at every ${STRIDE === 1 ? '' : `${STRIDE}st `}byte of two exchanges (${up} bytes up, ${down} down each), by FIN, RST and two stalls; ${tally.asked} requests, ${tally.reached} reached one of 3 endpoints, duplicates ${tally.duplicates.length}\n`,
      )
      expect(tally.duplicates).toEqual([])
      expect(tally.invited).toEqual([])
      expect(count).toBeGreaterThan(LONG ? 1_000 : 30)
      expect(tally.reached).toBeGreaterThan(tally.asked / 3)
      expect(others.flatMap(({ asked }) => asked)).toEqual([])
    },
  )
})

type How = (random: Random) => Behaviour
const good: How = () => chat()
/** What one of the endpoints does with a request: those that say that they are busy have done nothing, and all others may have. */
const BUSY: readonly How[] = [() => busy(429), () => busy(503), () => busy(429, '1'), () => delayed(150, busy(503)), () => proxyFault(503)]
const ACTS: readonly How[] = [
  good,
  () => delayed(150, chat()),
  (random) => cutAfter(random.int(0, 500), random.of(['fin', 'rst'] as const), chat()),
  (random) => cutAfter(random.int(0, 60), random.of(['fin', 'rst'] as const), busy(429)),
  () => proxyFault(502),
]

interface Hit {
  readonly seen: SeenRequest
  readonly isBusy: boolean
}

/** Every backend does as chance has it, and what came is noted for each request in its order. */
function playAtRandom(backends: readonly (OpenaiBackend | TextBackend)[], busyOnes: readonly How[], acting: readonly How[]) {
  const random = new Random(SEED)
  const hits = new Map<string, Hit[]>()
  for (const backend of backends) {
    backend.choose((seen) => {
      const isBusy = random.chance(0.5)
      const id = seen.header('x-request-id') ?? ''
      hits.set(id, [...(hits.get(id) ?? []), { seen, isBusy }])
      return random.of(isBusy ? busyOnes : acting)(random)
    })
  }
  return { random, hits }
}

/** Those that were sent on although somebody may have begun to work on them. */
const sentAgain = (hits: ReadonlyMap<string, readonly Hit[]>): readonly string[] =>
  [...hits].flatMap(([id, all]) => (all.slice(0, -1).some(({ isBusy }) => !isBusy) ? [`${id}: ${all.map(({ isBusy }) => isBusy)}`] : []))

async function byManyCallers(requests: number, doing: () => Promise<Answer>): Promise<ReadonlyMap<number, number>> {
  const statuses = new Map<number, number>()
  let asked = 0
  const caller = async (): Promise<void> => {
    while (asked < requests) {
      asked += 1
      const { status } = await doing()
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return statuses
}

const countOf = (hits: ReadonlyMap<string, readonly Hit[]>): string => {
  const several = [...hits.values()].filter(({ length }) => length > 1).length
  return `${hits.size} reached an endpoint, ${several} of them more than one after a busy answer, duplicates ${sentAgain(hits).length}`
}

describe('promise 14: and whatever its endpoints say', () => {
  it('only a refused connection or a busy answer sends it on, to an endpoint or to the model that stands in', {
    timeout: 900_000,
  }, async () => {
    forget()
    proxy.use(() => null)
    const { random, hits } = playAtRandom(all(), BUSY, ACTS)
    const statuses = await byManyCallers(REQUESTS, () => ask(random.chance(0.5)))
    process.stdout.write(
      `promise 14: ${REQUESTS} requests over /v1 by ${CALLERS} callers (seed ${SEED}) to 3 endpoints that answer, are busy, break off or are gone: ${countOf(hits)}\n`,
    )
    expect(sentAgain(hits)).toEqual([])
    expect([...hits.values()].filter(({ length }) => length > 1).length).toBeGreaterThan(REQUESTS / 10)
    expect(statuses.get(200) ?? 0).toBeGreaterThan(REQUESTS / 4)
  })

  it('an upload too, and always whole', { timeout: 900_000 }, async () => {
    forget()
    const wav = toneWav(2)
    const form = formBytes([
      ['model', 'ears'],
      ['file', wav],
    ])
    const headers = { 'content-type': FORM_TYPE, 'content-length': form.length }
    const words: readonly How[] = [() => busy(429), () => early(503, '{"error":"busy"}'), () => early(429, '{"error":"busy"}')]
    const { hits } = playAtRandom(others, words, [() => transcribe('transcribe'), () => cutAfter(40, 'rst', transcribe('transcribe'))])
    const requests = Math.ceil(REQUESTS / 6)
    const path = '/v1/audio/transcriptions'
    const statuses = await byManyCallers(requests, () => call(scene.gate.port, { path, key: scene.key, headers, body: form }))
    process.stdout.write(`promise 14: ${requests} uploads over /v1: ${countOf(hits)}\n`)
    expect(sentAgain(hits)).toEqual([])
    const halves = [...hits.values()].flat().filter(({ seen }) => seen.sha256 !== null && !seen.body.includes(wav))
    expect(halves.map(({ seen }) => seen.bodyBytes)).toEqual([])
    expect(statuses.get(200) ?? 0).toBeGreaterThan(requests / 8)
    expect(statuses.get(500)).toBe(undefined)
  })
})
