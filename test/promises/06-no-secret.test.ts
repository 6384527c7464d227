import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { randomBase62 } from '../../src/kernel/index.ts'
import { type Call, call } from '../support/caller.ts'
import { formsOf, searchFor } from '../support/canaries.ts'
import { type TestKey, verifyPlace } from '../support/gateway.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { type LeakyBackend, leakyBackend, MANNERS, type Manner } from '../support/leaky-backend.ts'
import { FORM_TYPE, partHead } from '../support/media.ts'
import { around, type Cast, commands, misplaced, ordinary, pastedText, type Slip } from '../support/secret-calls.ts'
import { neverFound, SecretHouse } from '../support/secret-house.ts'
import { ALLOWED, configText, Owner, ownSecrets, PASTED, type SecretScene, secretOf, secretScene } from '../support/secret-scene.ts'
import { until } from '../support/until.ts'

const ROUNDS = process.env.PORTCULLIS_LONG === '1' ? 20 : 1

let backend: LeakyBackend
let scene: SecretScene
let gate: GatewayProcess
let owner: Owner
let keys: Cast['keys']
let house: SecretHouse
const statuses = new Map<number, number>()

beforeAll(async () => {
  // The scene needs the backend's address and the backend what the scene wants it to say.
  backend = await leakyBackend(() => scene.texts.answer)
  scene = secretScene(backend.url)
  gate = await startGatewayProcess(scene.place)
  owner = new Owner(scene.place)
  house = new SecretHouse(scene.place, gate)
  keys = await makeKeys()
  await addEndpoints()
}, 60_000)
afterAll(async () => {
  await backend.close()
  scene.place.remove()
})

async function makeKeys(): Promise<typeof keys> {
  const made: Record<string, TestKey> = {}
  const create = async (name: string, rights: readonly string[], allowed: readonly string[] = []): Promise<void> => {
    made[name] = await owner.shown('/keys', { user: 'ada', rights, concurrency: 0 })
    scene.secret(`key: ${name}`, secretOf(made[name].text), allowed)
  }
  await create('caller', ['all', 'use:rerank'])
  for (const name of ['limited', 'old', 'disabled']) await create(name, ['chat'])
  for (const name of PASTED) await create(name, ['chat'], ALLOWED[name])
  made.rotated = await owner.shown(`/keys/${made.old?.id}/rotate`, { grace_seconds: 3_600, idempotency_key: 'once' })
  scene.secret('key: new secret', secretOf(made.rotated.text))
  await owner.ask('POST', `/keys/${made.disabled?.id}/disable`, {})
  return made as typeof keys // one for each name
}

/** A provider's key for each way in which one is sent, given, exchanged, refused and thrown away. Discovery sends them at once. */
async function addEndpoints(): Promise<void> {
  const secret = (name: string, allowed: readonly string[] = []): string => scene.secret(`provider: ${name}`, randomBase62(40), allowed)
  const key = (name: string, before = 'sk-'): string => `${before}${secret(name, ['backend head'])}`
  const at = { url: backend.url, discover: true }
  await owner.ask('POST', '/endpoints', { ...at, name: 'bearer', key: key('bearer') })
  await owner.ask('POST', '/endpoints', { ...at, name: 'named', dialect: 'anthropic', key: key('its own header') })
  await owner.ask('POST', '/endpoints', { ...at, name: 'pair', dialect: 'a1111', key: key('user and password', 'ada:') })
  await owner.ask('PATCH', '/endpoints/bearer', { key: key('a second one') })
  await owner.ask('PATCH', '/endpoints/bearer', { key: `${secret('with a line break')}\nx` })
  await owner.ask('PATCH', '/endpoints/bearer', { speaks: [secret('in the wrong field')] })
  await owner.ask('GET', `/endpoints/${secret('in a path')}`)
  await owner.ask('POST', '/endpoints', { ...at, name: 'gone', key: key('thrown away') })
  await owner.ask('DELETE', '/endpoints/gone')
  await owner.ask('GET', '/endpoints?all=true')
  await owner.ask('POST', '/models', { name: 'bound', endpoints: [{ endpoint: 'bearer' }] })
  await until(() => /"endpoint":"pair"/.test(gate.log()), { withinMs: 5_000, what: 'the endpoints to be asked' })
}

