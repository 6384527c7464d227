import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Answer, call, generate } from '../support/caller.ts'
import { freePort } from '../support/free-port.ts'
import { type GatewayPlace, gatewayPlace, readRecords, startTestGateway, verifyPlace } from '../support/gateway.ts'
import { type GatewayProcess, spawnCommand, startGatewayProcess } from '../support/gateway-process.ts'
import { type Behaviour, chunk, json, LAST_CHUNK } from '../support/hostile.ts'
import { endlessStream, generation, LAST_LINE, streamHead, type TextBackend, textBackend, token } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

let upstream: TextBackend
beforeAll(async () => {
  upstream = await textBackend()
})
afterAll(() => upstream.close())

/** A stream that goes on until it is told to end well. */
function heldStream(): { readonly behaviour: Behaviour; readonly finish: () => void } {
  let finish = (): void => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const behaviour: Behaviour = async (x) => {
    await x.body()
    await x.send(streamHead)
    await x.send(chunk(token('a')))
    await finished
    await x.send(Buffer.concat([chunk(LAST_LINE), Buffer.from(LAST_CHUNK)]))
  }
  return { behaviour, finish }
}

describe('a gateway that is told to end', () => {
  let place: GatewayPlace
  let key: string
  let gate: GatewayProcess
  beforeEach(async () => {
    upstream.forget()
    place = gatewayPlace({ OLLAMA_URL: upstream.url })
    const before = await startTestGateway({}, place)
    key = (await before.key()).text
    await before.stop({ keep: true })
  })
  afterEach(() => place.remove())

  /** Starts a stream and waits until its backend has been asked. */
  const streaming = async (): Promise<{ readonly answer: Promise<Answer>; readonly finish: () => void }> => {
    const { behaviour, finish } = heldStream()
    upstream.behave(behaviour)
    const answer = call(gate.port, generate(key))
    await until(() => upstream.asked.length === 1, { withinMs: 10_000, what: 'the stream to be under way' })
    return { answer, finish }
  }
  const lives = () => readRecords(place.ledgerFile).flatMap(({ event, what }) => (event === 'lifecycle' ? [what] : []))

  it('goes on when nobody reads its log any more, and still ends by SIGTERM', async () => {
    upstream.behave(generation())
    const port = await freePort()
    const child = spawnCommand(place, ['serve'], { env: { PORT: String(port) } })
    const exited = once(child, 'exit')
    const [first] = await once(child.stderr ?? child, 'data')
    expect(String(first)).toContain('portcullis')
    child.stdout?.destroy()
    child.stderr?.destroy()
    await until(async () => (await call(port, { path: '/health' })).status === 200, { withinMs: 20_000, what: 'the gateway to listen' })
    // Each reload is a line in the log.
    for (let round = 0; round < 3; round += 1) {
      child.kill('SIGHUP')
      expect((await call(port, generate(key))).status).toBe(200)
    }
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  }, 60_000)

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s lets a stream finish, takes nothing new, and ends with 0 and a sealed ledger',
    async (signal) => {
      gate = await startGatewayProcess(place)
      const { answer, finish } = await streaming()
      gate.signal(signal)
      await until(async () => (await call(gate.port, { path: '/ready' })).status === 503, { withinMs: 5_000, what: 'readiness to go off' })
      expect(await call(gate.port, { path: '/ready' })).toMatchObject({ body: '{"status":"not ready","why":"shutting down"}' })
      const refused = await call(gate.port, generate(key))
      expect(refused).toMatchObject({
        status: 503,
        body: '{"error":"The gateway is shutting down"}',
        headers: { 'retry-after': '10', connection: 'close' },
      })
      expect(upstream.asked).toHaveLength(1)
      finish()
      expect(await answer).toMatchObject({ status: 200, complete: true, body: expect.stringMatching(/"done":true/) })
      expect(await gate.ended()).toBe(0)
      const records = readRecords(place.ledgerFile)
      expect(records.at(-1)).toMatchObject({ event: 'seal' })
      expect(lives().slice(-2)).toEqual(['drain', 'stop'])
      expect(records.filter(({ event }) => event === 'outcome').at(-1)).toMatchObject({ ended: 'complete' })
      expect(records.filter(({ code }) => code === 'DRAINING')).toHaveLength(1)
      await verifyPlace(place)
    },
  )

  it('twice ends no sooner', async () => {
    gate = await startGatewayProcess(place)
    const { answer, finish } = await streaming()
    gate.signal('SIGTERM')
    gate.signal('SIGTERM')
    gate.signal('SIGINT')
    await until(async () => (await call(gate.port, { path: '/ready' })).status === 503, { withinMs: 5_000, what: 'readiness to go off' })
    finish()
    expect(await answer).toMatchObject({ complete: true })
    expect(await gate.ended()).toBe(0)
    await verifyPlace(place)
  })

  it.each([
    ['an exception', "throw new Error('thrown by a test')"],
    ['a rejection', "Promise.reject(new Error('thrown by a test'))"],
  ])('by %s that nobody caught drains, seals and ends with 1', async (_name, statement) => {
    const preload = `data:text/javascript,${encodeURIComponent(`process.on('SIGUSR2', () => { ${statement} })`)}`
    gate = await startGatewayProcess(place, { nodeArguments: ['--import', preload] })
    const { answer, finish } = await streaming()
    gate.signal('SIGUSR2')
    await until(async () => (await call(gate.port, { path: '/ready' })).status === 503, { withinMs: 5_000, what: 'readiness to go off' })
    finish()
    expect(await answer).toMatchObject({ status: 200, complete: true })
    expect(await gate.ended()).toBe(1)
    expect(gate.log()).toContain('thrown by a test')
    expect(readRecords(place.ledgerFile).at(-1)).toMatchObject({ event: 'seal' })
    await verifyPlace(place)
  })

  it('leaves its place to the next one at once', async () => {
    for (let round = 0; round < 2; round += 1) {
      gate = await startGatewayProcess(place)
      upstream.behave(generation())
      expect(await call(gate.port, generate(key))).toMatchObject({ status: 200 })
      await gate.stop()
    }
    await verifyPlace(place)
  })
})

