import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { adminRoutes, spendingOf } from '../../src/admin/index.ts'
import { buildApp } from '../../src/app.ts'
import { createCarrier, createSpool, ownerGuard } from '../../src/gate/index.ts'
import { systemClock } from '../../src/kernel/index.ts'
import { OPEN_LISTS } from '../../src/openai/index.ts'
import { UNRECORDED_ROUTES } from '../../src/ops/index.ts'
import { type Call, call } from '../support/caller.ts'
import { type GatewayUnderTest, gatewayPlace, startTestGateway, type TestKey } from '../support/gateway.ts'
import { json } from '../support/hostile.ts'
import { rawCaller } from '../support/raw-caller.ts'
import { parseAnswer, rawExchange } from '../support/raw-http.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'
import { freshAddress, RECORDS, type Trail, trailsOf } from '../support/trails.ts'
import { until } from '../support/until.ts'

let upstream: TextBackend
let gate: GatewayUnderTest
let key: TestKey
beforeAll(async () => {
  upstream = await textBackend(json({}))
  const all = { OLLAMA_URL: upstream.url, TTS_URL: upstream.url, IMAGE_URL: upstream.url, WHISPER_URL: upstream.url }
  const on = { TTS_ENABLED: 'true', IMAGE_ENABLED: 'true', WHISPER_ENABLED: 'true' }
  const place = gatewayPlace({ ...all, ...on })
  const file = join(place.dir, 'portcullis.yaml')
  writeFileSync(
    file,
    `services:\n  rerank:\n    url: ${upstream.url}\n    routes: ['POST /api/rerank -> /v1/rerank', 'GET /api/models/:id{[a-z]+}', 'HEAD /api/models/:id{[a-z]+}']\n`,
  )
  gate = await startTestGateway({}, { ...place, env: { ...place.env, PORTCULLIS_CONFIG: file } })
  key = await gate.key({ rights: ['all', 'manage:chat', 'use:rerank', 'observe'], concurrency: 0 })
})
afterAll(async () => {
  await gate.stop()
  await upstream.close()
})

interface Listed {
  readonly method: string
  readonly path: string
}

/** The routes of the very router that serves them, each once: what stands there for every method is no route. */
const routesOf = (app: Hono<never>): Listed[] => {
  const seen = new Map(
    app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => [`${method} ${path}`, { method, path }]),
  )
  return [...seen.values()]
}

function networkRoutes(): Listed[] {
  const { corridor, metrics, models } = gate.gateway.house
  const log = { error() {}, warn() {} }
  const ops = {
    version: '0',
    corridor,
    metrics,
    standing: () => ({ services: [], endpoints: [] }),
    accounts: () => ({ ok: true, behind: 0, lastError: null }),
    ready: () => ({ ready: true, why: '' }),
    uptimeMs: () => 0,
  }
  const app = buildApp({
    services: gate.config.services,
    corridor,
    carrier: createCarrier({ clock: systemClock, log }),
    spool: createSpool({ dir: tmpdir(), bytesMax: 1 }),
    ops,
    log,
    clock: systemClock,
    models,
    limits: gate.gateway.house.limits,
    toModel: () => Promise.reject(new Error('only its routes are asked for')),
    heartbeatMs: 0,
    voices: { list: () => Promise.resolve([]), close() {} },
    openLists: gate.config.openLists,
  })
  const routes = routesOf(app.hono as unknown as Hono<never>) // only its table is read
  expect(new Set(routes.map(({ method, path }) => `${method} ${path}`))).toEqual(
    expect.toSatisfy((names) => [...app.exact.keys()].every((name) => names.has(name))),
  )
  return routes
}

function ownerRoutes(): Listed[] {
  const { corridor, identity, limits, models, usage } = gate.gateway.house
  const spending = spendingOf({ usage, spent: limits.spent, countsAlong: true })
  return routesOf(
    new Hono().route(
      '/admin/api',
      adminRoutes({ identity, models, usage, spending, guard: ownerGuard(corridor), clock: systemClock }),
    ) as unknown as Hono<never>,
  ) // as above
}