/** Asks, and keeps the answer as a sink. What a bad backend says is passed on as it is by raw routes, and told in our own words by the others. */
async function ask(name: string, asked: Call, manner: Manner = 'good'): Promise<number> {
  const { status, headers, body } = await call(gate.port, { agent: house.agent, ...asked })
  statuses.set(status, (statuses.get(status) ?? 0) + 1)
  const isRaw = /^\/(?:chat|rerank)\//.test(asked.path)
  const passedOn = manner !== 'good' && (isRaw || status === 200)
  const group = passedOn ? 'passed on' : status === 200 ? 'good answers' : 'errors'
  house.keep(group, `${group}: ${name}`, `${status} ${JSON.stringify(headers)}\n${body}`)
  return status
}

it('callers, backends and the owner say things that nobody else should read', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const manner of MANNERS) {
      backend.behave(manner)
      const calls = [
        ...Object.entries(ordinary({ scene, keys })),
        ['a key in a text', { ...pastedText({ keys, scene }), key: keys.caller.text }] as const,
      ]
      await Promise.all(
        calls.map(([name, asked]) =>
          ask(`${name}, ${manner}`, { ...asked, headers: { ...around({ scene, keys }), ...asked.headers } }, manner),
        ),
      )
    }
    backend.behave('good')
    await Promise.all(
      misplaced({ scene, keys }).map(([name, asked]) =>
        ask(name, { ...asked, headers: { 'user-agent': keys.agent.text, ...asked.headers } }),
      ),
    )
  }
  await heldUpload()
  await ownersSlips()
  for (const status of [200, 400, 401, 403, 404, 405, 415, 500, 502, 503]) expect([...statuses.keys()]).toContain(status)
  expect(backend.faults).toEqual([])
}, 60_000)

/** A file that waits on disk for its options has no name there, even while it is written. */
async function heldUpload(): Promise<void> {
  const head = Buffer.from(partHead('file', 'a.wav') + scene.texts.upload.repeat(2_000))
  const headers = { 'x-api-key': keys.caller.text, 'content-type': FORM_TYPE, 'content-length': head.length + 100 }
  const upload = request({ port: gate.port, host: '127.0.0.1', path: '/whisper/api/transcribe', method: 'POST', headers })
  upload.on('error', () => {})
  upload.write(head)
  const open = (): string[] => readdirSync(`/proc/${gate.pid}/fd`).map((fd) => linkOf(`/proc/${gate.pid}/fd/${fd}`))
  await until(() => open().some((link) => /\/spool\/upload-\w+ \(deleted\)$/.test(link)), { withinMs: 5_000, what: 'an upload on disk' })
  expect(readdirSync(join(scene.place.dataDir, 'spool'))).toEqual([])
  upload.destroy()
}

const linkOf = (path: string): string => {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed in the meantime
  }
}

