import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { pages, partsOf } from '../support/command-lines.ts'
import { type GatewayUnderTest, gatewayPlace, startTestGateway } from '../support/gateway.ts'
import { type PlainBackend, plainBackend } from '../support/plain-backend.ts'
import { rawExchange } from '../support/raw-http.ts'
import { until } from '../support/until.ts'

/** The block of docs/adding-a-service.md, as written. */
const BLOCK = partsOf(pages().get('docs/adding-a-service.md') ?? '').blocks.find(({ language }) => language === 'yaml')?.text ?? ''
const SECRET = 'Bearer of-the-reranker'

let backend: PlainBackend
let gate: GatewayUnderTest
let key: string
beforeEach(async () => {
  backend = await plainBackend()
})
afterEach(async () => {
  await gate.stop()
  await backend.close()
})

/** A gateway with this file; only where things are is told by the environment, as a deployment may. */
async function startWith(yaml: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
  const place = gatewayPlace()
  const [file, secret] = [join(place.dir, 'portcullis.yaml'), join(place.dir, 'rerank.secret')]
  writeFileSync(file, yaml)
  writeFileSync(secret, `${SECRET}\n`, { mode: 0o600 })
  const all = { ...place.env, PORTCULLIS_CONFIG: file, RERANK_URL: backend.url, RERANK_AUTH_VALUE_FILE: secret, ...env }
  gate = await startTestGateway({}, { ...place, env: all })
  key = (await gate.key({ rights: ['use:rerank'] })).text
}

const rerank = (over: Partial<Parameters<typeof call>[1]> = {}) =>
  call(gate.port, { path: '/rerank/api/rerank', key, body: { query: 'q', documents: ['d'] }, ...over })