const EXAMPLES: Readonly<Record<string, string>> = { digest: `sha256:${'a'.repeat(64)}`, id: 'abcdef' }
/** A path that the pattern takes. */
const exampleOf = ({ path }: Listed): string => path.replaceAll(/:([a-z]+)(?:\{[^/]*\})?/g, (_whole, name: string) => EXAMPLES[name] ?? 'x')

const UNRECORDED: readonly string[] = [...UNRECORDED_ROUTES, ...OPEN_LISTS]
const isUnrecorded = (name: string): boolean => UNRECORDED.includes(name)
const callOf = (route: Listed): Call => ({
  method: route.method,
  path: exampleOf(route),
  ...(route.method === 'GET' || route.method === 'HEAD' ? {} : { body: '{}' }),
})
const nameOf = ({ method, path }: Listed): string => `${method} ${path}`

describe('promise 5: every route leaves a ledger record', () => {
  it('with a key, and without one', async () => {
    const routes = networkRoutes()
    const withKey = await trailsOf(
      gate,
      routes.map((route) => ({ name: nameOf(route), asked: { ...callOf(route), key: key.text } })),
    )
    const forwarded = { 'x-forwarded-for': '192.0.2.1' } // nobody is a local observer through a proxy
    const without = await trailsOf(
      gate,
      routes.map((route) => ({ name: nameOf(route), asked: { ...callOf(route), headers: forwarded } })),
    )
    const unrecorded = [...withKey, ...without].filter(({ lines }) => lines.length === 0)
    const names = [...new Set(unrecorded.map(({ name }) => name))].sort()
    process.stdout.write(
      `promise 05: ${routes.length} routes of the network, ${names.length} leave no record by design: ${names.join(', ')}\n`,
    )
    expect(names).toEqual([...UNRECORDED].sort())
    expect(routes.length).toBeGreaterThan(30)

    const recorded = (trails: readonly Trail[]) => trails.filter(({ name }) => !isUnrecorded(name))
    for (const { name, status, events } of recorded(withKey)) expect(RECORDS, `${name} answered ${status}`).toContain(events)
    for (const { name, status, events } of recorded(without))
      expect({ name, events, refused: [401, 405].includes(status) }).toEqual({ name, events: 'refused', refused: true })
    expect(withKey.filter(({ events }) => events === 'intent,outcome').length).toBeGreaterThan(15)
  })

  it('at the socket of the owner', async () => {
    const routes = ownerRoutes()
    const socketPath = gate.gateway.house.socket
    const trails = await trailsOf(
      gate,
      routes.map((route) => ({ name: nameOf(route), asked: { ...callOf(route), socketPath } })),
    )
    for (const { name, status, events, lines } of trails) {
      // A wrong body is refused before the intent; a wrong name is found when the work has begun.
      expect(RECORDS, `${name} answered ${status}`).toContain(events)
      expect(lines[0]).toMatchObject({ address: 'local', service: 'admin', route: name.split(' ')[1], kind: 'person' })
    }
    process.stdout.write(`promise 05: ${routes.length} routes of the owner's socket, all leave records\n`)
    expect(routes.length).toBeGreaterThanOrEqual(8)
  })
})

