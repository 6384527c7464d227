import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningCaddy, startCaddy } from '../support/caddy.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { type StandIn, standInGatekeeper } from '../support/stand-in-gatekeeper.ts'
import { lacking, named } from '../support/tools.ts'
import { until } from '../support/until.ts'

const reason = lacking('caddy')
const CALLER = '203.0.113.9'
const PAGE = 'https://chat.example.org'

describe.skipIf(reason)(named('Caddy before the real gatekeeper', reason), () => {
  let ollama: StandIn
  let gateway: GatewayUnderTest
  let caddy: RunningCaddy
  let key: TestKey
  beforeAll(async () => {
    ollama = await standInGatekeeper()
    gateway = await startTestGateway({ OLLAMA_URL: `http://${ollama.address}`, TRUSTED_PROXIES: '127.0.0.1', CORS_ORIGINS: PAGE })
    key = await gateway.key()
    const env = { CLIENT_ADDRESS: 'private', OPERATIONS: 'on' }
    caddy = await startCaddy({ gatekeeper: `127.0.0.1:${gateway.port}`, env })
  })
  afterAll(async () => {
    await caddy?.stop()
    await gateway?.stop()
    await ollama?.close()
  })

  const ask = (path: string, headers: Readonly<Record<string, string>>, body?: string) =>
    fetch(`${caddy.url}${path}`, {
      headers: { 'x-forwarded-for': `6.6.6.6, ${CALLER}`, ...headers },
      ...(body ? { method: 'POST', body } : {}),
    })

  test('a generation streams through both, and the ledger knows the caller', async () => {
    let more = () => {}
    ollama.answerWith((req, res) => {
      req.resume().once('end', () => {
        res.writeHead(200, { 'content-type': 'application/x-ndjson' })
        res.write('{"response":"a","done":false}\n')
        more = () => res.end('{"response":"","done":true,"prompt_eval_count":2,"eval_count":1}\n')
      })
    })
    const res = await ask('/chat/api/generate', { 'x-api-key': key.text }, '{"model":"m","prompt":"p"}')
    const reader = res.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toBe('{"response":"a","done":false}\n')
    more()
    expect((await reader?.read())?.value).toContain('"done":true')
    expect((await reader?.read())?.done).toBe(true)
    const [outcome] = await gateway.outcomes()
    expect(outcome).toMatchObject({ address: CALLER, route: '/chat/api/generate', key: key.id, ended: 'complete', status: 200 })
    expect(outcome?.request).toBe(res.headers.get('x-request-id'))
    // The caller's key ends at the gatekeeper.
    expect(JSON.stringify(ollama.seen)).not.toContain(key.text)
  })

  test('no key ends at Caddy, a wrong one at the gatekeeper, in the face\u2019s own words and on record', async () => {
    const before = (await gateway.refusals()).length
    expect(await (await ask('/chat/api/tags', {})).text()).toBe('401 Unauthorized - API Key Required')
    expect(await gateway.refusals()).toHaveLength(before)
    const wrong = await ask('/chat/api/tags', { authorization: 'Bearer nonsense' })
    expect(wrong.status).toBe(401)
    expect(await wrong.json()).toHaveProperty('error')
    const refused = await until(async () => (await gateway.refusals())[before], { withinMs: 2_000, what: 'the refusal on record' })
    expect(refused).toMatchObject({ address: CALLER, code: 'UNAUTHORIZED' })
  })

  test('who comes through Caddy is not on loopback, though Caddy is', async () => {
    for (const path of ['/status', '/metrics']) {
      expect((await ask(path, { 'x-api-key': key.text })).status).toBe(403)
      expect((await fetch(`${gateway.url}${path}`)).status).toBe(200)
    }
  })

  test('a body above the route\u2019s own limit is refused by the gatekeeper', async () => {
    ollama.seen.length = 0
    const res = await ask(
      '/chat/api/generate',
      { 'x-api-key': key.text },
      JSON.stringify({ model: 'm', prompt: 'x'.repeat(33 * 1024 * 1024) }),
    ).catch(() => undefined)
    // A client that is still sending may see the connection close before it sees the answer.
    if (res) expect(res.status).toBe(413)
    expect(ollama.seen).toEqual([])
  })

  test('a browser asks before it sends its key, and is told what the gatekeeper allows', async () => {
    const wanted = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization, x-stainless-os' }
    const preflight = (origin: string) => fetch(`${caddy.url}/v1/chat/completions`, { method: 'OPTIONS', headers: { origin, ...wanted } })
    const allowed = await preflight(PAGE)
    expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([204, PAGE])
    expect(allowed.headers.get('access-control-allow-headers')).toBe(wanted['access-control-request-headers'])
    const other = await preflight('https://evil.example')
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([405, null])
    const { headers } = await ask('/v1/models', { origin: PAGE, authorization: `Bearer ${key.text}` })
    expect(headers.get('access-control-allow-origin')).toBe(PAGE)
  })

  test('names and addresses that are open need no key', async () => {
    for (const path of ['/', '/health', '/ready', '/v1/audio/voices', '/v1/audio/models']) expect((await ask(path, {})).status).toBe(200)
  })
})
