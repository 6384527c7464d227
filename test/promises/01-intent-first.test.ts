import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type Answer, call, generate } from '../support/caller.ts'
import { type GatewayPlace, type GatewayUnderTest, gatewayPlace, startTestGateway } from '../support/gateway.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { generation, type TextBackend, textBackend } from '../support/text-backend.ts'
import { lacking, named, toolOrThrow } from '../support/tools.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const REQUESTS = LONG ? 50_000 : 3_000
const CALLERS = 48
const TRACED = LONG ? 200 : 40

/** Which requests have an intent in a ledger's file at this moment, read on from where the last look ended. */
class IntentsOnDisk {
  readonly #fd: number
  readonly #seen = new Set<string>()
  #rest = ''
  #offset = 0

  constructor(file: string) {
    this.#fd = openSync(file, 'r')
  }

  has(request: string): boolean {
    if (!this.#seen.has(request)) this.#readOn()
    return this.#seen.has(request)
  }

  #readOn(): void {
    const chunk = Buffer.alloc(1 << 20)
    for (;;) {
      const bytes = readSync(this.#fd, chunk, 0, chunk.length, this.#offset)
      if (bytes === 0) return
      this.#offset += bytes
      const lines = (this.#rest + chunk.toString('utf8', 0, bytes)).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) if (line.includes('"event":"intent"')) this.#seen.add(/"request":"([^"]+)"/.exec(line)?.[1] ?? '')
    }
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** Callers in turn, so many at once, until there is nothing left to ask. */
async function inTurns(count: number, atOnce: number, ask: (n: number) => Promise<Answer>): Promise<Map<number, number>> {
  const statuses = new Map<number, number>()
  let next = 0
  const one = async (): Promise<void> => {
    while (next < count) {
      next += 1
      const { status } = await ask(next)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
  return statuses
}

describe('promise 1: no backend before an intent record is on disk', () => {
  let upstream: TextBackend
  beforeAll(async () => {
    upstream = await textBackend()
  })
  afterAll(() => upstream.close())

  describe.each(['sync', 'write'])('in %s mode', (mode) => {
    let gate: GatewayUnderTest
    let disk: IntentsOnDisk
    beforeEach(async () => {
      gate = await startTestGateway({ OLLAMA_URL: upstream.url, AUDIT_SYNC: mode })
      disk = new IntentsOnDisk(gate.ledgerFile)
    })
    afterEach(async () => {
      disk.close()
      await gate.stop()
    })

    it('under load, counted by the backend when it is asked', { timeout: 600_000 }, async () => {
      const { text } = await gate.key({ concurrency: 0 })
      let hits = 0
      const violations: string[] = []
      upstream.choose((seen) => {
        hits += 1
        const request = seen.header('x-request-id') ?? ''
        if (!disk.has(request)) violations.push(request)
        return generation()
      })
      const before = (await gate.lines()).length
      const statuses = await inTurns(REQUESTS, CALLERS, (n) =>
        call(gate.port, n % 10 === 0 ? generate('wrong') : generate(text, { stream: n % 2 === 0 })),
      )
      const lines = (await gate.lines()).slice(before)
      const count = (event: string) => lines.filter((line) => line.event === event).length
      process.stdout.write(
        `promise 01: ${mode}: ${REQUESTS} requests by ${CALLERS} callers, ${hits} backend hits, ${count('intent')} intents, ${count('outcome')} outcomes, violations ${violations.length}\n`,
      )
      expect(violations).toEqual([])
      expect({ hits, intents: count('intent'), outcomes: count('outcome') }).toEqual({
        hits: statuses.get(200),
        intents: hits,
        outcomes: hits,
      })
      expect(hits).toBeGreaterThan(REQUESTS * 0.8)
    })
  })

  const missing = lacking('strace')
  it.skipIf(missing !== '')(named('proven by the system calls of the process', missing), { timeout: 120_000 }, async () => {
    upstream.behave(generation())
    const place = gatewayPlace({ OLLAMA_URL: upstream.url, AUDIT_SYNC: 'sync' })
    onTestFinished(() => place.remove())
    const key = await makeKey(place)
    const trace = join(place.dir, 'trace.txt')
    const strace = toolOrThrow('strace')
    const words = ['-f', '-qq', '-y', '-s', '1000000', '-e', 'trace=write,writev,pwrite64,fdatasync,sendto,sendmsg,connect', '-o', trace]
    const gate = await startGatewayProcess(place, { under: [strace.path, ...strace.args, ...words], env: strace.env })
    const statuses = await inTurns(TRACED, 8, () => call(gate.port, generate(key)))
    await gate.stop()
    const order = orderOf(readFileSync(trace, 'utf8'), place.ledgerFile)
    const late = [...order].filter(([, { syncedAt, sentAt }]) => syncedAt === null || syncedAt > sentAt).map(([request]) => request)
    process.stdout.write(
      `promise 01: by system calls, ${order.size} requests were sent to the backend, each after the fdatasync that follows its intent had returned; violations ${late.length}\n`,
    )
    expect(late).toEqual([])
    expect({ sent: order.size, statuses }).toEqual({ sent: TRACED, statuses: new Map([[200, TRACED]]) })
  })
})

/** A key in a place whose gateway does not run yet. */
async function makeKey(place: GatewayPlace): Promise<string> {
  const house = await startTestGateway({}, place)
  const { text } = await house.key({ concurrency: 0 })
  await house.stop({ keep: true })
  return text
}

interface Order {
  /** The trace's line at which a sync had returned after the intent was written; null when none had. */
  syncedAt: number | null
  /** The trace's line at which the first byte was given to the backend's socket. */
  readonly sentAt: number
}

/**
 * Reads a trace of all threads. A call that another thread interrupts stands on two lines, `<unfinished ...>` and `<... resumed>`: it has begun at the
 * first and returned at the second.
 */
function orderOf(trace: string, ledgerFile: string): Map<string, Order> {
  const written = new Set<string>()
  const synced = new Map<string, number>()
  const sent = new Map<string, Order>()
  const begun = new Map<string, { readonly call: string; readonly before: ReadonlySet<string> }>()
  for (const [at, line] of trace.split('\n').entries()) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const resumed = text.startsWith('<... ')
    // What a sync makes durable was written before it began.
    const { call: asked, before } = (resumed && begun.get(thread)) || { call: text, before: new Set(written) }
    if (text.endsWith('<unfinished ...>')) begun.set(thread, { call: asked, before })
    const returned = !text.endsWith('<unfinished ...>')
    if (asked.includes(`<${ledgerFile}>`) && returned) {
      if (asked.startsWith('fdatasync') && text.endsWith('= 0'))
        for (const request of before) if (!synced.has(request)) synced.set(request, at)
      if (/^p?write/.test(asked)) for (const [, request = ''] of asked.matchAll(INTENT)) written.add(request)
    }
    const request = resumed ? undefined : SENT.exec(text)?.[1]
    if (request !== undefined) sent.set(request, { sentAt: at, syncedAt: synced.get(request) ?? null })
  }
  return sent
}

const INTENT = /\\"event\\":\\"intent\\",\\"request\\":\\"([^"\\]+)\\"/g
const SENT = /<(?:socket|TCP)[^>]*>.*POST \/api\/generate.*x-request-id: ([\w-]+)/
