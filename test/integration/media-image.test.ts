import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { simpleImageAnswer } from '../../src/contract/index.ts'
import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import {
  type A1111World,
  a1111Answer,
  a1111Fault,
  a1111World,
  answer,
  basicAuth,
  type HostileUpstream,
  hostileUpstream,
  html500,
  json,
  silent,
} from '../support/hostile.ts'
import { ask, askJson } from '../support/media.ts'
import { type RawCaller, rawCaller, requestBytes } from '../support/raw-caller.ts'
import { until } from '../support/until.ts'

const PNG_MAGIC = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
const withImage = (url: string, more: Readonly<Record<string, string>> = {}) =>
  startTestGateway({ CHAT_ENABLED: 'false', IMAGE_ENABLED: 'true', IMAGE_URL: url, ...more })

describe('pictures', () => {
  let backends: StandIns
  let gate: GatewayUnderTest
  let key: TestKey
  beforeAll(async () => {
    backends = await startStandIns({ imageStepMs: 0 })
    gate = await withImage(backends.image.url)
    key = await gate.key({ rights: ['image'] })
  })
  afterAll(async () => {
    await gate.stop()
    await backends.close()
  })

  it('come as AUTOMATIC1111 gives them', async () => {
    const answer = await askJson(gate.port, '/image/api/generate', key.text, {
      prompt: 'a gate',
      steps: 2,
      width: 64,
      height: 64,
      batch_size: 2,
    })
    expect([answer.status, answer.headers['content-type'], answer.complete]).toEqual([200, 'application/json', true])
    expect(answer.headers['x-process-time']).toBeDefined()
    const { images, info, parameters } = answer.json() as { images: string[]; info: string; parameters: Record<string, unknown> } // A1111's own shape
    expect(images.map((image) => Buffer.from(image, 'base64').subarray(0, 8).equals(PNG_MAGIC))).toEqual([true, true])
    expect(typeof info).toBe('string')
    expect(parameters.force_task_id).toMatch(/^req_/)
    expect((await gate.outcomes()).at(-1)).toMatchObject({
      route: '/image/api/generate',
      units: { images: 2, steps: 4 },
      ended: 'complete',
    })
  })

  it('come in one field when they are asked for simply', async () => {
    const answer = await askJson(gate.port, '/image/api/generate/simple', key.text, {
      prompt: 'a gate',
      steps: 2,
      width: 64,
      height: 64,
      seed: 7,
    })
    const { image, parameters, info } = simpleImageAnswer.parse(answer.json())
    expect(Buffer.from(image, 'base64').subarray(0, 8)).toEqual(PNG_MAGIC)
    expect(parameters).toMatchObject({ prompt: 'a gate', cfg_scale: 7, sampler_name: 'Euler a' })
    expect(info).toMatchObject({ seed: 7, sampler_name: 'Euler a' })
    expect((await gate.outcomes()).at(-1)).toMatchObject({ units: { images: 1, steps: 2 } })
  })

  it('come by themselves for whoever asks for a picture', async () => {
    const body = { prompt: 'a gate', steps: 2, width: 64, height: 64 }
    const answer = await askJson(gate.port, '/image/api/generate/simple', key.text, body, { accept: 'image/png' })
    expect([answer.status, answer.headers['content-type'], Number(answer.headers['content-length'])]).toEqual([
      200,
      'image/png',
      answer.bytes.length,
    ])
    expect(answer.bytes.subarray(0, 8)).toEqual(PNG_MAGIC)
  })

  it('can be asked for with what there is', async () => {
    const models = await ask(gate.port, { path: '/image/api/models', key: key.text })
    const samplers = await ask(gate.port, { path: '/image/api/samplers', key: key.text })
    expect(JSON.parse(models.text)).toEqual([expect.objectContaining({ model_name: 'stand-in-pictures' })])
    expect(JSON.parse(samplers.text)).toContainEqual(expect.objectContaining({ name: 'Euler a' }))
  })

  it('name the model that was asked for in the ledger', async () => {
    await askJson(gate.port, '/image/api/generate', key.text, {
      prompt: 'x',
      steps: 1,
      width: 64,
      height: 64,
      override_settings: { sd_model_checkpoint: 'stand-in' },
    })
    expect((await gate.outcomes()).at(-1)).toMatchObject({ model: 'stand-in' })
  })

  it.each([
    [{ prompt: 'x', init_images: ['http://169.254.169.254/'] }, 400, 'BODY_INVALID'],
    [{ prompt: 'x', alwayson_scripts: { controlnet: { args: [{ image: 'https://example.org/x.png' }] } } }, 400, 'BODY_INVALID'],
    [{ prompt: 'x', script_name: 'X/Y/Z plot' }, 403, 'POLICY_REFUSED'],
    [{ prompt: 'x', save_images: true }, 403, 'POLICY_REFUSED'],
    [{ prompt: 'x', override_settings: { outdir_samples: '/x' } }, 403, 'POLICY_REFUSED'],
    [{ prompt: 'x', steps: 1_000 }, 400, 'BODY_INVALID'],
    [{ prompt: 'x', Steps: 1 }, 400, 'BODY_INVALID'],
    [{ prompt: 'x', INIT_IMAGES: ['x'] }, 400, 'BODY_AMBIGUOUS'],
  ])('are not made of %j', async (body, status, code) => {
    const answer = await askJson(gate.port, '/image/api/generate', key.text, body)
    expect(answer.status).toBe(status)
    expect(answer.json()).toMatchObject({ error: code, detail: expect.any(String), body: '', errors: '' })
  })

  it('are refused by the backend in its own shape', async () => {
    const answer = await askJson(gate.port, '/image/api/generate', key.text, { prompt: 'x', steps: 1, sampler_name: 'Nobody' })
    expect(answer.status).toBe(400)
    expect(answer.json()).toMatchObject({
      error: 'UPSTREAM_REJECTED',
      detail: 'The backend does not accept this request: Sampler not found',
    })
  })
})