/** What the owner gets wrong: a key file that is cut short, and secrets in the wrong places of the configuration. */
async function ownersSlips(): Promise<void> {
  const { secret, legacyFile, place } = scene
  const config = join(place.dir, 'portcullis.yaml')
  const token = (name: string): string => secret(name, `sk-${randomBase62(32)}`)
  const auth = (text: string): string => `${configText(backend.url)}    auth: {${text}}\n`
  const slips = [
    [legacyFile, `{"${secret('key of a cut file', `f3a1c0de${randomBase62(20)}`)}": {"user"`],
    [config, configText(`http://ada:${token('password in an address')}@127.0.0.1:1`)],
    [config, configText(`http://127.0.0.1:1/?key=${token('key in an address')}`)],
    [config, auth(`header: 'Bearer ${token('secret for a header')}'`)],
    [config, auth(`value_file: '${token('secret for a file')}'`)],
    [config, `${configText(backend.url)}    api_key: '${token('secret beside the settings')}'\n`],
    [config, `services: {rerank: {auth: "${token('secret in no YAML')}`],
    [config, `services:\n  rerank:\n    auth: *${token('secret after a star')}\n`],
  ] as const
  const [rightKeys, rightConfig] = [readFileSync(legacyFile), readFileSync(config)]
  for (const [at, [file, content]] of slips.entries()) {
    const complaints = complaintsIn(gate.log())
    writeFileSync(file, content)
    writeFileSync(join(place.dir, `slip-${at}`), content, { mode: 0o600 })
    gate.signal('SIGHUP')
    await until(() => complaintsIn(gate.log()) > complaints, { withinMs: 5_000, what: `a complaint about ${content}` })
    writeFileSync(legacyFile, rightKeys)
    writeFileSync(config, rightConfig)
  }
  slipFiles = slips.map(([file], at) => ({ isConfig: file === config, file: join(place.dir, `slip-${at}`) }))
}
let slipFiles: readonly Slip[] = []
const complaintsIn = (log: string): number => log.split('the old one is kept').length

it('no secret is in any sink', async () => {
  const headers = { 'user-agent': `${keys.agent.text} ${'x'.repeat(60)}` }
  await house.rotate({ path: '/chat/api/tags', key: keys.caller.text, headers })
  await house.keepOpenRoutes()
  const pages = ['/keys', '/keys?all=true', `/keys/${keys.old.id}`, '/keys/nothing-of-the-kind', `/keys/${keys['key id'].text}`]
  for (const path of pages) await owner.ask('GET', path)
  const ran = await house.runCommands(commands({ scene, keys }, slipFiles))
  expect(ran.filter(({ words, status }) => ['audit', 'report', 'status'].includes(words[0] ?? '') && status !== 0)).toEqual([])
  for (const [at, answer] of owner.answers.entries()) house.keep('admin', `answer ${at} of the owner's socket`, answer)
  await house.stopAndKeep()
  house.keepWhatTheBackendGot(backend.seen)

  const canaries = [...scene.canaries, ...ownSecrets(scene.place)]
  const { searches, leaks, rightly } = searchFor(canaries, house.sinks)
  process.stdout.write(
    `promise 06: ${canaries.length} canaries × ${house.sinks.length} sinks, ${searches.toLocaleString('en')} searches, leaks ${leaks.length}\n`,
  )
  expect(leaks.map(({ canary, form, sink, around: text }) => `${canary} (${form}) in ${sink}: ${text}`)).toEqual([])
  expect(neverFound(canaries, rightly)).toEqual([])
  expect(house.sinks.find(({ name }) => name.endsWith('inflated'))?.bytes.includes(`pcl_${keys.agent.id}_`)).toBe(true)
  await verifyPlace(scene.place)
}, 60_000)

it('a secret that is somewhere is found, however it is written there', () => {
  const canaries = [{ name: 'planted', secret: secretOf(keys.caller.text), allowed: [] }]
  const log = house.sinks.find(({ name }) => name === 'stderr')
  for (const [form, needles] of formsOf(secretOf(keys.caller.text))) {
    for (const needle of needles) {
      const planted = { group: 'log', name: 'stderr', bytes: Buffer.concat([log?.bytes ?? Buffer.alloc(0), needle, Buffer.from('\n')]) }
      expect(
        searchFor(canaries, [planted]).leaks.map((leak) => leak.sink),
        form,
      ).not.toEqual([])
    }
  }
  const within = Buffer.from(Buffer.from(`ada:${keys.caller.text};`).toString('base64'))
  expect(searchFor(canaries, [{ group: 'log', name: 'stderr', bytes: within }]).leaks).not.toEqual([])
})
