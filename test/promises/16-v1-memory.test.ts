import { Agent, type IncomingMessage, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { MemoryHouse, RUSH_CALLERS } from '../support/memory-house.ts'
import { lacking, named } from '../support/tools.ts'
import { until } from '../support/until.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const MODELS = 1_000
const STREAMS = 1_000
const REQUESTS = LONG ? 1_000_000 : 4_000
const SLICE_S = LONG ? 2 : 1
const STREAMS_MIB_MAX = 320
const GROWTH_MIB_MAX = 40
/** How long the streams stand still, and are told that they live. */
const STILL_MS = LONG ? 60_000 : 600
const HEARTBEAT_MS = 200

const THERE = 'weights-of-august'
const said = (more: object): string => JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion', model: THERE, ...more })
const ANSWER = said({
  choices: [{ index: 0, message: { role: 'assistant', content: 'a gate' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
})
const FIRST_EVENT = `data: ${said({ choices: [{ index: 0, delta: { role: 'assistant', content: 'a' } }] })}\n\n`

/** Answers questions, and begins streams that it never goes on with. */
async function serveBackend(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = ''
  for await (const chunk of request) text += chunk
  if (request.method === 'GET') response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":[]}')
  else if (text.includes('"stream":true')) response.writeHead(200, { 'content-type': 'text/event-stream' }).write(FIRST_EVENT)
  else response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length }).end(ANSWER)
}

const modelNamed = (n: number): string => `model-${String(n).padStart(4, '0')}`
const CHAT = '/v1/chat/completions'

let house: MemoryHouse
beforeAll(async () => {
  const env = { CHAT_ENABLED: 'false', DISCOVERY: 'false', HEARTBEAT: `${HEARTBEAT_MS}ms`, AUDIT_SYNC: 'write' }
  house = await MemoryHouse.open((request, response) => void serveBackend(request, response).catch(() => response.destroy()), 'v1', env)
  await addModels()
}, 120_000)
afterAll(() => house.close())

/** Each has a price and a name of its own at its endpoint, so that all that /v1 can do to an answer is done. */
async function addModels(): Promise<void> {
  const { socketPath, backend, port, key } = house
  const agent = new Agent({ keepAlive: true })
  const add = async (path: string, body: Readonly<Record<string, unknown>>): Promise<void> => {
    const answer = await call(0, { method: 'POST', path: `/admin/api${path}`, socketPath, body, agent })
    if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${answer.body}`)
  }
  await add('/endpoints', { name: 'many', url: `${backend.url}/v1` })
  const price = { unit: 'token', price_in: '0.15', price_out: '0.60' }
  const names = Array.from({ length: MODELS }, (_none, n) => modelNamed(n))
  const adding = async (): Promise<void> => {
    for (let name = names.pop(); name !== undefined; name = names.pop())
      await add('/models', { name, ...price, endpoints: [{ endpoint: 'many', upstream: THERE }] })
  }
  await Promise.all(Array.from({ length: 16 }, adding))
  agent.destroy()
  const { status, body } = await call(port, { path: '/v1/models', key })
  expect([status, JSON.parse(body).data.length]).toEqual([200, MODELS])
}

const streamOf = (n: number) => ({
  path: CHAT,
  body: JSON.stringify({ model: modelNamed(n % MODELS), messages: [{ role: 'user', content: 'Wait.' }], stream: true }),
  heard: '"content":"a"',
})

/** Another model with each request. */
const LUA = `local n = 0
function request()
  n = (n + 1) % ${MODELS}
  local body = string.format('{"model":"model-%04d","messages":[{"role":"user","content":"hello"}]}', n)
  return wrk.format(nil, nil, nil, body)
end`

describe('promise 16: memory stays flat over /v1', () => {
  it('with 1,000 streams that stand still, whose places are all given back', { timeout: 180_000 }, async () => {
    const idle = house.rssMiB()
    house.forgetPeak()
    const streams = await Promise.all(Array.from({ length: STREAMS }, (_, n) => house.openStream(n, streamOf(n))))
    expect(await house.inFlight()).toBe(STREAMS)
    let beats = 0
    for (const socket of streams) socket.on('data', (text: string) => (beats += text.split(': keep-alive').length - 1))
    const wanted = (STREAMS * STILL_MS) / HEARTBEAT_MS / 2
    await until(() => beats >= wanted, { withinMs: STILL_MS * 4, what: `${wanted} signs of life` })
    const peak = house.peakMiB()
    for (const socket of streams) socket.destroy()
    await house.settled()
    await until(() => house.backend.sockets.size < RUSH_CALLERS, { withinMs: 15_000, what: 'the backend to be let go' })
    process.stdout.write(
      `promise 16: ${STREAMS} streams over /v1 with ${MODELS} models and at least ${wanted} signs of life: ${line(idle, peak)}, in flight after it 0\n`,
    )
    expect(peak).toBeLessThan(STREAMS_MIB_MAX)
  })

  it.skipIf(lacking('wrk') !== '')(named(`through ${REQUESTS} requests`, lacking('wrk')), { timeout: 1_800_000 }, async () => {
    const before = house.rssMiB()
    const first = await house.rush(REQUESTS / 2, CHAT, LUA, SLICE_S)
    const half = house.rssMiB()
    house.forgetPeak()
    const second = await house.rush(REQUESTS / 2, CHAT, LUA, SLICE_S)
    await house.settled()
    const text = `${before.toFixed(0)} MiB before, ${half.toFixed(0)} after one half, at most ${house.peakMiB().toFixed(0)} in the other, ${house.rssMiB().toFixed(0)} after`
    process.stdout.write(`promise 16: ${first + second} priced requests over /v1 to ${MODELS} models: ${text}\n`)
    expect(house.rssMiB() - half).toBeLessThan(GROWTH_MIB_MAX)
  })
})

const line = (idle: number, peak: number): string =>
  `${idle.toFixed(0)} MiB before, ${peak.toFixed(0)} at most, ${house.rssMiB().toFixed(0)} after`
