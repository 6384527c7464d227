import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { freePort } from '../support/free-port.ts'
import { json } from '../support/hostile.ts'
import { busy } from '../support/openai-backend.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

const MICRO = 1_000_000
let scene: V1Scene
beforeEach(async () => {
  scene = await openV1Scene()
  await scene.gate.gateway.house.models.manage.endpoints.create({ name: 'gone', url: await deadUrl(), dialect: 'openai' })
})
afterEach(() => scene.close())

const deadUrl = async () => `http://127.0.0.1:${await freePort()}/v1`
const lastOutcome = async () => (await scene.gate.outcomes()).filter(({ service }) => service === 'v1').at(-1)

describe('a model that stands in for another', () => {
  it('serves, and another for that one, but no circle of them', async () => {
    await scene.gate.gateway.house.models.manage.endpoints.create({ name: 'gone too', url: await deadUrl(), dialect: 'openai' })
    const good = await scene.endpoint('good')
    await scene.model('small', ['good'])
    await scene.model('middle', ['gone too'], { fallback: 'small' })
    await scene.model('m', ['gone'], { fallback: 'middle' })
    const answer = await scene.chat()
    expect(answer.status).toBe(200)
    expect(JSON.parse(good.last.body.toString())).toMatchObject({ model: 'small' })
    expect(JSON.parse(answer.body)).toMatchObject({ model: 'm' })
    expect(await lastOutcome()).toMatchObject({
      model: 'small',
      endpoint: 'good',
      passed_over: 'gone: UPSTREAM_UNREACHABLE; then: model middle; gone too: UPSTREAM_UNREACHABLE; then: model small',
    })
    await scene.gate.gateway.house.models.manage.models.edit('middle', { fallback: 'm' })
    expect((await scene.chat()).status).toBe(503)
  })

  it('asks nobody twice who was busy, where models stand in for each other', async () => {
    const [one, two] = [await scene.endpoint('one'), await scene.endpoint('two')]
    one.behave(busy(503))
    two.behave(busy(503))
    await scene.model('n', ['two'])
    await scene.model('m', ['one'], { fallback: 'n' })
    await scene.gate.gateway.house.models.manage.models.edit('n', { fallback: 'm' })
    expect((await scene.chat()).status).toBe(503)
    expect([one.asked.length, two.asked.length]).toEqual([1, 1])
  })

  it('may stand at an endpoint that had no room for the other', async () => {
    const one = await scene.endpoint('one', { rpm: 1 })
    await scene.model('small', ['one'], { rpm: 10 })
    await scene.model('m', ['one'], { fallback: 'small' })
    expect([(await scene.chat()).status, (await scene.chat()).status]).toEqual([200, 200])
    expect(one.asked.length).toBe(2)
    expect(await lastOutcome()).toMatchObject({ model: 'small', passed_over: 'one: RATE_LIMITED; then: model small' })
  })

  it('is not a way to a model that the key may not use', async () => {
    const good = await scene.endpoint('good')
    await scene.model('large', ['good'])
    await scene.model('m', ['gone'], { fallback: 'large' })
    const bound = await scene.newKey({ models: ['m'] })
    expect((await scene.chat({}, bound)).status).toBe(503)
    expect(good.asked.length).toBe(0)
    expect((await lastOutcome())?.passed_over).toBe('gone: UPSTREAM_UNREACHABLE; model large: not for this key')
    expect((await scene.chat()).status).toBe(200)
  })

  it('is paid for at its own price, and only where that is covered', async () => {
    const good = await scene.endpoint('good')
    good.behave(json({ choices: [], usage: { prompt_tokens: 500, completion_tokens: 500 } }))
    await scene.model('dear', ['good'], { unit: 'token', price_in: 1_000 * MICRO, price_out: 1_000 * MICRO })
    await scene.model('m', ['gone'], { fallback: 'dear' })
    const { users } = scene.gate.gateway.house.identity
    await users.create({ name: 'grace', balance: 1 * MICRO })
    const key = await scene.newKey({ user: 'grace' })
    expect((await scene.chat({ max_tokens: 10 }, key)).status).toBe(200)
    expect((await users.show('grace')).balanceMicro).toBe(0)
    expect(await lastOutcome()).toMatchObject({ model: 'dear', cost_micro: MICRO })
    const refused = await scene.chat({ max_tokens: 10 }, key)
    expect([refused.status, good.asked.length]).toEqual([402, 1])
  })

  it('keeps its own limits', async () => {
    const good = await scene.endpoint('good')
    await scene.model('small', ['good'], { rpm: 1 })
    await scene.model('m', ['gone'], { fallback: 'small' })
    const answers = [await scene.chat(), await scene.chat()]
    expect(answers.map(({ status }) => status)).toEqual([200, 429])
    expect(answers[1]?.body).toContain('model small')
    expect(good.asked.length).toBe(1)
  })
})

describe('an upload', () => {
  const FORM_TYPE = 'multipart/form-data; boundary=xx'
  const part = (name: string, value: string, more = '') =>
    `--xx\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`
  const file = part('file', 'RIFF'.repeat(50_000), '; filename="a.wav"')
  const model = part('model', 'ears')
  const send = (body: string) =>
    call(scene.gate.port, {
      path: '/v1/audio/transcriptions',
      key: scene.key,
      headers: { 'content-type': FORM_TYPE },
      body: Buffer.from(`${body}--xx--\r\n`),
    })

  it('waits on disk, and is sent to another endpoint when one is busy', async () => {
    const [full, free] = [await scene.endpoint('full'), await scene.endpoint('free', { priority: 1 })]
    full.behave(busy(503))
    free.behave(json({ text: 'heard' }))
    await scene.model('ears', ['full', 'free'], { capability: 'transcription' })
    const answer = await send(file + model)
    expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { text: 'heard' }])
    expect([full.asked.length, free.asked.length]).toEqual([1, 1])
    expect(free.last.body.includes('RIFF'.repeat(50_000))).toBe(true)
    expect(await lastOutcome()).toMatchObject({ endpoint: 'free', passed_over: 'full: UPSTREAM_BUSY' })
  })
})
