import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { FAULTS, good, ollamaTongue, poison, strangersIn, UNASKED } from '../support/cross-tricks.ts'
import { type Crossing, crossingFigure, playCrossing } from '../support/crossing.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const REQUESTS = LONG ? 100_000 : 3_000
const CALLERS = 24
const SEED = Number(process.env.PORTCULLIS_SEED ?? Date.now() % 1_000_000)

let upstream: TextBackend
let gate: GatewayUnderTest
let crossing: Crossing
beforeEach(async () => {
  upstream = await textBackend()
  gate = await startTestGateway({
    OLLAMA_URL: upstream.url,
    AUDIT_SYNC: 'write',
    AUDIT_ROTATE_MIB: '1024',
    CONNECTIONS_PER_ADDRESS: '1000',
  })
  const { text: key } = await gate.key({ rights: ['chat', 'manage:chat'], concurrency: 0 })
  const leaves = { body: '{"model":"m"}' }
  crossing = {
    gate,
    key,
    backends: [upstream],
    tongue: ollamaTongue,
    asks: ASKS,
    leaves,
    seed: SEED,
    requests: REQUESTS,
    callers: CALLERS,
  }
})
afterEach(async () => {
  await gate.stop()
  await upstream.close()
})

const ONE_OBJECT = { path: '/chat/api/generate', body: { model: 'm', prompt: 'p', stream: false } }
const ASKS = [
  { path: '/chat/api/generate', body: { model: 'm', prompt: 'p' } },
  ONE_OBJECT,
  { path: '/chat/api/chat', body: { model: 'm', messages: [] } },
  { path: '/chat/api/create', body: { model: 'm', from: 'x'.repeat(5_000) } },
  { path: '/chat/api/tags' },
  { path: '/chat/api/version', method: 'HEAD' },
] as const

describe("promise 13: user B never gets user A's bytes", () => {
  it('from a backend that answers early, late, cut and with lies, over connections that are used again', { timeout: 900_000 }, async () => {
    const tally = await playCrossing(crossing, FAULTS)
    process.stdout.write(crossingFigure(`${Object.keys(FAULTS).length} faults`, crossing, tally))
    expect(tally.crossed).toEqual([])
    expect(tally.whole).toBeGreaterThan(REQUESTS / 3)
    expect(tally.connections).toBeLessThan(tally.reached * 0.6)
    expect(gate.log()).not.toContain('used twice')
  })

  it('from one that answers twice, or more than it said', { timeout: 900_000 }, async () => {
    const tally = await playCrossing(crossing, { ...FAULTS, ...UNASKED })
    process.stdout.write(crossingFigure(`${Object.keys(UNASKED).length} ways to send what nobody asked for`, crossing, tally))
    expect(tally.crossed).toEqual([])
    expect(tally.whole).toBeGreaterThan(REQUESTS / 3)
    // Caught once, it gets a new connection for each request.
    expect(gate.log().split('no connection to it is used twice from now on')).toHaveLength(2)
    expect(tally.connections).toBeGreaterThan(tally.reached * 0.9)
  })

  it('from one that speaks on a connection where nobody waits for anything', async () => {
    const { key } = crossing
    let spoken = false
    upstream.choose((seen) => async (x) => {
      await x.body()
      await x.send(good(ollamaTongue(seen)))
      setTimeout(() => {
        spoken = x.socket.write(poison)
      }, 20)
    })
    await call(gate.port, { ...ONE_OBJECT, key })
    await until(() => spoken && gate.log().includes('used twice'), { withinMs: 2_000, what: 'the gate to notice' })
    const { body, headers } = await call(gate.port, { ...ONE_OBJECT, key })
    expect(strangersIn(body, String(headers['x-request-id']))).toEqual([])
    const [first, second] = upstream.asked
    expect(second?.connection).not.toBe(first?.connection)
  })
})
