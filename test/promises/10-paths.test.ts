import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCaddy } from '../support/caddy.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { json } from '../support/hostile.ts'
import { Random } from '../support/random.ts'
import { RawClient } from '../support/raw-client.ts'
import { rightForOllama, type Spelling, spell } from '../support/spellings.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'
import { lacking, named } from '../support/tools.ts'

const LONG = process.env.PORTCULLIS_LONG === '1'
const SPELLINGS = LONG ? 30_000 : 2_000
const SEED = Number(process.env.PORTCULLIS_SEED ?? Date.now() % 1_000_000)

let upstream: TextBackend
let gate: GatewayUnderTest
/** Who asks: a name, the key, and the rights that it has. */
let callers: readonly (readonly [name: string, key: string | null, rights: readonly string[]])[]
beforeAll(async () => {
  upstream = await textBackend(json({}))
  gate = await startTestGateway({ OLLAMA_URL: upstream.url, TRUSTED_PROXIES: '127.0.0.1' })
  const keyWith = async (...rights: readonly string[]) => (await gate.key({ rights, concurrency: 0 })).text
  callers = [
    ['nobody', null, []],
    ['a key for text', await keyWith('text'), ['text']],
    ['a key for embeddings', await keyWith('embedding'), ['embedding']],
    ['a key for speech', await keyWith('speech', 'observe', 'use:chat', 'manage:tts'), []],
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
async function walk(port: number, spellings: readonly Spelling[]): Promise<Tally> {
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
        const right = rightForOllama(method, target)
        if (right === null || !rights.includes(right))
          tally.unguarded.push(`${name}: ${spelling.target} (${spelling.made}) became ${method} ${target}`)
      }
    }
  }
  client.close()
  return tally
}

const bytesOf = ({ method, target, headers }: Spelling, key: string | null): string => {
  const body = method === 'GET' || method === 'HEAD' ? '' : '{"model":"m"}'
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: gate.test',
    ...headers,
    `Content-Length: ${body.length}`,
    ...(key === null ? [] : [`X-API-Key: ${key}`]),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

const report = (where: string, { requests, hits, unguarded, statuses }: Tally): void => {
  const answers = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
  process.stdout.write(
    `promise 10: ${where}, ${SPELLINGS} spellings (seed ${SEED}), ${requests} requests, ${hits} reached the backend, unguarded hits ${unguarded.length} (${answers.join(', ')})\n`,
  )
}

const spellings = (): Spelling[] => {
  const random = new Random(SEED)
  return Array.from({ length: SPELLINGS }, () => spell(random))
}

describe('promise 10: no path spelling reaches a backend unguarded', () => {
  it('among spellings that a gate which forwards what it does not know would let through', () => {
    const executed = spellings().filter(({ method, target }) => {
      const right = target.startsWith('/chat/') ? rightForOllama(method, target.slice('/chat'.length)) : null
      return right === 'manage:chat' || right === 'nobody'
    })
    expect(executed.length).toBeGreaterThan(SPELLINGS / 100)
  })

  it('directly', { timeout: 600_000 }, async () => {
    const tally = await walk(gate.port, spellings())
    report('direct', tally)
    expect(tally.unguarded).toEqual([])
    expect(tally.hits).toBeGreaterThan(SPELLINGS / 100)
    expect(tally.statuses.get(500) ?? 0).toBe(0)
  })

  const missing = lacking('caddy')
  it.skipIf(missing !== '')(named('through the real Caddy', missing), { timeout: 600_000 }, async () => {
    const caddy = await startCaddy({ gatekeeper: `127.0.0.1:${gate.port}` })
    const tally = await walk(caddy.port, spellings())
    await caddy.stop()
    report('through Caddy', tally)
    expect(tally.unguarded).toEqual([])
    expect(tally.hits).toBeGreaterThan(SPELLINGS / 100)
  })
})