const TURNED_AWAY: readonly (readonly [name: string, asked: Call, status: number, code: string])[] = [
  ['no route', { path: '/nowhere' }, 404, 'NOT_FOUND'],
  ['no route below a service', { path: '/chat/api/nothing', method: 'POST', body: '{}' }, 404, 'NOT_FOUND'],
  ['a management route, from the network', { path: '/admin/api/keys' }, 404, 'NOT_FOUND'],
  ['a wrong method', { path: '/chat/api/generate' }, 405, 'METHOD_NOT_ALLOWED'],
  ['a method that nobody knows', { path: '/chat/api/tags', method: 'PROPFIND' }, 405, 'METHOD_NOT_ALLOWED'],
  ['TRACE', { path: '/chat/api/tags', method: 'TRACE' }, 405, 'METHOD_NOT_ALLOWED'],
  ['OPTIONS', { path: '/chat/api/tags', method: 'OPTIONS' }, 405, 'METHOD_NOT_ALLOWED'],
  ['GET where only HEAD is', { path: `/chat/api/blobs/${EXAMPLES.digest}` }, 405, 'METHOD_NOT_ALLOWED'],
  ['an encoded slash', { path: '/chat%2Fapi/tags' }, 400, 'BAD_PATH'],
  ['two keys', { path: '/chat/api/tags', headers: { 'x-api-key': 'a', authorization: 'Bearer b' } }, 400, 'CREDENTIAL_CONFLICT'],
  ['an expectation that nobody can meet', { path: '/chat/api/tags', headers: { expect: 'wonders' } }, 400, 'BAD_REQUEST'],
  ['an upgrade that nobody asked to switch', { path: '/chat/api/tags', headers: { upgrade: 'websocket' } }, 426, 'UPGRADE_REFUSED'],
]

