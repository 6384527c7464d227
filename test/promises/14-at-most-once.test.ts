import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, call, generate } from '../support/caller.ts'
import { type ChaosCut, type ChaosProxy, chaosProxy } from '../support/chaos-proxy.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { generation, type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
/** The short form breaks at every ninth byte; the long one at every byte. */
const STRIDE = LONG ? 1 : 9

let upstream: TextBackend
let proxy: ChaosProxy
let gate: GatewayUnderTest
let key: TestKey
beforeAll(async () => {
  upstream = await textBackend(generation())
  proxy = await chaosProxy(upstream.port)
  gate = await startTestGateway({ OLLAMA_URL: proxy.url, AUDIT_SYNC: 'write', CHAT_FIRST_BYTE: '300ms', CHAT_IDLE: '300ms' })
  key = await gate.key({ concurrency: 0 })
})
afterAll(async () => {
  await gate.stop()
  await proxy.close()
  await upstream.close()
})

const ask = (): Promise<Answer> => call(gate.port, generate(key.text, { stream: true }))

interface Tally {
  asked: number
  reached: number
  readonly duplicates: string[]
  /** Told to come again, though the backend had the whole request. */
  readonly invited: string[]
}
const emptyTally = (): Tally => ({ asked: 0, reached: 0, duplicates: [], invited: [] })

/** Asks once and looks at what came to the backend: the gate's request id tells one generation from another. */
async function askAndCount(what: string, tally: Tally): Promise<void> {
  upstream.forget()
  const { status, headers } = await ask()
  await gate.quiet()
  tally.asked += 1
  const ids = upstream.asked.map((seen) => seen.header('x-request-id') ?? '')
  if (ids.length > 0) tally.reached += 1
  if (ids.length > 1) tally.duplicates.push(`${what}: ${ids.join()}`)
  const whole = upstream.asked.some(({ sha256 }) => sha256 !== null)
  if (whole && (status === 503 || headers['retry-after'] !== undefined)) tally.invited.push(`${what}: ${status}`)
  if (status === 502 || status === 504) expect(headers['x-should-retry'], what).toBe('false')
}

/**
 * Asks until a connection has broken there. All that are opened meanwhile would, because one that was just used rests while the next request takes
 * another; those that did not come so far break under a later request.
 */
async function askUntilBroken(cut: ChaosCut, tally: Tally): Promise<void> {
  const what = `${cut.direction} ${cut.how} at ${cut.atByte}`
  const first = proxy.connections.length
  proxy.use(() => cut)
  for (let tries = 0; !proxy.connections.slice(first).some((connection) => connection.cut); tries += 1) {
    expect(tries, `${what} was reached`).toBeLessThan(100)
    const opened = proxy.connections.length
    await askAndCount(what, tally)
    if (opened === first && proxy.connections.length === first) dropKept() // one from before was free
  }
}

/** Ends the connections that are kept, so that the next request opens one. */
function dropKept(): void {
  for (const socket of upstream.sockets) socket.resetAndDestroy()
}

/** The bytes of one exchange, in both directions. A health check is shorter. */
async function measure(): Promise<{ up: number; down: number }> {
  proxy.use(() => null)
  const before = proxy.connections.length
  await until(async () => (await ask()).complete && proxy.connections.slice(before).some(({ down }) => down > 300), {
    withinMs: 5_000,
    what: 'an exchange on a new connection',
  })
  const used = proxy.connections.slice(before).find(({ down }) => down > 300)
  if (used === undefined) throw new Error('no connection was used')
  return { up: used.up, down: used.down }
}

/** How many connections have broken since now. */
function counted(): () => number {
  const before = proxy.connections.filter(({ cut }) => cut).length
  return () => proxy.connections.filter(({ cut }) => cut).length - before
}

const HOWS = ['rst', 'fin'] as const

describe('promise 14: a generation is sent to a backend at most once', () => {
  it('whichever byte of an exchange the connection breaks at, its first or its second', { timeout: 900_000 }, async () => {
    const { up, down } = await measure()
    const tally = emptyTally()
    const breaks = counted()
    for (const [direction, bytes] of [
      ['up', up],
      ['down', down],
    ] as const) {
      for (const how of HOWS) {
        for (let atByte = 0; atByte <= bytes * 2; atByte += STRIDE) await askUntilBroken({ direction, atByte, how }, tally)
      }
    }
    process.stdout.write(
      `promise 14: ${breaks()} breaks at every ${STRIDE === 1 ? '' : `${STRIDE}th `}byte of two exchanges on one connection (${up} bytes up, ${down} down each), by FIN and RST; ${tally.asked} requests, ${tally.reached} reached the backend, duplicates ${tally.duplicates.length}\n`,
    )
    expect(tally.duplicates).toEqual([])
    expect(tally.invited).toEqual([])
    expect(breaks()).toBeGreaterThan(200)
    expect(tally.reached).toBeGreaterThan(tally.asked / 3)
  })

  it('nor when it stalls until our deadline', { timeout: 300_000 }, async () => {
    const { up, down } = await measure()
    const tally = emptyTally()
    const breaks = counted()
    const shares = LONG ? Array.from({ length: 12 }, (_value, n) => n / 11) : [0, 0.5, 0.99, 1]
    for (const [direction, bytes] of [
      ['up', up],
      ['down', down],
    ] as const) {
      for (const share of shares) await askUntilBroken({ direction, atByte: Math.round(bytes * share), how: 'stall' }, tally)
    }
    process.stdout.write(`promise 14: ${breaks()} stalls, ${tally.asked} requests, duplicates ${tally.duplicates.length}\n`)
    expect(tally.duplicates).toEqual([])
    expect(tally.invited).toEqual([])
  })
})
