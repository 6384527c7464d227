import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, gatewayPlace, startTestGateway } from '../support/gateway.ts'
import { spawnCommand } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'

/** An address of this machine that is not loopback, as a LAN or a VPN gives it; '' where there is none. */
const outward = (family: 'IPv4' | 'IPv6'): string =>
  Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find((one) => one.family === family && !one.internal && !/^fe80:/i.test(one.address))?.address ?? ''
const named = await lookup(hostname()).then(
  () => hostname(),
  () => '',
)

describe('portcullis status, of a gateway that listens', () => {
  let gate: GatewayUnderTest
  afterEach(() => gate.stop())

  it.each(
    [
      ['at loopback', '127.0.0.1'],
      ['at localhost', 'localhost'],
      ['everywhere', '0.0.0.0'],
      ['at an address of its own', outward('IPv4')],
      ['at an IPv6 address of its own', outward('IPv6')],
      ["under the machine's name", named],
    ].filter(([, host]) => host !== ''),
  )('%s (%s), is answered without a key', async (_where, host) => {
    gate = await startTestGateway({ HOST: host ?? '' })
    const asking = spawnCommand({ ...gate, env: { ...gate.env, HOST: host ?? '', PORT: String(gate.port) } }, ['status'])
    const [[status], said] = await Promise.all([
      once(asking, 'close'),
      Promise.all([asking.stdout, asking.stderr].map((one) => (one ? text(one) : ''))),
    ])
    expect([status, said]).toEqual([0, [expect.stringMatching(/^portcullis \S+, .*ready, .* 0 in flight/), '']])
  })
})

describe('GET /status', () => {
  it('has the fields that docs/services.md names, and no others', async () => {
    const gate = await startTestGateway({ CHAT_ENABLED: 'true' })
    await gate.gateway.house.models.manage.endpoints.create({ name: 'gpu2', url: 'http://127.0.0.1:9/v1', dialect: 'openai' })
    const status = JSON.parse((await call(gate.port, { path: '/status' })).body)
    await gate.stop()
    const page = readFileSync(new URL('../../docs/services.md', import.meta.url), 'utf8')
    const section = page.split('### What `/status` says\n')[1]?.split(/^## /m)[0] ?? ''
    const documented = [...section.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) => cell.match(/\w+/g) ?? [])
    const [[backend], [endpoint]] = [status.backends, status.endpoints]
    expect([backend.service, endpoint.endpoint]).toEqual(['chat', 'gpu2'])
    const { service, ...ofBackend } = backend
    const { endpoint: name, active, priority, breaker, ...ofEndpoint } = endpoint
    expect(Object.keys(ofEndpoint)).toEqual(Object.keys(ofBackend))
    expect([active, priority, breaker]).toEqual([true, 0, 'closed'])
    expect([...new Set(documented)].sort()).toEqual([...new Set([...Object.keys(status), ...Object.keys(ofBackend)])].sort())
    for (const field of ['service', 'endpoint', 'active', 'priority', 'breaker', 'times', 'last', 'why', ...Object.keys(status.accounts)])
      expect(section).toContain(`\`${field}\``)
  })
})

describe('a gateway whose ledger was exchanged', () => {
  it('says that its accounts stand still and why, and opens and closes none of them', { timeout: 60_000 }, async () => {
    const place = gatewayPlace()
    const first = await startTestGateway({}, place)
    await first.gateway.house.identity.users.create({ name: 'grace', balance: 10 })
    await first.gateway.drain('test')
    rmSync(dirname(place.ledgerFile), { recursive: true })
    for (const name of ['ledger.path', 'ledger.seal']) rmSync(join(place.dataDir, name), { force: true })
    mkdirSync(dirname(place.ledgerFile))
    const gate = await startTestGateway({}, place)
    const asking = spawnCommand({ ...gate, env: { ...gate.env, PORT: String(gate.port) } }, ['status'])
    const said = await (asking.stdout === null ? '' : text(asking.stdout))
    expect(said).toMatch(/^the accounts stand still, \d+ lines? of the ledger behind: .*sequence/m)
    const { status, body } = await call(0, {
      method: 'PATCH',
      path: '/admin/api/users/grace',
      socketPath: gate.gateway.house.socket,
      body: { billed: false },
    })
    expect([status, body]).toEqual([503, expect.stringContaining('Not all that was used is counted yet')])
    expect((await gate.gateway.house.identity.users.show('grace')).balanceMicro).toBe(10)
    await gate.gateway.drain('test')
    place.remove()
  })
})

describe('a gateway without a key', () => {
  it.each(['info', 'error', 'silent'])('says how to make one, whatever is logged (%s)', async (level) => {
    const place = gatewayPlace({ LOG_LEVEL: level })
    const child = spawnCommand(place, ['serve'])
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (more: string) => {
      said += more
    })
    await until(() => said.includes('\n') && /there is no key yet.* make one with: scripts\/apikey generate/.test(said), {
      withinMs: 20_000,
      what: 'the hint',
    })
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
    expect(said.match(/there is no key yet/g)).toHaveLength(1)
    place.remove()
  })
})
