import { createHash } from 'node:crypto'
import { Ollama } from 'ollama'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { chunk, LAST_CHUNK } from '../support/hostile.ts'
import { endlessStream, streamHead, type TextBackend, textBackend, token } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

// Ollama's own client, with a host and a header and nothing else: what its users change when they come to the gate.
const ollamaAt = (gate: GatewayUnderTest, key: string): Ollama => new Ollama({ host: `${gate.url}/chat`, headers: { 'X-API-Key': key } })

async function collect<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const part of parts) all.push(part)
  return all
}

describe("Ollama's own client through the gate", () => {
  let standIns: StandIns
  let gate: GatewayUnderTest
  let ollama: Ollama
  beforeAll(async () => {
    standIns = await startStandIns({ tokensPerSecond: Number.POSITIVE_INFINITY })
    gate = await startTestGateway({ OLLAMA_URL: standIns.ollama.url })
    ollama = ollamaAt(gate, (await gate.key({ rights: ['chat'] })).text)
  })
  afterAll(async () => {
    await gate.stop()
    await standIns.close()
  })

  it('generates, whole and as a stream', async () => {
    const whole = await ollama.generate({ model: 'stand-in', prompt: 'Where are you?' })
    expect(whole).toMatchObject({ done: true, done_reason: 'stop' })
    expect(whole.response).toContain('Where are you?')
    const parts = await collect(await ollama.generate({ model: 'stand-in', prompt: 'Où es-tu, 旅人?', stream: true }))
    expect(parts.map(({ response }) => response).join('')).toContain('Où es-tu, 旅人?')
    expect(parts.at(-1)).toMatchObject({ done: true, eval_count: parts.length - 1 })
    const { units } = (await gate.outcomes()).at(-1) ?? {}
    expect(units).toMatchObject({ tokens_out: parts.length - 1 })
  })

  it('chats, whole and as a stream', async () => {
    const messages = [{ role: 'user', content: 'Good evening' }]
    expect((await ollama.chat({ model: 'stand-in', messages })).message.content).toContain('Good evening')
    const parts = await collect(await ollama.chat({ model: 'stand-in', messages, stream: true }))
    expect(parts.map(({ message }) => message.content).join('')).toContain('Good evening')
    expect(parts.at(-1)?.done).toBe(true)
  })

  it('embeds, lists, shows and asks for what runs', async () => {
    const { embeddings } = await ollama.embed({ model: 'stand-in-embed', input: ['one', 'two'] })
    expect(embeddings).toHaveLength(2)
    expect((await ollama.embeddings({ model: 'stand-in-embed', prompt: 'one' })).embedding.length).toBe(embeddings[0]?.length)
    expect((await ollama.list()).models.map(({ name }) => name)).toContain('stand-in:latest')
    expect((await ollama.ps()).models).toBeInstanceOf(Array)
    expect((await ollama.show({ model: 'stand-in' })).modelfile).toContain('stand-in')
    expect((await ollama.version()).version).toContain('stand-in')
  })

  it('answers as Ollama does where its clients look first', async () => {
    for (const path of ['/chat', '/chat/']) {
      for (const method of ['GET', 'HEAD']) {
        const { status, body } = await call(gate.port, { path, method })
        expect({ path, status, body }).toEqual({ path, status: 200, body: method === 'GET' ? 'Ollama is running' : '' })
      }
    }
    expect(await call(gate.port, { path: '/' })).toMatchObject({ status: 200, body: expect.stringContaining('portcullis') })
  })

  it.each([
    ['where chat was put', { CHAT_PREFIX: '/ollama' }, '/ollama', '/chat'],
    ['nowhere while chat is off', { CHAT_ENABLED: 'false' }, null, '/chat'],
  ])('answers so %s', async (_where, env, running, absent) => {
    const other = await startTestGateway({ OLLAMA_URL: standIns.ollama.url, ...env })
    try {
      if (running !== null) expect(await call(other.port, { path: running })).toMatchObject({ status: 200, body: 'Ollama is running' })
      expect((await call(other.port, { path: absent })).status).toBe(404)
      expect((await other.refusals()).map(({ path }) => path)).toEqual([absent])
    } finally {
      await other.stop()
    }
  })

  it("shows errors in words, the gate's and the backend's", async () => {
    await expect(ollama.generate({ model: 'nobody', prompt: 'x' })).rejects.toThrow("model 'nobody' not found")
    await expect(ollama.generate({ model: 'x:cloud', prompt: 'x' })).rejects.toThrow('cloud models are not allowed here')
    await expect(ollama.delete({ model: 'stand-in' })).rejects.toThrow('This key does not have the right manage:chat')
    await expect(ollama.pull({ model: 'evil' })).rejects.toThrow('This key does not have the right manage:chat')
    await expect(ollamaAt(gate, 'wrong').list()).rejects.toThrow('Unauthorized - API Key Required or not valid')
    await expect(new Ollama({ host: `${gate.url}/chat` }).list()).rejects.toThrow('Unauthorized - API Key Required or not valid')
    expect((await ollama.list()).models.map(({ name }) => name)).toContain('stand-in:latest')
  })

  it('never unloads or pins a model for everybody', async () => {
    const loadedUntil = async () =>
      Date.parse(String((await ollama.ps()).models.find(({ name }) => name === 'stand-in:latest')?.expires_at))
    await ollama.generate({ model: 'stand-in', prompt: 'x', keep_alive: -1 })
    expect(await loadedUntil()).toBeLessThan(Date.now() + 31 * 60_000)
    await ollama.generate({ model: 'stand-in', prompt: '', keep_alive: 0 })
    expect(await loadedUntil()).toBeGreaterThan(Date.now() + 50_000)
  })

  it('manages models with the right for it', async () => {
    const manager = ollamaAt(gate, (await gate.key({ rights: ['chat', 'manage:chat'] })).text)
    const told = await collect(await manager.pull({ model: 'pulled', stream: true }))
    expect(told.at(-1)).toMatchObject({ status: 'success' })
    await manager.copy({ source: 'pulled', destination: 'copied' })
    await manager.delete({ model: 'pulled' })
    const names = (await manager.list()).models.map(({ name }) => name)
    expect([names.includes('copied:latest'), names.includes('pulled:latest')]).toEqual([true, false])
    expect((await gate.outcomes()).slice(-4).map(({ route, ended }) => `${route} ${ended}`)).toEqual([
      '/chat/api/pull complete',
      '/chat/api/copy complete',
      '/chat/api/delete complete',
      '/chat/api/tags complete',
    ])
  })

  it('uploads a blob, and asks for it by HEAD', async () => {
    const { text } = await gate.key({ rights: ['manage:chat'] })
    const blob = Buffer.alloc(300_000, 'layer')
    const path = `/chat/api/blobs/sha256:${createHash('sha256').update(blob).digest('hex')}`
    expect(await call(gate.port, { path, method: 'HEAD', key: text })).toMatchObject({ status: 404 })
    expect(await call(gate.port, { path, method: 'POST', key: text, body: blob })).toMatchObject({ status: 201 })
    expect(await call(gate.port, { path, method: 'HEAD', key: text })).toMatchObject({ status: 200, body: '' })
    expect((await gate.outcomes()).at(-2)).toMatchObject({ bytes_in: 300_000, route: '/chat/api/blobs/:digest', method: 'POST' })
  })
})

