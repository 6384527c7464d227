import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { call, generate } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { Random } from '../support/random.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const ROUNDS = LONG ? 20 : 2
const GRACE_S = LONG ? 5 : 2
const CALLERS = 16
const SEED = Number(process.env.PORTCULLIS_SEED ?? Date.now() % 1_000_000)

let upstream: TextBackend
let gate: GatewayUnderTest
beforeAll(async () => {
  upstream = await textBackend()
  gate = await startTestGateway({ OLLAMA_URL: upstream.url, AUDIT_SYNC: 'write' })
})
afterAll(async () => {
  await gate.stop()
  await upstream.close()
})

interface Rotated {
  readonly api_key: string
  readonly old_secret_until: string | null
}

async function rotate(key: TestKey, body: Readonly<Record<string, unknown>>): Promise<{ status: number; answer: Rotated }> {
  const { status, body: text } = await call(0, {
    method: 'POST',
    path: `/admin/api/keys/${key.id}/rotate`,
    socketPath: gate.gateway.house.socket,
    body,
  })
  return { status, answer: JSON.parse(text) }
}

interface Tally {
  calls: number
  refusedDuring: number
  acceptedAfter: number
  refusedAfter: number
}

/** One who calls without a pause, and puts the new key in place of the old one at a moment of his own. */
class Client {
  current: string
  readonly #old: string
  readonly #tally: Tally
  untilMs = Number.POSITIVE_INFINITY
  stopped = false

  constructor(key: string, tally: Tally) {
    this.current = this.#old = key
    this.#tally = tally
  }

  change(key: string): void {
    this.current = key
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      const used = this.current
      const startedMs = Date.now()
      const { status } = await call(gate.port, generate(used))
      this.#tally.calls += 1
      const isOver = used === this.#old && startedMs >= this.untilMs
      // A call that began in time and was judged after the end may be either.
      const isClose = used === this.#old && !isOver && Date.now() >= this.untilMs
      if (isOver && status === 200) this.#tally.acceptedAfter += 1
      else if (isOver) this.#tally.refusedAfter += 1
      else if (status !== 200 && !isClose) this.#tally.refusedDuring += 1
    }
  }
}

async function round(random: Random, tally: Tally): Promise<void> {
  const key = await gate.key({ concurrency: 0 })
  const clients = Array.from({ length: CALLERS }, () => new Client(key.text, tally))
  const running = clients.map((client) => client.run())
  const before = tally.calls
  await until(() => tally.calls > before + CALLERS * 5, { withinMs: 10_000, what: 'the callers to be at work' })
  const { status, answer } = await rotate(key, { grace_seconds: GRACE_S })
  expect(status).toBe(200)
  const endMs = Date.parse(answer.old_secret_until ?? '')
  for (const [n, client] of clients.entries()) {
    client.untilMs = endMs
    // One never changes over: what becomes of it tells when the old secret ends.
    if (n > 0) setTimeout(() => client.change(answer.api_key), random.int(0, GRACE_S * 900))
  }
  const refused = tally.refusedAfter
  await until(() => Date.now() > endMs && tally.refusedAfter > refused + 20, {
    withinMs: GRACE_S * 1_000 + 10_000,
    what: 'the old secret to be refused',
  })
  for (const client of clients) client.stopped = true
  await Promise.all(running)
}

describe('promise 9: a rotation drops nothing', () => {
  it('while clients change over, and the old secret ends when it was said to', { timeout: 600_000 }, async () => {
    const random = new Random(SEED)
    const tally: Tally = { calls: 0, refusedDuring: 0, acceptedAfter: 0, refusedAfter: 0 }
    for (let n = 0; n < ROUNDS; n += 1) await round(random, tally)
    const outcomes = await gate.outcomes()
    const old = outcomes.filter(({ old_secret: used }) => used).length
    process.stdout.write(
      `promise 09: ${ROUNDS} rotations with ${GRACE_S} s of grace under ${CALLERS} callers (seed ${SEED}): ${tally.calls} calls, refused during the overlap ${tally.refusedDuring}, accepted after it ${tally.acceptedAfter} (refused ${tally.refusedAfter}); ${old} uses of an old secret recorded\n`,
    )
    expect(tally).toMatchObject({ refusedDuring: 0, acceptedAfter: 0 })
    expect(old).toBeGreaterThan(0)
    const reasons = new Set((await gate.refusals()).map(({ reason }) => reason))
    expect([...reasons]).toEqual(['rotated_out'])
  })

  it('without grace the old secret ends at once, and the new one is good at once', async () => {
    const key = await gate.key()
    const { answer } = await rotate(key, { grace_seconds: 0 })
    expect((await call(gate.port, generate(key.text))).status).toBe(401)
    expect((await call(gate.port, generate(answer.api_key))).status).toBe(200)
    expect(answer.api_key.slice(0, 17)).toBe(key.text.slice(0, 17))
  })

  it('asked again with the same idempotency key it answers the same, and both secrets share their limits', async () => {
    const key = await gate.key({ rate: '3/h' })
    const first = await rotate(key, { grace_seconds: 60, idempotency_key: 'one' })
    const second = await rotate(key, { grace_seconds: 60, idempotency_key: 'one' })
    expect(second).toEqual(first)
    const statuses = []
    for (const text of [key.text, first.answer.api_key, key.text, first.answer.api_key])
      statuses.push((await call(gate.port, generate(text))).status)
    expect(statuses).toEqual([200, 200, 200, 429])
  })
})
