import { afterEach, describe, expect, it } from 'vitest'
import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'

const MODELS = '/v1/audio/models'
const VOICES = '/v1/audio/voices'

let standIns: StandIns | null = null
let gate: GatewayUnderTest | null = null
afterEach(async () => {
  await gate?.stop()
  await standIns?.close()
})

async function open(openLists: boolean): Promise<GatewayUnderTest> {
  standIns = await startStandIns()
  gate = await startTestGateway({
    OPEN_LISTS: String(openLists),
    DISCOVERY: 'false',
    CHAT_ENABLED: 'false',
    TTS_ENABLED: 'true',
    TTS_URL: standIns.tts.url,
  })
  return gate
}

const many = (count: number) =>
  Array.from({ length: count }, (_none, n) => ({ name: `org/voice-${n}`, upstream: `v${n}`, capability: 'speech' as const }))

describe('the lists of what speaks', () => {
  it('are told to anybody, as they are at this moment, and in full each time', async () => {
    const { port, gateway, refusals } = await open(true)
    const ask = async (path: string, method = 'GET') => {
      const { status, headers, body, complete } = await call(port, { path, method })
      expect([status, complete, headers['content-type']]).toEqual([200, true, 'application/json'])
      expect(headers['x-request-id']).toMatch(/^req_/)
      return { body, bytes: Number(headers['content-length']) }
    }
    gateway.house.models.setListed('builtin:tts', many(10_000))
    const first = await ask(MODELS)
    expect(JSON.parse(first.body).models).toHaveLength(10_000)
    const startedMs = performance.now()
    for (let n = 0; n < 20; n += 1) expect(await ask(MODELS)).toEqual(first)
    process.stdout.write(`${MODELS}: ${((performance.now() - startedMs) / 20).toFixed(2)} ms for ${first.bytes} bytes, caller included\n`)
    expect(await ask(MODELS, 'HEAD')).toEqual({ body: '', bytes: first.bytes })
    gateway.house.models.setListed('builtin:tts', many(1))
    expect(JSON.parse((await ask(MODELS)).body)).toEqual({ models: [{ id: 'org/voice-0' }] })

    const voices = JSON.parse((await ask(VOICES)).body).voices as Record<string, unknown>[]
    expect(voices.length).toBeGreaterThan(0)
    for (const voice of voices) expect(Object.keys(voice)).toEqual(expect.arrayContaining(['id', 'name']))
    expect(await refusals()).toEqual([])
  })

  it('are those of a key where they are closed, and leave a record', async () => {
    const { port, gateway, key, outcomes } = await open(false)
    gateway.house.models.setListed('builtin:tts', many(3))
    const { text } = await key({ models: ['org/voice-1'] })
    for (const path of [MODELS, VOICES]) expect((await call(port, { path })).status).toBe(401)
    expect(JSON.parse((await call(port, { path: MODELS, key: text })).body)).toEqual({ models: [{ id: 'org/voice-1' }] })
    expect(JSON.parse((await call(port, { path: VOICES, key: text })).body).voices.length).toBeGreaterThan(0)
    expect((await outcomes()).filter(({ route }) => route === MODELS || route === VOICES)).toHaveLength(2)
  })
})