describe("Ollama's own client at a backend that misbehaves", () => {
  let upstream: TextBackend
  let gate: GatewayUnderTest
  let ollama: Ollama
  beforeAll(async () => {
    upstream = await textBackend()
    gate = await startTestGateway({ OLLAMA_URL: upstream.url })
    ollama = ollamaAt(gate, (await gate.key({ rights: ['chat'] })).text)
  })
  beforeEach(() => upstream.forget())
  afterAll(async () => {
    await gate.stop()
    await upstream.close()
  })

  it('aborts, and the backend is let go', async () => {
    upstream.behave(endlessStream(3))
    const parts = await ollama.generate({ model: 'm', prompt: 'x', stream: true })
    await expect(
      (async () => {
        for await (const part of parts) if (part.response === 'a') parts.abort()
      })(),
    ).rejects.toThrow(/abort/i)
    await until(() => upstream.asked[0]?.leftMs, { withinMs: 1_000, what: 'the backend to be let go' })
    expect((await gate.outcomes()).at(-1)).toMatchObject({ ended: 'client_closed' })
  })

  it('throws what the backend says when it fails in the middle', async () => {
    upstream.behave(async (x) => {
      await x.body()
      await x.send(
        Buffer.concat([Buffer.from(streamHead), chunk(token('a')), chunk('{"error":"out of memory"}\n'), Buffer.from(LAST_CHUNK)]),
      )
    })
    await expect(ollama.generate({ model: 'm', prompt: 'x', stream: true }).then(collect)).rejects.toThrow('out of memory')
  })

  it("throws the gate's words when the backend dies in the middle, or sends no end", async () => {
    for (const end of ['rst', 'fin'] as const) {
      upstream.behave(async (x) => {
        await x.body()
        await x.send(Buffer.concat([Buffer.from(streamHead), chunk(token('a'))]))
        x[end]()
      })
      await expect(ollama.generate({ model: 'm', prompt: 'x', stream: true }).then(collect)).rejects.toThrow('broke off')
    }
  })
})
