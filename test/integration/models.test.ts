import { once } from 'node:events'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { call } from '../support/caller.ts'
import { type GatewayPlace, type GatewayUnderTest, gatewayPlace, startTestGateway } from '../support/gateway.ts'
import { spawnCommand, startGatewayProcess } from '../support/gateway-process.ts'
import { until } from '../support/until.ts'

let standIns: StandIns
let place: GatewayPlace
beforeEach(async () => {
  standIns = await startStandIns()
  const urls = {
    OLLAMA_URL: standIns.ollama.url,
    TTS_URL: standIns.tts.url,
    IMAGE_URL: standIns.image.url,
    WHISPER_URL: standIns.whisper.url,
  }
  place = gatewayPlace({ ...urls, TTS_ENABLED: 'true', IMAGE_ENABLED: 'true', WHISPER_ENABLED: 'true' })
})
afterEach(async () => {
  await standIns.close()
  place.remove()
})

const namesOf = ({ gateway }: GatewayUnderTest) => gateway.house.models.list().map(({ name }) => name)
const seen = (gate: GatewayUnderTest, name: string) =>
  until(() => namesOf(gate).includes(name), { withinMs: 10_000, what: `the model ${name}` })

/** `portcullis …` as people run it. */
async function portcullis(...words: readonly string[]): Promise<{ status: number; out: string; err: string }> {
  const child = spawnCommand(place, words)
  const [[status], out, err] = await Promise.all([
    once(child, 'close'),
    child.stdout === null ? '' : text(child.stdout),
    child.stderr === null ? '' : text(child.stderr),
  ])
  return { status: Number(status), out, err }
}

describe('models of a gateway', () => {
  it('appear by themselves at its start, and go and come with the setting', async () => {
    const gate = await startTestGateway({}, place)
    for (const name of ['stand-in:latest', 'tts-1', 'whisper-1', 'stable-diffusion']) await seen(gate, name)
    expect(gate.gateway.house.models.find('stand-in-embed')?.capability).toBe('embedding')
    // As the README's lines have it at /chat: no other stand-in may take the name.
    const body = { model: 'stand-in', messages: [{ role: 'user', content: 'hi' }] }
    const chat = await call(gate.port, { path: '/v1/chat/completions', key: (await gate.key()).text, body })
    expect([chat.status, JSON.parse(chat.body).model]).toEqual([200, 'stand-in:latest'])
    const reload = (DISCOVERY: string) => gate.gateway.reload(() => loadConfig({ ...place.env, DISCOVERY }))
    await reload('off')
    expect(namesOf(gate)).toEqual([])
    await reload('on')
    await seen(gate, 'tts-1')
    await gate.gateway.reload(() => loadConfig({ ...place.env, TTS_ENABLED: 'false' }))
    await until(() => !namesOf(gate).includes('tts-1') && namesOf(gate).includes('whisper-1'), {
      withinMs: 10_000,
      what: 'tts-1 to be gone',
    })
    await gate.stop({ keep: true })
  })

  it('are managed by commands, beside the running gateway and without one, and every change is in the ledger', async () => {
    const key = join(place.dir, 'provider.key')
    writeFileSync(key, 'sk-provider-1\n')
    chmodSync(key, 0o600)
    const gate = await startTestGateway({}, place)
    const running = `store: ${place.dataDir} (the running gateway)\n`
    const added = await portcullis('endpoint', 'add', 'gpu2', '--url', standIns.ollama.url, '--dialect', 'ollama', '--key-file', key)
    expect(added).toEqual({ status: 0, out: expect.stringMatching(/^added gpu2 \(end_\w{16}\)\n$/), err: running })
    const model = ['model', 'add', 'org/modèle:7b', '--endpoint', 'gpu2=stand-in', '--price-in', '0.15', '--fallback', 'stand-in']
    expect(await portcullis(...model)).toMatchObject({ status: 0, err: running })
    expect(gate.gateway.house.models.find('org/modèle:7b')).toMatchObject({
      price: { inMicro: 150_000 },
      places: [{ upstream: 'stand-in' }],
    })
    expect(await portcullis('model', 'show', 'org/modèle:8b')).toMatchObject({
      status: 1,
      err: 'There is no model "org/modèle:8b"; did you mean org/modèle:7b?\n',
    })
    const { text: secret } = await gate.key({ rights: ['all'] })
    const models = JSON.parse((await call(gate.port, { path: '/v1/models', key: secret })).body) as { data: { id: string }[] } // OpenAI's shape
    expect(models.data.map(({ id }) => id)).toEqual(expect.arrayContaining(['org/modèle:7b', 'stand-in:latest', 'tts-1']))
    await gate.stop({ keep: true })

    const own = `store: ${place.dataDir}\n`
    expect((await portcullis('model', 'list')).out).toMatch(/^org\/modèle:7b +text +active +0.15 in for a million tokens/m)
    expect(await portcullis('endpoint', 'disable', 'gpu2')).toMatchObject({
      status: 0,
      out: expect.stringContaining('of 1 model'),
      err: own,
    })
    expect((await portcullis('endpoint', 'list')).out).toContain('builtin:chat')
    expect((await portcullis('endpoint', 'show', 'gpu2')).out).toMatch(/state +disabled/)

    const after = await startTestGateway({}, place)
    const intents = (await after.lines()).filter(({ event, route }) => event === 'outcome' && String(route).startsWith('/admin/api/'))
    const { id } = after.gateway.house.models.manage.endpoints.show('gpu2')
    expect(intents.map(({ method, route, target, status }) => `${method} ${route} ${target} ${status}`)).toEqual([
      `POST /admin/api/endpoints ${id} gpu2 201`,
      'POST /admin/api/models org/modèle:7b 201',
      'GET /admin/api/models/:name{.+} stand-in 200',
      'GET /admin/api/models/:name{.+} org/modèle:8b 404',
      'GET /admin/api/models undefined 200',
      `PATCH /admin/api/endpoints/:name ${id} gpu2 active=false 200`,
      'GET /admin/api/endpoints undefined 200',
      'GET /admin/api/endpoints/:name gpu2 200',
    ])
    expect(JSON.stringify(await after.lines())).not.toContain('sk-provider')
    await after.stop({ keep: true })
  }, 60_000)

  it('whose provider’s key cannot be opened do not keep the gateway from starting', async () => {
    const first = await startTestGateway({}, place)
    const { endpoints, models } = first.gateway.house.models.manage
    await endpoints.create({ name: 'cloud', url: 'http://127.0.0.1:9/v1', dialect: 'openai', key: 'sk-provider-1' })
    await models.create({ name: 'far', capability: 'text', endpoints: [{ endpoint: 'cloud', upstream: null }] })
    await first.stop({ keep: true })
    rmSync(join(place.dataDir, 'endpoints.key'))
    const gate = await startGatewayProcess(place)
    expect(gate.log()).toContain('cannot be opened')
    expect(gate.log()).not.toContain('sk-provider')
    expect((await portcullis('endpoint', 'list')).out).toMatch(
      /^cloud +cannot serve .*\n(?:.*\n)*cloud: its key cannot be opened: restore endpoints.key/m,
    )
    await gate.stop()
  }, 60_000)
})