describe('when the time to finish is over', () => {
  it('what still runs is told so in band, and its backend is let go', async () => {
    const gate = await startTestGateway({ OLLAMA_URL: upstream.url, CHAT_CONCURRENCY: '1' })
    const { text } = await gate.key({ concurrency: 0 })
    upstream.forget()
    upstream.behave(endlessStream())
    const running = call(gate.port, generate(text))
    const seen = await until(() => upstream.asked[0], { withinMs: 2_000, what: 'the stream to be under way' })
    const waiting = call(gate.port, generate(text))
    await until(() => gate.gateway.house.corridor.inFlight.size === 2, { withinMs: 2_000, what: 'a second request in the queue' })
    await gate.gateway.house.settleInFlight(100)
    const [first, second] = await Promise.all([running, waiting])
    expect(first).toMatchObject({
      status: 200,
      complete: true,
      body: expect.stringMatching(/"response":"a".*\n\{"error":"The gateway is shutting down"\}\n$/),
    })
    expect(second).toMatchObject({ status: 503, body: '{"error":"The gateway is shutting down"}' })
    await until(() => seen.leftMs !== null, { withinMs: 1_000, what: 'the backend to be let go' })
    const outcomes = await gate.outcomes()
    expect(outcomes.map(({ ended, code }) => `${ended} ${code}`)).toEqual(['refused DRAINING', 'refused DRAINING'])
    expect(upstream.asked).toHaveLength(1)
    await gate.stop()
  })
})