describe('the block of docs/adding-a-service.md', () => {
  beforeEach(() => startWith(BLOCK))

  it('is what it says', () => {
    const service = gate.config.services.find(({ name }) => name === 'rerank')
    expect(service).toMatchObject({
      enabled: true,
      prefix: '/rerank',
      dialect: 'plain',
      deadlines: { firstByteMs: 30_000, idleMs: 60_000, totalMs: 600_000 },
      bodyBytesMax: 8 * 1024 ** 2,
      concurrency: 4,
      auth: { header: 'authorization' },
    })
    expect(service?.routes.map(({ method, path, right, upstream }) => [method, path, right, upstream])).toEqual([
      ['POST', '/rerank/api/rerank', 'use:rerank', '/v1/rerank'],
      ['GET', '/rerank/api/models/:id{[a-z0-9-]+}', 'use:rerank', '/v1/models/:id'],
    ])
  })

  it('carries a request with its query, with the backend\u2019s credential and without the caller\u2019s', async () => {
    const answer = await rerank({
      path: '/rerank/api/rerank?top_n=3&q=a%20b%2Fc',
      headers: { cookie: 'of=the-caller', origin: 'http://evil.example' },
    })
    expect(answer).toMatchObject({ status: 200, body: '{"results":[]}', complete: true })
    expect(answer.headers).toMatchObject({ 'content-type': 'application/json', 'x-request-id': expect.any(String) })
    for (const name of ['set-cookie', 'server']) expect(answer.headers).not.toHaveProperty(name)
    const [seen] = backend.asked
    expect(seen).toMatchObject({ method: 'POST', target: '/v1/rerank?top_n=3&q=a%20b%2Fc', body: '{"query":"q","documents":["d"]}' })
    expect(seen?.headers).toMatchObject({ authorization: SECRET, 'content-type': 'application/json' })
    for (const name of ['x-api-key', 'cookie', 'origin']) expect(seen?.headers).not.toHaveProperty(name)
    expect(JSON.stringify(seen)).not.toContain(key)
    expect(await gate.outcomes()).toMatchObject([
      { service: 'rerank', route: '/rerank/api/rerank', method: 'POST', status: 200, ended: 'complete' },
    ])
  })

  it('does so when the key comes as a Bearer, in the header that the backend reads too', async () => {
    const { 'x-api-key': _none, ...headers } = { authorization: `Bearer ${key}`, 'x-api-key': '' }
    expect(await call(gate.port, { path: '/rerank/api/rerank', body: '{}', headers })).toMatchObject({ status: 200 })
    expect(backend.asked[0]?.headers.authorization).toBe(SECRET)
  })

  it('wants its own right, which `all` does not contain', async () => {
    const { text } = await gate.key({ user: 'bob', rights: ['all'] })
    const answer = await rerank({ key: text })
    expect(answer).toMatchObject({ status: 403, headers: { 'content-type': 'application/problem+json' } })
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'FORBIDDEN', detail: 'This key does not have the right use:rerank' })
    expect(await rerank({ key: '' })).toMatchObject({ status: 401 })
    expect(backend.asked).toEqual([])
  })

  it('reaches the backend by what it lists, and by nothing else', async () => {
    expect(await call(gate.port, { path: '/rerank/api/models/bge-m3', key })).toMatchObject({ status: 200 })
    expect(await rerank({ method: 'PUT' })).toMatchObject({ status: 405, headers: { allow: 'POST' } })
    const bad = [
      '/v1/rerank',
      '/api',
      '/api/rerank/',
      '/api//rerank',
      '/api/Rerank',
      '/api/models/',
      '/api/models/a.b',
      '/api/models/a%2fb',
      '/api/models/..',
      '/api/models/a/b',
    ]
    for (const path of bad) {
      const text = await rawExchange(
        gate.port,
        `GET /rerank${path} HTTP/1.1\r\nHost: gate\r\nX-API-Key: ${key}\r\nConnection: close\r\n\r\n`,
      )
      expect([path, text.split('\r\n')[0]]).toEqual([path, expect.stringMatching(/^HTTP\/1\.1 (?:400|404|405) /)])
    }
    expect(backend.asked.map(({ target }) => target)).toEqual(['/v1/models/bge-m3'])
  })

  it.each([
    ['server-sent events', 'text/event-stream', ['data: {"a":1}\n\n', ': a comment\n\n', 'data: [DONE]\n\n']],
    ['NDJSON', 'application/x-ndjson', ['{"a":1}\n', '{"a":', '2}\n']],
    ['anything', 'application/octet-stream', ['\u0000\u0001', 'b', 'c']],
  ])('passes %s piece by piece, untouched', async (_name, contentType, pieces) => {
    backend.hold()
    const heard: string[] = []
    const answered = new Promise<Record<string, unknown>>((resolve, reject) => {
      const sent = request({ port: gate.port, path: '/rerank/api/rerank', method: 'POST', headers: { 'x-api-key': key } }, (answer) => {
        answer.on('data', (bytes: Buffer) => heard.push(bytes.toString('latin1')))
        answer.on('end', () => resolve({ status: answer.statusCode, type: answer.headers['content-type'], complete: answer.complete }))
      })
      sent.on('error', reject)
      sent.end('{}')
    })
    await until(() => backend.waiting() === 1, { withinMs: 5_000, what: 'the request at the backend' })
    const held = backend.next()
    held.begin(contentType)
    for (const [index, piece] of pieces.entries()) {
      held.piece(piece) // the next is not sent before the caller has this one
      await until(() => heard.join('') === pieces.slice(0, index + 1).join(''), { withinMs: 5_000, what: `piece ${index} at the caller` })
    }
    held.end()
    expect(await answered).toEqual({ status: 200, type: contentType, complete: true })
    expect(heard).toEqual(pieces)
  })

  it('ends the work of a caller who leaves', async () => {
    backend.hold()
    const sent = request({ port: gate.port, path: '/rerank/api/rerank', method: 'POST', headers: { 'x-api-key': key } })
    sent.on('error', () => {})
    sent.end('{}')
    await until(() => backend.waiting() === 1, { withinMs: 5_000, what: 'the request at the backend' })
    const held = backend.next()
    held.begin('text/event-stream')
    sent.destroy()
    await held.gone
    expect(await gate.outcomes()).toMatchObject([{ ended: 'client_closed' }])
  })

  it('lets four work at once, and a fifth wait', async () => {
    backend.hold()
    const answers = Array.from({ length: 5 }, () => rerank())
    await until(() => backend.waiting() === 4, { withinMs: 5_000, what: 'four requests at the backend' })
    const status = await call(gate.port, { path: '/status' })
    expect(JSON.parse(status.body).backends.find(({ service }: { service: string }) => service === 'rerank')).toMatchObject({
      in_flight: 4,
      waiting: 1,
    })
    expect(backend.asked).toHaveLength(4)
    backend.next().end()
    await until(() => backend.asked.length === 5, { withinMs: 5_000, what: 'the fifth' })
    while (backend.waiting() > 0) backend.next().end()
    expect((await Promise.all(answers)).map(({ status: code }) => code)).toEqual([200, 200, 200, 200, 200])
  })

  it('bounds a body without keeping it', async () => {
    const atMost = Buffer.alloc(8 * 1024 ** 2, 'x')
    expect(await rerank({ body: atMost })).toMatchObject({ status: 200 })
    expect(backend.asked[0]?.body.length).toBe(atMost.length)
    expect(await rerank({ body: Buffer.alloc(atMost.length + 1, 'x') })).toMatchObject({ status: 413 })
    expect(backend.asked).toHaveLength(1)
  })
})

describe('a parameter', () => {
  const WIDE = `services:
  rerank:
    url: http://127.0.0.1:8081
    routes:
      - HEAD /api/files/:name{.+}/meta -> /v1/files/:name
      - GET /api/files/:name{.+}/meta -> /v1/files/:name
      - DELETE /api/files/:name{.+}/meta -> /v1/files/:name
`
  beforeEach(() => startWith(WIDE))

  it('is encoded again by us, and so stays in its segment', async () => {
    const SPELLINGS = [
      ['a%20b', '/v1/files/a%20b'],
      ['a:b', '/v1/files/a:b'],
      ['a%3Fb%23c', '/v1/files/a%3Fb%23c'],
      ['%C3%A9', '/v1/files/%C3%A9'],
      ['a/b', '/v1/files/a%2Fb'],
    ] as const
    for (const [spelled] of SPELLINGS)
      expect([spelled, (await call(gate.port, { path: `/rerank/api/files/${spelled}/meta`, key })).status]).toEqual([spelled, 200])
    expect(backend.asked.map(({ target }) => target)).toEqual(SPELLINGS.map(([, target]) => target))
  })

  it('goes with every method of the table', async () => {
    for (const method of ['HEAD', 'DELETE'])
      expect(await call(gate.port, { method, path: '/rerank/api/files/x/meta?why=1', key })).toMatchObject({ status: 200 })
    expect(backend.asked.map(({ method, target }) => `${method} ${target}`)).toEqual(['HEAD /v1/files/x?why=1', 'DELETE /v1/files/x?why=1'])
  })
})
