import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { call, generate } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { spawnCommand } from '../support/gateway-process.ts'
import { silent } from '../support/hostile.ts'
import { endlessStream, generation, type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const TRIES = { socket: LONG ? 100 : 20, command: LONG ? 20 : 2 } as const
const CALLERS = 8
const GOAL_MS = 1_000

let upstream: TextBackend
let gate: GatewayUnderTest
beforeAll(async () => {
  upstream = await textBackend()
  gate = await startTestGateway({ OLLAMA_URL: upstream.url })
})
beforeEach(() => upstream.forget())
afterAll(async () => {
  await gate.stop()
  await upstream.close()
})

/** Both ways to the same change: a request at the owner's socket, and the script in a process of its own. Each answers when it was told that it is done. */
const TOOLS = {
  async socket(key: TestKey, now: boolean): Promise<void> {
    const path = `/admin/api/keys/${key.id}/disable`
    const answer = await call(0, { method: 'POST', path, socketPath: gate.gateway.house.socket, body: { now } })
    expect(answer).toMatchObject({ status: 200, body: expect.stringContaining('"disabled"') })
  },
  async command(key: TestKey, now: boolean): Promise<void> {
    const child = spawnCommand(gate, ['key', 'disable', key.id, ...(now ? ['--now'] : [])])
    await until(() => child.exitCode !== null, { withinMs: 20_000, what: 'the command to end' })
    expect(child.exitCode).toBe(0)
  },
} as const
type Tool = keyof typeof TOOLS

/** Callers without a pause, until each has been refused; the answer is when the last request that was let in had begun. */
async function hammer(key: TestKey): Promise<number> {
  const lastAccepted = await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      let last = 0
      for (;;) {
        const startedMs = performance.now()
        const { status } = await call(gate.port, generate(key.text))
        if (status !== 200) {
          expect(status).toBe(401)
          return last
        }
        last = startedMs
      }
    }),
  )
  return Math.max(...lastAccepted)
}

/** Milliseconds to the last request that still got in: since the tool was asked, and since it said that it was done; 0 where none did. */
interface Lag {
  readonly asked: number
  readonly done: number
}

async function stopWhile(tool: Tool): Promise<Lag> {
  const key = await gate.key({ concurrency: 0 })
  const hammering = hammer(key)
  await until(() => upstream.asked.length > CALLERS * 2, { withinMs: 5_000, what: 'the callers to be at work' })
  const askedMs = performance.now()
  await TOOLS[tool](key, false)
  const doneMs = performance.now()
  const last = await hammering
  upstream.forget()
  return { asked: Math.max(0, last - askedMs), done: Math.max(0, last - doneMs) }
}

/** The same, to the end of a running stream. */
async function cutWhile(tool: Tool): Promise<Lag> {
  const key = await gate.key()
  upstream.forget()
  const running = call(gate.port, generate(key.text))
  const seen = await until(() => upstream.asked[0], { withinMs: 5_000, what: 'the stream to be under way' })
  await until(() => seen.sentBytes > 0, { withinMs: 5_000, what: 'its first token' })
  const cut = running.then(() => performance.now())
  const askedMs = performance.now()
  await TOOLS[tool](key, true)
  const doneMs = performance.now()
  const [answer, cutMs] = await Promise.all([running, cut])
  expect(answer).toMatchObject({
    status: 200,
    complete: true,
    body: expect.stringMatching(/\n\{"error":"The key was disabled while the request ran"\}\n$/),
  })
  await until(() => seen.leftMs, { withinMs: GOAL_MS, what: 'the backend to be let go' })
  const outcome = (await gate.outcomes()).find((one) => one.key === key.id)
  expect(outcome).toMatchObject({ ended: 'revoked', code: 'REVOKED', status: 200 })
  return { asked: cutMs - askedMs, done: Math.max(0, cutMs - doneMs) }
}

async function worstOf(tries: number, once: () => Promise<Lag>): Promise<Lag> {
  let worst: Lag = { asked: 0, done: 0 }
  for (let n = 0; n < tries; n += 1) {
    const { asked, done } = await once()
    worst = { asked: Math.max(worst.asked, asked), done: Math.max(worst.done, done) }
  }
  return worst
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(3)} s`
const lag = ({ asked, done }: Lag): string => `at most ${seconds(asked)} after the tool was asked and ${seconds(done)} after it was done`

describe('promise 8: a disabled key stops within 1 s, whichever tool disabled it', () => {
  it.each(Object.keys(TOOLS) as Tool[])('by the %s, for new requests under load', { timeout: 300_000 }, async (tool) => {
    // the keys of that very table
    upstream.behave(generation())
    const worst = await worstOf(TRIES[tool], () => stopWhile(tool))
    process.stdout.write(
      `promise 08: disabled by the ${tool}, ${TRIES[tool]} tries with ${CALLERS} callers: the last request let in began ${lag(worst)}\n`,
    )
    expect(worst.done).toBeLessThan(GOAL_MS)
  })

  it.each(Object.keys(TOOLS) as Tool[])('by the %s --now, for streams that run', { timeout: 300_000 }, async (tool) => {
    // as above
    upstream.behave(endlessStream(3))
    const worst = await worstOf(TRIES[tool], () => cutWhile(tool))
    process.stdout.write(`promise 08: disabled by the ${tool} with --now, ${TRIES[tool]} tries: a running stream ended ${lag(worst)}\n`)
    expect(worst.done).toBeLessThan(GOAL_MS)
  })

  it('while without --now a stream that runs may finish', async () => {
    const key = await gate.key()
    let finish = (): void => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    upstream.behave(async (x) => {
      await finished
      await generation()(x)
    })
    const running = call(gate.port, generate(key.text))
    await until(() => upstream.asked.length === 1, { withinMs: 5_000, what: 'the stream to be under way' })
    await TOOLS.socket(key, false)
    expect(await call(gate.port, generate(key.text))).toMatchObject({ status: 401 })
    finish()
    expect(await running).toMatchObject({ status: 200, complete: true })
  })

  it('with --now in every stage that a request can be in', async () => {
    const key = await gate.key({ rights: ['chat', 'manage:chat'], concurrency: 0 })
    upstream.behave(silent())
    const half = (path: string) =>
      call(gate.port, { path, method: 'POST', key: key.text, body: '{"model":', headers: { 'content-length': 100 }, withinMs: 5_000 })
    const slowBody = half('/chat/api/generate')
    const upload = half('/chat/api/create')
    const waiting = call(gate.port, generate(key.text, { stream: false }))
    await until(() => upstream.asked.length === 2, { withinMs: 5_000, what: 'two to be at the backend' })
    await until(() => gate.gateway.house.corridor.inFlight.size === 3, { withinMs: 5_000, what: 'three in the corridor' })
    const startedMs = performance.now()
    await TOOLS.socket(key, true)
    const answers = await Promise.all([slowBody, upload, waiting])
    expect(performance.now() - startedMs).toBeLessThan(GOAL_MS)
    expect(answers.map(({ status }) => status)).toEqual([0, 401, 401])
    await gate.quiet()
    await until(() => upstream.asked.every(({ leftMs }) => leftMs !== null), { withinMs: GOAL_MS, what: 'the backend to be let go' })
    const ended = (await gate.outcomes()).filter((one) => one.key === key.id).map((one) => one.ended)
    expect(ended).toEqual(['revoked', 'revoked'])
    expect((await gate.refusals()).find((one) => one.key === key.id)).toMatchObject({ code: 'REVOKED', status: 401 })
  })
})