describe('SIGHUP', () => {
  const LEGACY = ['6a1c5f0e-0000-4000-8000-000000000001', '6a1c5f0e-0000-4000-8000-000000000002'] as const
  const legacy = (...keys: readonly string[]): string =>
    JSON.stringify(
      Object.fromEntries(keys.map((key) => [key, { user: 'old', service: 'chat', created_at: '2025-06-04T08:20:54', expires_at: null }])),
    )
  let place: GatewayPlace
  let file: string
  let keys: string
  let gate: GatewayProcess
  let other: TextBackend
  const configure = (text: string): void => writeFileSync(file, text)
  const yaml = (chatUrl: string, more = ''): string => `services:\n  chat: {url: '${chatUrl}'}\n${more}`
  beforeAll(async () => {
    other = await textBackend(json({ from: 'the other' }))
    place = gatewayPlace()
    file = join(place.dir, 'portcullis.yaml')
    keys = join(place.dir, 'keys.json')
    configure(yaml(upstream.url))
    writeFileSync(keys, legacy(...LEGACY), { mode: 0o600 })
    gate = await startGatewayProcess(place, { env: { PORTCULLIS_CONFIG: file, API_KEYS_FILE: keys } })
  })
  afterAll(async () => {
    await gate.stop()
    await verifyPlace(place)
    place.remove()
    await other.close()
  })
  beforeEach(() => {
    upstream.forget()
    upstream.behave(generation())
  })

  let logged = 0
  const reload = async (says: string): Promise<string> => {
    logged = gate.log().length
    gate.signal('SIGHUP')
    await until(() => gate.log().slice(logged).includes(says), { withinMs: 5_000, what: `the log to say "${says}"` })
    return gate.log().slice(logged)
  }
  const lastLife = () =>
    readRecords(place.ledgerFile)
      .filter(({ event }) => event === 'lifecycle')
      .at(-1)

  it('takes a good file in one step, while a stream goes on', async () => {
    const { behaviour, finish } = heldStream()
    upstream.behave(behaviour)
    const running = call(gate.port, generate(LEGACY[0]))
    await until(() => upstream.asked.length === 1, { withinMs: 5_000, what: 'the stream to be under way' })
    configure(yaml(other.url, `  rerank: {url: '${other.url}', routes: ['POST /x']}\n`))
    await reload('configuration reloaded')
    expect(await call(gate.port, generate(LEGACY[0]))).toMatchObject({ status: 200, body: '{"from":"the other"}' })
    expect(await call(gate.port, { path: '/rerank/x', method: 'POST', key: LEGACY[0] })).toMatchObject({ status: 403 })
    finish()
    expect(await running).toMatchObject({ status: 200, complete: true, body: expect.stringMatching(/"done":true/) })
    expect(upstream.asked).toHaveLength(1)
    await until(() => lastLife()?.what === 'reload', { withinMs: 1_000, what: 'the reload in the ledger' })
  })

  it('keeps the old one when the file has faults, and names them', async () => {
    configure('services:\n  chat: {url: nowhere}\n  tts: {concurency: 2}\n')
    const said = await reload('the old one is kept')
    expect(said).toMatch(/portcullis\.yaml:2 services\.chat\.url.*portcullis\.yaml:3 services\.tts\.concurency/)
    expect(await call(gate.port, generate(LEGACY[0]))).toMatchObject({ status: 200, body: '{"from":"the other"}' })
    await until(() => lastLife()?.what === 'reload_failed', { withinMs: 1_000, what: 'the failure in the ledger' })
    expect(lastLife()?.detail).toContain('services.chat.url')
  })

  it('says what changes only with a restart', async () => {
    configure(`server: {port: 1}\n${yaml(upstream.url)}`)
    // PORT stands in the environment, which beats the file; the ledger's place does not change either.
    const said = await reload('configuration reloaded')
    expect(said).not.toContain('restart')
    expect(await call(gate.port, { path: '/health' })).toMatchObject({ status: 200 })
  })

  it('disables keys that are gone from API_KEYS_FILE, and records it', async () => {
    expect(await call(gate.port, generate(LEGACY[1]))).toMatchObject({ status: 200 })
    writeFileSync(keys, legacy(LEGACY[0]))
    await reload('configuration reloaded')
    expect(await call(gate.port, generate(LEGACY[1]))).toMatchObject({ status: 401 })
    expect(await call(gate.port, generate(LEGACY[0]))).toMatchObject({ status: 200 })
    const imports = readRecords(place.ledgerFile).filter(({ what }) => what === 'keys_imported')
    expect(imports.map(({ detail }) => detail)).toEqual([
      expect.stringContaining('+legacy_6a1c5f0e'),
      expect.stringMatching(/^-legacy_6a1c5f0e/),
    ])
    expect(JSON.stringify(imports)).not.toContain(LEGACY[1])
  })

  it('changes nothing when that file is damaged', async () => {
    writeFileSync(keys, 'not json')
    configure(yaml(other.url))
    const said = await reload('the old one is kept')
    expect(said).toContain('keys.json')
    expect(await call(gate.port, generate(LEGACY[0]))).toMatchObject({ status: 200, body: expect.stringMatching(/"done":true/) })
    expect(other.asked.length).toBeGreaterThan(0)
  })
})
