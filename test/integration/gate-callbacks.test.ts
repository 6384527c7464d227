import type { ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { Readable } from 'node:stream'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Service } from '../../src/catalog/index.ts'
import type { OutcomeEntry } from '../../src/contract/index.ts'
import type { LocalAnswer, Plan } from '../../src/dialects/index.ts'
import { type Carrier, type Corridor, createCarrier, createCorridor, type Policy, type Visit } from '../../src/gate/index.ts'
import { createGateServer, envelopeOf, type GateEnv, trustedNetworks } from '../../src/http/index.ts'
import { asKeyId, asUserId, DEFAULT_TENANT, GatewayError, type KeyPrincipal, NO_LIMITS, systemClock } from '../../src/kernel/index.ts'
import { NO_HOLD } from '../../src/limits/index.ts'
import { call } from '../support/caller.ts'
import { type Behaviour, json } from '../support/hostile.ts'
import { type Listening, listen } from '../support/server.ts'
import { endlessStream, generation, type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

/** The real corridor and carrier over sockets, between counters in place of the ledger and the limits. */
interface Bench {
  readonly outcomes: OutcomeEntry[]
  readonly counts: { reserved: number; released: number; intents: number; ended: number; logged: number }
  readonly corridor: Corridor
  readonly carrier: Carrier
  readonly server: Listening
  /** What is done to a visit before it is carried, and the plan it is carried by. */
  perform: (visit: Visit) => Plan | Promise<Plan>
}

const PRINCIPAL: KeyPrincipal = {
  tenant: DEFAULT_TENANT,
  kind: 'key',
  id: asKeyId('AbCdEfGhIjKl'),
  user: 'ada',
  rights: new Set(['text']),
  limits: { ...NO_LIMITS, concurrency: 1 },
  owner: { id: asUserId('usr_ada'), limits: NO_LIMITS },
  models: null,
  logContent: false,
  oldSecret: false,
}
const POLICY: Policy = { who: 'key', right: 'text', service: 'chat', route: '/chat/api/generate', errors: 'ollama' }

async function openBench(service: Service): Promise<Bench> {
  const outcomes: OutcomeEntry[] = []
  const counts = { reserved: 0, released: 0, intents: 0, ended: 0, logged: 0 }
  const count = (what: keyof typeof counts) => () => {
    counts[what] += 1
  }
  const log = { error: count('logged'), warn() {} }
  const corridor = createCorridor({
    clock: systemClock,
    ledger: {
      intent: async () => count('intents')(),
      outcome: (entry) => void outcomes.push(entry),
      refused: () => {},
      lifecycle: async () => {},
    },
    identity: { authenticate: () => PRINCIPAL },
    limits: {
      enter: () => {
        counts.reserved += 1
        return { ...NO_HOLD, settle: count('released'), refuse: count('released') }
      },
    },
    refusedKeyId: () => undefined,
    observer: { began() {}, refused() {}, ended: count('ended') },
    log,
  })
  const carrier = createCarrier({ clock: systemClock, log })
  const app = new Hono<GateEnv>()
  const nobody = trustedNetworks([])
  const server = await listen(
    createGateServer({
      clock: systemClock,
      trusted: () => nobody,
      connectionsPerAddressMax: () => 100,
      fetch: (request, env) => app.fetch(request, env),
      turnAway: () => {},
      refusedSocket: () => {},
    }),
  )
  const bench: Bench = { outcomes, counts, corridor, carrier, server, perform: () => plain() }
  app.all('*', async (c) => {
    const perform = async (visit: Visit) => carrier.carry(visit, service, await bench.perform(visit))
    await corridor.admit(envelopeOf(c.env.incoming), POLICY, perform)
    return RESPONSE_ALREADY_SENT
  })
  return bench
}

const serviceAt = (url: string, concurrency: number): Service => ({
  name: 'chat',
  enabled: true,
  prefix: '/chat',
  url,
  dialect: 'ollama',
  abort: 'cancel',
  routes: [],
  deadlines: { firstByteMs: 5_000, idleMs: 5_000, totalMs: 10_000 },
  bodyBytesMax: 1_000,
  concurrency,
  auth: null,
  allowCloudModels: false,
  errors: 'ollama',
})

const plain = (more: Partial<Plan> = {}, request: Partial<Plan['request']> = {}): Plan => ({
  request: { method: 'POST', path: '/api/generate', headers: { 'content-type': 'application/json' }, body: Buffer.from('{}'), ...request },
  ...more,
})

const thrower = (): never => {
  throw new Error('thrown by a test')
}
const whole = (more: Partial<LocalAnswer> = {}): LocalAnswer => ({ status: 200, headers: {}, body: 'ok', ...more })

/** Makes one method of the response throw, from its nth call on. */
const spoil =
  (method: 'writeHead' | 'write' | 'end' | 'flushHeaders', from = 1) =>
  (visit: Visit): Plan => {
    const { outgoing } = visit.envelope
    const good = outgoing[method].bind(outgoing) as (...given: readonly unknown[]) => unknown // whichever of the four it is
    let calls = 0
    const bad = (...given: readonly unknown[]): unknown => {
      calls += 1
      return calls >= from ? thrower() : good(...given)
    }
    Object.assign(outgoing as ServerResponse, { [method]: bad })
    return plain()
  }

interface Case {
  readonly name: string
  readonly perform: (visit: Visit) => Plan | Promise<Plan>
  readonly backend?: Behaviour
  /** What the caller must see, where it is not merely an end. */
  readonly status?: number
  /** The backend did its part, and what it said was told. */
  readonly complete?: true
}

const CASES: readonly Case[] = [
  { name: 'the plan', perform: thrower, status: 500 },
  { name: 'the plan, a moment later', perform: () => Promise.reject(new GatewayError('BODY_INVALID')), status: 400 },
  { name: 'the choice of a reader', perform: () => plain({ reader: thrower }), status: 502 },
  {
    name: 'a reader at its first chunk',
    perform: () => plain({ reader: () => ({ chunk: thrower, report: () => ({ finished: true, failed: false }) }) }),
  },
  { name: 'a reader when it is asked', perform: () => plain({ reader: () => ({ chunk: (chunk) => chunk, report: thrower }) }) },
  { name: 'a reader always', perform: () => plain({ reader: () => ({ chunk: thrower, report: thrower }) }) },
  { name: 'reshape', perform: () => plain({ reshape: thrower }), status: 502 },
  {
    name: 'reshape, with a refusal',
    perform: () =>
      plain({
        reshape: () => {
          throw new GatewayError('UPSTREAM_REJECTED')
        },
      }),
    status: 400,
    complete: true,
  },
  { name: 'fault', perform: () => plain({ fault: thrower }), backend: json({}, 500), status: 502 },
  { name: 'passes', perform: () => plain({ passes: thrower, fault: thrower }), status: 502 },
  { name: 'a content type that is none', perform: () => plain({ contentType: 'a\nb' }), status: 502 },
  { name: 'a reshaped header that is none', perform: () => plain({ reshape: () => whole({ headers: { 'x-a': 'a\nb' } }) }), status: 502 },
  { name: 'a reshaped status that is none', perform: () => plain({ reshape: () => whole({ status: 99_999 }) }), status: 502 },
  { name: 'a path that cannot be sent', perform: () => plain({}, { path: '/a b\n' }), status: 502 },
  { name: 'a method that cannot be sent', perform: () => plain({}, { method: 'A B' }), status: 502 },
  { name: 'a header that cannot be sent', perform: () => plain({}, { headers: { 'x-a': 'a\nb' } }), status: 502 },
  {
    name: 'a body that fails at once',
    perform: () =>
      plain(
        {},
        {
          body: new Readable({
            read() {
              this.destroy(new Error('no body'))
            },
          }),
        },
      ),
    status: 502,
  },
  {
    name: 'a body that fails later',
    perform: () =>
      plain(
        {},
        {
          body: Readable.from(
            (async function* () {
              yield Buffer.from('a')
              thrower()
            })(),
          ),
        },
      ),
    status: 502,
  },
  {
    name: 'a body that was destroyed before',
    perform: () => {
      const body = new Readable({ read() {} })
      body.destroy()
      return plain({}, { body })
    },
    status: 502,
  },
  { name: 'writeHead', perform: spoil('writeHead') },
  { name: 'the first write', perform: spoil('write') },
  { name: 'the second write', perform: spoil('write', 2) },
  { name: 'end', perform: spoil('end') },
  { name: 'flushHeaders', perform: spoil('flushHeaders'), backend: endlessStream(0) },
]

describe.each([0, 1])('whatever throws while a request is carried (places at the backend: %i)', (concurrency) => {
  let upstream: TextBackend
  let bench: Bench
  beforeEach(async () => {
    upstream = await textBackend()
    bench = await openBench(serviceAt(upstream.url, concurrency))
  })
  afterEach(async () => {
    await bench.server.close()
    await bench.carrier.close()
    await upstream.close()
  })

  it.each(CASES)(
    '$name: one outcome, one release, an end for the caller, and the next one passes',
    async ({ perform, backend, status, complete }) => {
      upstream.behave(backend ?? generation())
      bench.perform = perform
      const answer = await call(bench.server.port, { path: '/chat/api/generate', key: 'k', body: {}, withinMs: 3_000 })
      expect(answer.totalMs).toBeLessThan(3_000)
      if (status !== undefined) expect(answer).toMatchObject({ status, complete: true })
      await until(() => bench.counts.released > 0 && bench.corridor.inFlight.size === 0, {
        withinMs: 2_000,
        what: 'the place to be given back',
      })
      expect(bench.counts).toMatchObject({ intents: 1, reserved: 1, released: 1, ended: 1 })
      expect(bench.outcomes).toHaveLength(1)
      expect(bench.outcomes[0]?.ended === 'complete').toBe(complete ?? false)

      upstream.behave(generation())
      bench.perform = () => plain()
      expect(await call(bench.server.port, { path: '/chat/api/generate', key: 'k', body: {} })).toMatchObject({
        status: 200,
        complete: true,
      })
      await until(() => bench.counts.ended === 2, { withinMs: 2_000, what: 'the second outcome' })
      expect(bench.counts).toMatchObject({ intents: 2, reserved: 2, released: 2 })
    },
  )
})

describe('headers of a backend that Node would not write as they were read', () => {
  it.each([
    ['UTF-8', Buffer.from('attachment; filename="Grüße 音.txt"')],
    ['Latin-1', Buffer.from('attachment; filename="Grüße.txt"', 'latin1')],
  ])('pass, in %s', async (name, value) => {
    const backend = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () =>
        socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\ncontent-disposition: '), value, Buffer.from('\r\n\r\nok')])),
      )
    }).listen(0, '127.0.0.1')
    await until(() => backend.listening, { withinMs: 1_000, what: 'the backend to listen' })
    const { port } = backend.address() as AddressInfo // a TCP server's address is never a pipe name
    const bench = await openBench(serviceAt(`http://127.0.0.1:${port}`, 0))
    const answer = await call(bench.server.port, { path: '/chat/api/generate', key: 'k', body: {} })
    expect(answer).toMatchObject({ status: 200, complete: true, body: 'ok' })
    if (name === 'UTF-8') expect(Buffer.from(answer.headers['content-disposition'] ?? '', 'latin1').toString()).toBe(value.toString())
    await bench.server.close()
    await bench.carrier.close()
    backend.close()
  })
})