const ok = 'GET /chat/api/tags HTTP/1.1\r\n'
/** Bytes that are no request, or one that is refused before it has a route: [name, bytes, status, code]. */
const MALFORMED: readonly (readonly [name: string, bytes: string, status: number, code: string])[] = [
  ['no HTTP at all', 'hello\r\n\r\n', 400, 'BAD_REQUEST'],
  ['the first bytes of TLS', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003', 400, 'BAD_REQUEST'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'BAD_REQUEST'],
  ['no Host', `${ok}\r\n`, 400, 'BAD_HOST'],
  ['an empty Host', `${ok}Host:\r\n\r\n`, 400, 'BAD_HOST'],
  ['two Hosts', `${ok}Host: a\r\nHost: b\r\n\r\n`, 400, 'BAD_HOST'],
  ['a Host that is no name', `${ok}Host: a b/c@[\r\n\r\n`, 401, 'UNAUTHORIZED'],
  ['a Host that is no address', `${ok}Host: 999.999.999.999\r\n\r\n`, 401, 'UNAUTHORIZED'],
  ['HTTP/1.0 without a Host', 'GET /chat/api/tags HTTP/1.0\r\n\r\n', 401, 'UNAUTHORIZED'],
  ['a target of another host', 'GET http://other/chat/api/tags HTTP/1.1\r\nHost: gate\r\n\r\n', 400, 'BAD_HOST'],
  ['a whole URL for a target', 'GET http://gate/chat/api/tags HTTP/1.1\r\nHost: gate\r\n\r\n', 401, 'UNAUTHORIZED'],
  ['a URL that is none', 'GET http://[::1/x HTTP/1.1\r\nHost: gate\r\n\r\n', 400, 'BAD_HOST'],
  ['a URL of another kind', 'GET ftp://gate/x HTTP/1.1\r\nHost: gate\r\n\r\n', 400, 'BAD_REQUEST'],
  ['OPTIONS for the server', 'OPTIONS * HTTP/1.1\r\nHost: gate\r\n\r\n', 400, 'BAD_REQUEST'],
  ['CONNECT', 'CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n', 400, 'BAD_REQUEST'],
  ['an upgrade', `${ok}Host: gate\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`, 426, 'UPGRADE_REFUSED'],
  ['a method that is none', 'BREW /chat/api/tags HTTP/1.1\r\nHost: gate\r\n\r\n', 400, 'BAD_REQUEST'],
  [
    'a length and chunks at once',
    `POST /chat/api/generate HTTP/1.1\r\nHost: gate\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'BAD_REQUEST',
  ],
  [
    'two lengths',
    'POST /chat/api/generate HTTP/1.1\r\nHost: gate\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
    400,
    'BAD_REQUEST',
  ],
  ['a length that is none', 'POST /chat/api/generate HTTP/1.1\r\nHost: gate\r\nContent-Length: abc\r\n\r\n', 400, 'BAD_REQUEST'],
  ['a control character in a header', `${ok}Host: gate\r\nX-A: a\u0000b\r\n\r\n`, 400, 'BAD_REQUEST'],
  ['headers that are too large', `${ok}Host: gate\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
  ['too many headers', `${ok}Host: gate\r\n${'X-A: a\r\n'.repeat(101)}\r\n`, 431, 'HEADERS_TOO_LARGE'],
]

describe('promise 5: and so does what reaches no route', () => {
  it('in the answers of our own', async () => {
    const trails = await trailsOf(
      gate,
      TURNED_AWAY.map(([name, asked]) => ({ name, asked })),
    )
    const told = trails.map(({ name, status, events, lines }) => [name, status, events, lines[0]?.code, lines[0]?.method])
    expect(told).toEqual(TURNED_AWAY.map(([name, asked, status, code]) => [name, status, 'refused', code, asked.method ?? 'GET']))
  })

  it('in bytes that are no request', async () => {
    const answers = []
    for (const [name, bytes] of MALFORMED) {
      const from = freshAddress()
      const closing = /^(?:GET|OPTIONS)/.test(bytes) ? bytes.replace(/\r\n$/, 'Connection: close\r\n\r\n') : bytes
      const { status, head } = parseAnswer(await rawExchange(gate.port, Buffer.from(closing, 'latin1'), { from }))
      answers.push({ name, from, status, isJson: /content-type: application\/(?:problem\+)?json/i.test(head) })
    }
    const refusals = await gate.refusals()
    const told = answers.map(({ name, from, status, isJson }) => {
      const codes = refusals.filter(({ address }) => address === from).map(({ code, status: recorded }) => `${recorded} ${code}`)
      return [name, status, isJson, codes.join()]
    })
    expect(told).toEqual(MALFORMED.map(([name, , status, code]) => [name, status, true, `${status} ${code}`]))
    process.stdout.write(
      `promise 05: ${TURNED_AWAY.length} requests without a route and ${MALFORMED.length} that are none are recorded, each once\n`,
    )
  })

  it('connections above the limit of one address', async () => {
    const few = await startTestGateway({ OLLAMA_URL: upstream.url, CONNECTIONS_PER_ADDRESS: '2' })
    const held = [await rawCaller(few.port), await rawCaller(few.port)]
    const third = await rawCaller(few.port)
    await third.gone()
    expect(third.received).toMatch(/^HTTP\/1\.1 429 /)
    held[0]?.leave('close')
    await until(async () => (await call(few.port, { path: '/health' })).status === 200, {
      withinMs: 2_000,
      what: 'a place for a connection',
    })
    expect(await few.refusals()).toContainEqual(
      expect.objectContaining({ code: 'TOO_MANY_CONNECTIONS', status: 429, address: '127.0.0.1' }),
    )
    held[1]?.leave('close')
    await few.stop()
  })

  it('malformed requests at the socket of the owner', async () => {
    const answer = await call(gate.port, { path: '/chat%2Fapi', socketPath: gate.gateway.house.socket })
    expect(answer.status).toBe(400)
    expect((await gate.refusals()).at(-1)).toMatchObject({ code: 'BAD_PATH', address: 'local', service: 'admin' })
  })

  it('and a caller who resets an upgrade, a CONNECT or a refused request takes nobody else with him', async () => {
    for (const [, bytes] of MALFORMED.filter(([name]) => ['CONNECT', 'an upgrade', 'no HTTP at all', 'too many headers'].includes(name))) {
      for (let round = 0; round < 20; round += 1) {
        const caller = await rawCaller(gate.port, { from: freshAddress() })
        caller.write(bytes)
        caller.leave('reset')
      }
    }
    expect((await call(gate.port, { path: '/health' })).status).toBe(200)
  })
})
