import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { json } from '../support/hostile.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'
import { openV1Scene, type V1Scene } from '../support/v1-scene.ts'

/** What a caller may not have fetched, through the whole gate: docs/models.md. */

const FAR = 'http://169.254.169.254/latest/meta-data'
const BODIES: Readonly<Record<string, object>> = {
  '/v1/chat/completions': { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: FAR } }] }] },
  '/v1/completions': { prompt: 'x', image_url: FAR },
  '/v1/embeddings': { input: [{ image: FAR }] },
  '/v1/responses': { input: 'x', previous_response_id: 'resp_1' },
  '/v1/messages': { max_tokens: 5, messages: [], tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
  '/v1/images/generations': { prompt: 'x', image: FAR },
  '/v1/audio/speech': { input: 'x', voice: 'alloy', ref_audio: FAR },
}
const MODEL_OF: Readonly<Record<string, string>> = { '/v1/images/generations': 'picture', '/v1/audio/speech': 'voice' }

let scene: V1Scene
let closed: TextBackend
let open: TextBackend
beforeAll(async () => {
  scene = await openV1Scene()
  const answer = json({ choices: [], data: [], usage: { prompt_tokens: 1, completion_tokens: 1 } })
  ;[closed, open] = [await textBackend(answer), await textBackend(answer)]
  const { endpoints } = scene.gate.gateway.house.models.manage
  const speaks = [...Object.keys(BODIES).map((path) => path.split('/').at(-1) ?? ''), 'chat', 'images', 'edits', 'transcriptions'].filter(
    (word) => word !== 'generations',
  )
  await endpoints.create({ name: 'closed', url: closed.url, dialect: 'openai', speaks })
  await endpoints.create({ name: 'open', url: open.url, dialect: 'openai', speaks, priority: 1, remote: 'allow' })
  for (const [name, capability] of [
    ['m', 'text'],
    ['picture', 'image'],
    ['voice', 'speech'],
    ['ear', 'transcription'],
  ] as const)
    for (const [suffix, at] of [
      ['', ['closed']],
      ['-either', ['closed', 'open']],
    ] as const)
      await scene.model(`${name}${suffix}`, at, { capability })
})
beforeEach(() => {
  closed.forget()
  open.forget()
})
afterAll(async () => {
  await scene.close()
  await Promise.all([closed.close(), open.close()])
})

const ask = (path: string, body: object, either = '') =>
  call(scene.gate.port, { path, key: scene.key, body: { model: `${MODEL_OF[path] ?? 'm'}${either}`, ...body } })

describe('an endpoint that is not open to what is elsewhere', () => {
  it.each(Object.entries(BODIES))('is not asked over %s', async (path, body) => {
    const { status, body: said } = await ask(path, body)
    expect(status).toBe(403)
    expect(said).toContain('or ask for an endpoint that allows it')
    expect(said).not.toContain('169.254')
    expect(closed.asked).toEqual([])
  })

  it.each(Object.entries(BODIES))('leaves it over %s to one that is', async (path, body) => {
    expect((await ask(path, body, '-either')).status).toBe(200)
    expect([closed.asked.length, open.asked.length]).toEqual([0, 1])
  })

  it.each([
    ['/v1/audio/transcriptions', 'ear', 'file', 'url'],
    ['/v1/audio/transcriptions', 'ear', 'file', 'url[]'],
    ['/v1/images/edits', 'picture', 'image', 'url'],
    ['/v1/images/edits', 'picture', 'image', 'url[]'],
    ['/v1/images/edits', 'picture', 'image', 'mask_image'],
  ])('is not asked by a form over %s', async (path, model, file, field) => {
    const form = new FormData()
    form.set('model', model)
    form.set('prompt', 'x')
    form.set(field, FAR)
    form.set(file, new Blob([Buffer.alloc(64)]), 'x.bin')
    const answer = await fetch(`http://127.0.0.1:${scene.gate.port}${path}`, {
      method: 'POST',
      headers: { 'x-api-key': scene.key },
      body: form,
    })
    expect(answer.status).toBe(403)
    expect(await answer.text()).toContain(`"${field.replace('[]', '')}\\"`)
    expect(closed.asked).toEqual([])
  })

  it('is asked for what was sent', async () => {
    const url = 'data:image/png;base64,iVBORw0KGgo='
    const { status } = await ask('/v1/chat/completions', {
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
    })
    expect([status, closed.asked.length]).toEqual([200, 1])
  })
})
