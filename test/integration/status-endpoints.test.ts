import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LIMITS } from '../../src/kernel/index.ts'
import { call } from '../support/caller.ts'
import { freePort } from '../support/free-port.ts'
import { spawnCommand } from '../support/gateway-process.ts'
import { json } from '../support/hostile.ts'
import { until } from '../support/until.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

let scene: V1Scene
beforeEach(async () => {
  scene = await openV1Scene()
})
afterEach(() => scene.close())

interface Told {
  readonly endpoint: string
  readonly up: boolean | null
  readonly breaker: string
  readonly passed_over: { readonly why: string; readonly times: number; readonly last: string } | null
}

async function toldOf(what: 'backends' | 'endpoints'): Promise<readonly Told[]> {
  const { body } = await call(scene.gate.port, { path: '/status', headers: { host: 'localhost' } })
  return (JSON.parse(body) as Record<typeof what, readonly Told[]>)[what] // what our own route says
}

const told = () => toldOf('endpoints')

const one = async (name: string): Promise<Told | undefined> => (await told()).find(({ endpoint }) => endpoint === name)

/** What a person reads who runs the command. */
async function status(): Promise<string> {
  const { gate } = scene
  const asking = spawnCommand({ ...gate, env: { ...gate.env, PORT: String(gate.port), NO_COLOR: '1' } }, ['status'])
  return asking.stdout === null ? '' : text(asking.stdout)
}

const rowOf = (page: string, name: string): string => page.split('\n').find((line) => line.startsWith(`│ ${name} `)) ?? ''

describe('portcullis status, of endpoints', () => {
  it('says which are up, which are down, which are left alone or tried again, and which are switched off', async () => {
    const { endpoints } = scene.gate.gateway.house.models.manage
    const dead = async (name: string, priority = 0) =>
      endpoints.create({ name, url: `http://127.0.0.1:${await freePort()}/v1`, dialect: 'openai', priority })
    await scene.endpoint('live', { priority: 3 })
    await dead('dead', 2)
    await dead('gone')
    await scene.endpoint('off')
    await endpoints.edit('off', { active: false })
    await scene.model('m', ['gone', 'live'])
    for (let turn = 0; turn < LIMITS.breakerFailures + 2; turn += 1) expect((await scene.chat()).status).toBe(200)
    await scene.gate.gateway.reload(() => scene.gate.config)
    await until(async () => (await told()).every(({ endpoint, up }) => endpoint === 'off' || up !== null), {
      withinMs: 10_000,
      what: 'all to be asked how they are',
    })

    const page = await status()
    expect(page).toMatch(/│ endpoint │.*│ priority │/)
    expect(rowOf(page, 'live')).toMatch(/│ http:\/\/127\.0\.0\.1:\d+ +│ up .* ms .*│ 3 +│$/)
    expect(rowOf(page, 'dead')).toMatch(/│ down .*│ - .*│ 2 +│$/)
    expect(rowOf(page, 'off')).toMatch(/│ switched off /)
    expect(rowOf(page, 'gone')).toMatch(/│ left alone: it failed /)
    expect(page).toMatch(/^dead: http:\S+ refused the connection/m)
    expect(page).toMatch(/^gone: passed over 7 times, the last at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: breaker open$/m)
    expect(page).not.toMatch(/^(?:live|off|dead): passed over/m)

    const withinMs = LIMITS.breakerOpenMs + 3_000
    await until(async () => (await one('gone'))?.breaker === 'half-open', { withinMs, what: 'its time to be over' })
    expect(rowOf(await status(), 'gone')).toMatch(/│ on trial /)
  })

  it('says why one was passed over, and how often', async () => {
    const busy = await scene.endpoint('busy')
    await scene.endpoint('spare', { priority: 1 })
    await scene.model('m', ['busy', 'spare'])
    expect((await one('busy'))?.passed_over).toBe(null)
    busy.behave(json({ error: { message: 'later' } }, 503))
    const sinceMs = Date.now()
    expect((await scene.chat()).status).toBe(200)
    const passed = (await one('busy'))?.passed_over
    expect(passed).toMatchObject({ why: 'UPSTREAM_BUSY', times: 1 })
    expect(Date.parse(passed?.last ?? '')).toBeGreaterThanOrEqual(sinceMs)
    expect(await status()).toMatch(/^busy: passed over once, the last at .* UTC: UPSTREAM_BUSY$/m)
    expect((await one('spare'))?.passed_over).toBe(null)
  })
})

describe('portcullis status, of the services of the gate', () => {
  it('says why one was passed over', async () => {
    const { gate } = scene
    await gate.gateway.reload(() => ({
      ...gate.config,
      services: gate.config.services.map((service) =>
        service.name === 'chat' ? { ...service, enabled: true, url: 'http://127.0.0.1:9' } : service,
      ),
    }))
    await until(async () => (await toldOf('backends'))[0]?.up === false, { withinMs: 10_000, what: 'the service to be seen down' })
    await scene.endpoint('spare', { priority: 1 })
    await scene.model('m', ['builtin:chat', 'spare'])
    expect((await scene.chat()).status).toBe(200)
    expect(await status()).toMatch(/^chat: passed over once, the last at .* UTC: down$/m)
  })
})