describe('a picture backend that misbehaves', () => {
  let backend: HostileUpstream
  let gate: GatewayUnderTest
  let key: TestKey
  beforeAll(async () => {
    backend = await hostileUpstream(() => html500())
    gate = await withImage(backend.url)
    key = await gate.key({ rights: ['image'] })
  })
  afterEach(() => expect(backend.faults).toEqual([]))
  afterAll(async () => {
    await gate.stop()
    await backend.close()
  })

  it.each([
    ['an error page', html500(), 502, 'UPSTREAM_REFUSED'],
    ['no memory', json({ error: 'OutOfMemoryError', detail: '', body: '', errors: 'CUDA out of memory' }, 500), 502, 'UPSTREAM_REFUSED'],
    ['a wrong password', a1111Fault(401, 'Incorrect username or password'), 502, 'UPSTREAM_REFUSED'],
    ['a full queue', json({ error: 'job queue is full' }, 429), 503, 'UPSTREAM_BUSY'],
    ['a page where JSON should be', answer(200, '<html>', { 'content-type': 'text/html' }), 502, 'UPSTREAM_DIED'],
  ])('with %s is told in the shape of AUTOMATIC1111', async (_what, behaviour, status, error) => {
    backend.use(({ target }) => (target.startsWith('/sdapi/v1/progress') ? json({}, 404) : behaviour))
    const answer = await askJson(gate.port, '/image/api/generate', key.text, { prompt: 'x' })
    expect(answer.status).toBe(status)
    expect(answer.json()).toMatchObject({ error })
  })

  it('with an empty info gives an empty object', async () => {
    backend.use(() => json(JSON.parse(a1111Answer({ info: '' }))))
    const answer = await askJson(gate.port, '/image/api/generate/simple', key.text, { prompt: 'x' })
    expect(simpleImageAnswer.parse(answer.json()).info).toEqual({})
  })

  it('passes eight MiB of picture untouched', async () => {
    const whole = a1111Answer({ imageBytes: 8 * 1024 * 1024 })
    backend.use(() => json(JSON.parse(whole)))
    const answer = await askJson(gate.port, '/image/api/generate', key.text, { prompt: 'x' })
    expect(answer.text === whole).toBe(true)
  })
})

