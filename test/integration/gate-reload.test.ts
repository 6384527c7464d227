import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Agent, createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { call, generate } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

/** A backend that holds every job until it is told to end it, and answers questions about its health unless it is silent. */
interface HoldingBackend {
  readonly url: string
  readonly jobs: ServerResponse[]
  silent: boolean
  readonly server: Server
}

async function holdingBackend(): Promise<HoldingBackend> {
  const jobs: ServerResponse[] = []
  const server = createServer((asked, answer) => {
    asked.resume()
    if (asked.method === 'POST') jobs.push(answer)
    else if (!backend.silent) answer.end('{"version":"0.9.0"}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a TCP listener has one
  const backend = { url: `http://127.0.0.1:${port}`, jobs, silent: false, server }
  return backend
}

interface BackendStatus {
  readonly service: string
  readonly up: boolean | null
  readonly since: string | null
  readonly in_flight: number
  readonly waiting: number
}

describe('what a reload leaves as it is', () => {
  let backend: HoldingBackend
  let gate: GatewayUnderTest
  beforeEach(async () => {
    backend = await holdingBackend()
    gate = await startTestGateway({ OLLAMA_URL: backend.url, CHAT_CONCURRENCY: '1' })
  })
  afterEach(async () => {
    for (const job of backend.jobs) job.end('{"done":true}')
    await gate.stop()
    backend.server.closeAllConnections()
    backend.server.close()
  })

  const reload = (more: Readonly<Record<string, string>> = {}) => gate.gateway.reload(() => loadConfig({ ...gate.env, ...more }))
  const status = async (): Promise<BackendStatus | undefined> => {
    const { backends } = JSON.parse((await call(gate.port, { path: '/status' })).body) as { backends: readonly BackendStatus[] } // as docs say
    return backends[0]
  }
  const statusIs = (want: Partial<BackendStatus>) =>
    until(
      async () => {
        const now = await status()
        return now && Object.entries(want).every(([name, value]) => Object.entries(now).some(([n, v]) => n === name && v === value))
      },
      { withinMs: 3_000, what: `the status to be ${JSON.stringify(want)}` },
    )

  it('is what is known of a backend that stays the same, until it is asked again', async () => {
    await statusIs({ up: true })
    const before = await status()
    backend.silent = true
    await reload()
    expect(await status()).toMatchObject({ up: true, since: before?.since })
    await reload({ OLLAMA_URL: 'http://127.0.0.1:1' })
    expect((await status())?.since).not.toBe(before?.since)
    expect(gate.log()).not.toContain(`backend down: ${backend.url}`)
  })

  it('is the queue of a backend, whose size changes under those who are in it', async () => {
    const { text } = await gate.key({ concurrency: 0 })
    const ask = () => void call(gate.port, generate(text))
    ask()
    await statusIs({ in_flight: 1, waiting: 0 })
    ask()
    ask()
    await statusIs({ in_flight: 1, waiting: 2 })
    await reload({ CHAT_CONCURRENCY: '2' })
    await until(() => backend.jobs.length === 2, { withinMs: 3_000, what: 'the second job at the backend' })
    ask()
    await statusIs({ in_flight: 2, waiting: 2 })
    await reload({ CHAT_CONCURRENCY: '1' })
    backend.jobs[0]?.end('{"done":true}')
    await statusIs({ in_flight: 1, waiting: 2 })
    expect(backend.jobs).toHaveLength(2)
    backend.jobs[1]?.end('{"done":true}')
    await until(() => backend.jobs.length === 3, { withinMs: 3_000, what: 'the third job at the backend' })
    await statusIs({ in_flight: 1, waiting: 1 })
    backend.jobs[2]?.end('{"done":true}')
    await until(() => backend.jobs.length === 4, { withinMs: 3_000, what: 'the last job at the backend' })
  })

  it('is how many are at a backend, when it had no bound before', async () => {
    await reload({ CHAT_CONCURRENCY: '0' })
    const { text } = await gate.key({ concurrency: 0 })
    const ask = () => void call(gate.port, generate(text))
    for (let n = 0; n < 3; n += 1) ask()
    await statusIs({ in_flight: 3, waiting: 0 })
    await reload({ CHAT_CONCURRENCY: '2' })
    ask()
    await statusIs({ in_flight: 3, waiting: 1 })
    backend.jobs[0]?.end('{"done":true}')
    await statusIs({ in_flight: 2, waiting: 1 })
    expect(backend.jobs).toHaveLength(3)
    backend.jobs[1]?.end('{"done":true}')
    await until(() => backend.jobs.length === 4, { withinMs: 3_000, what: 'the job that waited' })
    await statusIs({ in_flight: 2, waiting: 0 })
    for (const job of backend.jobs) job.end('{"done":true}')
    await statusIs({ in_flight: 0, waiting: 0 })
  })

  it('is the order in which reloads were asked for, though the earlier one has keys to take over', async () => {
    const file = join(gate.dir, 'keys.json')
    const old = Array.from({ length: 20 }, (_none, n) => [randomUUID(), { user: `user-${n}`, active: true }])
    writeFileSync(file, JSON.stringify(Object.fromEntries(old)), { mode: 0o600 })
    const read: string[] = []
    const asked = (name: string, more: Readonly<Record<string, string>>) =>
      gate.gateway.reload(() => {
        read.push(`${name} is read`)
        return loadConfig({ ...gate.env, ...more })
      })
    const done = (name: string) => () => void read.push(`${name} is in force`)
    await Promise.all([
      asked('first', { API_KEYS_FILE: file, CHAT_ENABLED: 'false' }).then(done('first')),
      asked('broken', { CHAT_CONCURRENCY: 'many' }).catch(done('none')),
      asked('last', {}).then(done('last')),
    ])
    expect(read).toEqual(['first is read', 'first is in force', 'broken is read', 'none is in force', 'last is read', 'last is in force'])
    const { text } = await gate.key()
    const answer = call(gate.port, generate(text))
    await until(() => backend.jobs.length === 1, { withinMs: 3_000, what: 'the service that the last configuration has' })
    backend.jobs[0]?.end('{"done":true}')
    expect(await answer).toMatchObject({ status: 200 })
  })

  it('is not whom an open connection is believed to speak for', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const latest = async () => (await gate.lines()).findLast(({ event }) => event === 'refused')
    const wrong = { path: '/chat/api/nowhere', agent, headers: { 'x-forwarded-for': '203.0.113.7' } }
    await call(gate.port, wrong)
    expect(await latest()).toMatchObject({ address: '127.0.0.1' })
    await reload({ TRUSTED_PROXIES: '127.0.0.0/8' })
    await call(gate.port, wrong)
    expect(await latest()).toMatchObject({ address: '203.0.113.7' })
    await reload()
    await call(gate.port, wrong)
    expect(await latest()).toMatchObject({ address: '127.0.0.1' })
    agent.destroy()
  })
})
