import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningCaddy, startCaddy } from '../support/caddy.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { json } from '../support/hostile.ts'
import { FORM_TYPE, formBytes } from '../support/media.ts'
import { Random } from '../support/random.ts'
import { RawClient } from '../support/raw-client.ts'
import { OLLAMA_HOUSE, rightIn, type Spelling, type SpellingHouse, spell, V1_HOUSE } from '../support/spellings.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'
import { lacking, named } from '../support/tools.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const SPELLINGS = LONG ? 30_000 : 2_000
const SEED = Number(process.env.PORTCULLIS_SEED ?? Date.now() % 1_000_000)
const CAPABILITIES = ['text', 'embedding', 'speech', 'transcription', 'image'] as const

/** Who asks: a name, the key, and the rights that it has. */
type Caller = readonly [name: string, key: string | null, rights: readonly string[]]

let upstream: TextBackend
let gate: GatewayUnderTest
let callers: readonly Caller[]
beforeAll(async () => {
  upstream = await textBackend(json({ data: [], choices: [] }))
  gate = await startTestGateway({ OLLAMA_URL: upstream.url, TRUSTED_PROXIES: '127.0.0.1', DISCOVERY: 'false' })
  const { endpoints, models } = gate.gateway.house.models.manage
  await endpoints.create({ name: 'open', url: `${upstream.url}/v1`, dialect: 'openai' })
  await endpoints.create({ name: 'letters', url: upstream.url, dialect: 'anthropic' })
  for (const capability of CAPABILITIES)
    await models.create({
      name: capability,
      capability,
      endpoints: ['open', ...(capability === 'text' ? ['letters'] : [])].map((endpoint) => ({ endpoint, upstream: null })),
    })
  const keyWith = async (...rights: readonly string[]) => (await gate.key({ rights, concurrency: 0 })).text
  callers = [
    ['nobody', null, []],
    ['a key for text', await keyWith('text'), ['text']],
    ['a key for embeddings', await keyWith('embedding'), ['embedding']],
    ['a key for speech', await keyWith('speech', 'observe', 'use:chat', 'manage:tts'), ['speech']],
  ]
})
afterAll(async () => {
  await gate.stop()
  await upstream.close()
})

interface Tally {
  requests: number
  hits: number
  readonly unguarded: string[]
  readonly statuses: Map<number, number>
}

/** Sends every spelling as every caller, and holds what reached the backend against what that caller may do there. */
async function walk(house: SpellingHouse, port: number, spellings: readonly Spelling[]): Promise<Tally> {
  const tally: Tally = { requests: 0, hits: 0, unguarded: [], statuses: new Map() }
  const client = new RawClient(port)
  for (const spelling of spellings) {
    for (const [name, key, rights] of callers) {
      upstream.forget()
      const status = await client.ask(bytesOf(spelling, key))
      tally.requests += 1
      tally.statuses.set(status, (tally.statuses.get(status) ?? 0) + 1)
      for (const { method, target } of upstream.asked) {
        tally.hits += 1
        const right = rightIn(house, method, target)
        if (right === null || !rights.includes(right))
          tally.unguarded.push(`${name}: ${spelling.target} (${spelling.made}) became ${method} ${target}`)
      }
    }
  }
  client.close()
  return tally
}

const form = formBytes([
  ['model', 'transcription'],
  ['file', Buffer.from('RIFF')],
]).toString('latin1')

/** A body that the route takes which the spelling was made of. */
function bodyOf({ method, right }: Spelling): { readonly body: string; readonly type: string } {
  if (method === 'GET' || method === 'HEAD') return { body: '', type: '' }
  if (right === 'transcription') return { body: form, type: FORM_TYPE }
  return { body: `{"model":"${right}","input":"x","prompt":"x","voice":"v","messages":[]}`, type: 'application/json' }
}

const bytesOf = (spelling: Spelling, key: string | null): string => {
  const { body, type } = bodyOf(spelling)
  const lines = [
    `${spelling.method} ${spelling.target} HTTP/1.1`,
    'Host: gate.test',
    ...spelling.headers,
    `Content-Length: ${body.length}`,
    ...(type === '' ? [] : [`Content-Type: ${type}`]),
    ...(key === null ? [] : [`X-API-Key: ${key}`]),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

const HOUSES = { Ollama: OLLAMA_HOUSE, '/v1': V1_HOUSE } as const

const report = (where: string, house: string, { requests, hits, unguarded, statuses }: Tally): void => {
  const answers = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
  process.stdout.write(
    `promise 10: ${house} ${where}, ${SPELLINGS} spellings (seed ${SEED}), ${requests} requests, ${hits} reached the backend, unguarded hits ${unguarded.length} (${answers.join(', ')})\n`,
  )
}

const spellingsOf = (house: SpellingHouse): Spelling[] => {
  const random = new Random(SEED)
  return Array.from({ length: SPELLINGS }, () => spell(random, house))
}

describe.each(Object.entries(HOUSES))('promise 10: no path spelling reaches a backend unguarded: %s', (name, house) => {
  it('among spellings that a gate which forwards what it does not know would let through', () => {
    const executed = spellingsOf(house).filter(({ method, target }) => {
      const right = target.startsWith(house.prefix) ? rightIn(house, method, target.slice(house.prefix.length)) : null
      return right === 'manage:chat' || right === 'nobody'
    })
    expect(executed.length).toBeGreaterThan(SPELLINGS / 100)
  })

  it('directly', { timeout: 900_000 }, async () => {
    const tally = await walk(house, gate.port, spellingsOf(house))
    report('directly', name, tally)
    expect(tally.unguarded).toEqual([])
    expect(tally.hits).toBeGreaterThan(SPELLINGS / 400)
    expect(tally.statuses.get(500) ?? 0).toBe(0)
  })
})

const missing = lacking('caddy')
describe.skipIf(missing !== '')(named('promise 10: nor through the real Caddy', missing), () => {
  let caddy: RunningCaddy
  beforeAll(async () => {
    caddy = await startCaddy({ gatekeeper: `127.0.0.1:${gate.port}` })
  })
  afterAll(() => caddy.stop())

  it.each(Object.entries(HOUSES))('%s', { timeout: 900_000 }, async (name, house) => {
    const tally = await walk(house, caddy.port, spellingsOf(house))
    report('through Caddy', name, tally)
    expect(tally.unguarded).toEqual([])
    expect(tally.hits).toBeGreaterThan(SPELLINGS / 400)
  })
})