describe('a job whose caller leaves', () => {
  let world: A1111World
  let backend: HostileUpstream
  let gate: GatewayUnderTest
  let key: TestKey
  beforeAll(async () => {
    world = a1111World({ jobMs: 3_000 })
    backend = await hostileUpstream(world.script)
    gate = await withImage(backend.url)
    key = await gate.key({ rights: ['image'] })
  })
  afterAll(async () => {
    await gate.stop()
    await backend.close()
  })

  const leaver = async (path = '/image/api/generate/simple'): Promise<RawCaller> => {
    const caller = await rawCaller(gate.port)
    caller.write(
      requestBytes({ path, key: key.text, body: JSON.stringify({ prompt: 'x' }), headers: { 'Content-Type': 'application/json' } }),
    )
    return caller
  }
  const started = (count: number) => until(() => world.started.length === count, { withinMs: 5_000, what: `job ${count} to begin` })

  it.each(['/image/api/generate/simple', '/image/api/generate'])('is interrupted when it is ours (%s)', async (path) => {
    const before = world.started.length
    const caller = await leaver(path)
    await started(before + 1)
    const leftAtMs = caller.leave('close')
    await until(() => world.interrupted.length > 0 && world.current() === null, { withinMs: 2_000, what: 'the job to be interrupted' })
    const tookMs = performance.now() - leftAtMs
    expect(tookMs).toBeLessThan(1_000)
    expect(world.interrupted.at(-1)).toBe(world.started.at(-1))
    expect(world.wronged).toEqual([])
    expect((await gate.outcomes()).at(-1)).toMatchObject({ ended: 'client_closed', status: 0 })
  })

  it('gives its place to the next in line, whose job is left alone', async () => {
    const before = world.started.length
    const caller = await leaver()
    await started(before + 1)
    const next = askJson(gate.port, '/image/api/generate', key.text, { prompt: 'y' })
    await until(() => gate.gateway.house.corridor.inFlight.size === 2, { withinMs: 2_000, what: 'the next to wait' })
    expect(world.started.length).toBe(before + 1) // it waits with us, not at the backend
    caller.leave('reset')
    expect((await next).status).toBe(200)
    expect(world.interrupted).not.toContain(world.started.at(-1))
    expect(world.wronged).toEqual([])
  })

  it('is never confused with somebody else’s, who uses the backend beside us', async () => {
    const before = world.started.length
    const other = fetchBeside(backend.url)
    await started(before + 1)
    const caller = await leaver()
    await until(() => backend.seen.filter(({ target }) => target === '/sdapi/v1/txt2img').length === before + 2, {
      withinMs: 2_000,
      what: 'our job to wait at the backend',
    })
    const interrupts = world.interrupted.length
    caller.leave('close')
    expect(await other).toBe(200)
    await until(() => world.interrupted.length > interrupts, { withinMs: 5_000, what: 'our own job to be interrupted' })
    expect(world.interrupted.slice(interrupts)).toEqual([world.started[before + 1]])
    expect(world.wronged).toEqual([])
  })

  it('that never came to the backend is interrupted nowhere', async () => {
    const before = world.started.length
    const first = askJson(gate.port, '/image/api/generate', key.text, { prompt: 'y' })
    await started(before + 1)
    const interrupts = world.interrupted.length
    const caller = await leaver()
    await until(() => gate.gateway.house.corridor.inFlight.size === 2, { withinMs: 2_000, what: 'the second to wait' })
    caller.leave('close')
    expect((await first).status).toBe(200)
    expect([world.started.length, world.interrupted.length]).toEqual([before + 1, interrupts])
  })
})

it('interrupts with the backend’s own credential, below its own path', async () => {
  const world = a1111World({ jobMs: 3_000 })
  const backend = await hostileUpstream((seen) => {
    const below = { ...seen, target: seen.target.replace('/studio', '') }
    return seen.target.startsWith('/studio/') ? basicAuth('ada', 'secret', world.script(below)) : json({ detail: 'Not Found' }, 404)
  })
  const dir = mkdtempSync(join(tmpdir(), 'portcullis-secret-'))
  writeFileSync(join(dir, 'value'), `Basic ${Buffer.from('ada:secret').toString('base64')}\n`, { mode: 0o600 })
  const gate = await withImage(`${backend.url}/studio`, { IMAGE_AUTH_VALUE_FILE: join(dir, 'value') })
  try {
    const key = await gate.key({ rights: ['image'] })
    const caller = await rawCaller(gate.port)
    caller.write(
      requestBytes({ path: '/image/api/generate', key: key.text, body: '{"prompt":"x"}', headers: { 'Content-Type': 'application/json' } }),
    )
    await until(() => world.current(), { withinMs: 5_000, what: 'the job to begin' })
    caller.leave('close')
    await until(() => world.interrupted.length === 1, { withinMs: 2_000, what: 'the job to be interrupted' })
  } finally {
    await gate.stop()
    await backend.close()
    rmSync(dir, { recursive: true })
  }
})

it('gives the place back soon when the job is nowhere to be found', async () => {
  let work = silent()
  const idle = json({ current_task: null, state: { job_count: 0 } })
  const backend = await hostileUpstream(({ target }) => (target.startsWith('/sdapi/v1/progress') ? idle : work))
  const gate = await withImage(backend.url)
  try {
    const key = await gate.key({ rights: ['image'] })
    const caller = await rawCaller(gate.port)
    caller.write(
      requestBytes({ path: '/image/api/generate', key: key.text, body: '{"prompt":"x"}', headers: { 'Content-Type': 'application/json' } }),
    )
    const asked = (path: string) => backend.seen.some(({ target }) => target.startsWith(path))
    await until(() => asked('/sdapi/v1/txt2img'), { withinMs: 2_000, what: 'the job to be at the backend' })
    caller.leave('close')
    await until(() => asked('/sdapi/v1/progress'), { withinMs: 2_000, what: 'the backend to be asked' })
    work = json(JSON.parse(a1111Answer()))
    const next = await askJson(gate.port, '/image/api/generate', key.text, { prompt: 'y' })
    expect(next.status).toBe(200)
    expect(asked('/sdapi/v1/interrupt')).toBe(false)
  } finally {
    await gate.stop()
    await backend.close()
  }
})

/** Somebody who uses the backend directly, such as its owner at its own page. */
async function fetchBeside(url: string): Promise<number> {
  const { status } = await fetch(`${url}/sdapi/v1/txt2img`, {
    method: 'POST',
    body: JSON.stringify({ prompt: 'mine', force_task_id: 'owner' }),
  })
  return status
}
