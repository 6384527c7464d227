import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { escapedName as escaped, FIELD_SPELLINGS as SPELLINGS } from '../support/field-spellings.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'
import { a1111Answer, answer } from '../support/hostile.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'

// Go takes any of these spellings for the field, and of several the last one: what we judge and what the backend obeys must not differ.

let chat: TextBackend
let image: TextBackend
let gate: GatewayUnderTest
let keys: readonly TestKey[]
beforeAll(async () => {
  ;[chat, image] = await Promise.all([textBackend(), textBackend(answer(200, a1111Answer(), { 'content-type': 'application/json' }))])
  gate = await startTestGateway({ OLLAMA_URL: chat.url, IMAGE_ENABLED: 'true', IMAGE_URL: image.url })
  // Who manages a service may say more in its fields, and not in other spellings of them.
  keys = [await gate.key(), await gate.key({ rights: ['all', 'manage:chat', 'manage:image'] })]
})
afterEach(() => {
  chat.forget()
  image.forget()
})
afterAll(async () => {
  await gate.stop()
  await Promise.all([chat.close(), image.close()])
})

/** Harmless values: it is the spelling that must be refused. */
const CHAT_FIELDS = { model: '"m"', name: '"m"', keep_alive: '"5m"', stream: 'false', options: '{"seed":1}', images: '["aGVsbG8="]' }
const IMAGE_FIELDS = {
  model: '"m"',
  stream: 'false',
  images: '["aGVsbG8="]',
  init_images: '["aGVsbG8="]',
  mask: '"aGVsbG8="',
  override_settings: '{"sd_vae":"a"}',
}
const FACES = [
  ...['/chat/api/generate', '/chat/api/chat', '/chat/api/embed', '/chat/api/embeddings', '/chat/api/show'].map((path) => ({
    path,
    fields: CHAT_FIELDS,
  })),
  ...['/image/api/generate', '/image/api/generate/simple'].map((path) => ({ path, fields: IMAGE_FIELDS })),
].flatMap(({ path, fields }) => Object.entries(fields).map(([field, value]) => ({ path, field, value })))

describe('a guarded field in another spelling is refused', () => {
  it.each(FACES)('$path: $field', async ({ path, field, value }) => {
    const told: string[] = []
    for (const key of keys) {
      for (const [name, spelled] of Object.entries(SPELLINGS)) {
        const { status, body } = await call(gate.port, { path, key: key.text, body: `{"prompt":"a",${spelled(field, value)}}` })
        if (status !== 400 || !/in lower case|more than once/.test(body)) told.push(`${name}: ${status} ${body}`)
      }
    }
    expect(told).toEqual([])
    expect([...chat.asked, ...image.asked]).toEqual([])
  })

  it('however large the body is', async () => {
    const filler = 'x'.repeat(1024 * 1024)
    for (const spelled of Object.values(SPELLINGS)) {
      const body = `{"prompt":"${filler}",${spelled('keep_alive', '-1')}}`
      expect(await call(gate.port, { path: '/chat/api/generate', key: keys[0]?.text ?? '', body })).toMatchObject({ status: 400 })
    }
    expect(chat.asked).toEqual([])
  })
})

describe('a guarded field whose name has an escape', () => {
  it.each([
    ['a model of the cloud', `"${escaped('model')}":"x:cloud"`, 403],
    ['an option that reloads the model', `"model":"m","${escaped('options')}":{"num_gpu":0}`, 403],
    ['a keep_alive that is none', `"model":"m","${escaped('keep_alive')}":"for ever"`, 400],
    ['a stream that is neither', `"model":"m","${escaped('stream')}":"yes"`, 400],
  ])('is judged by the name it means: %s', async (_name, said, status) => {
    const { status: told } = await call(gate.port, { path: '/chat/api/generate', key: keys[0]?.text ?? '', body: `{"prompt":"a",${said}}` })
    expect(told).toBe(status)
    expect(chat.asked).toEqual([])
  })

  it('is judged so for pictures, too', async () => {
    const body = `{"prompt":"a","${escaped('init_images')}":["http://10.0.0.1/a.png"]}`
    expect(await call(gate.port, { path: '/image/api/generate', key: keys[0]?.text ?? '', body })).toMatchObject({ status: 400 })
    expect(image.asked).toEqual([])
  })
})

describe('the same fields in plain letters', () => {
  it.each([
    ['/chat/api/generate', CHAT_FIELDS, () => chat],
    ['/image/api/generate', { images: '[]', init_images: '["aGVsbG8="]', mask: '"aGVsbG8="' }, () => image],
  ] as const)('reach the backend, so that what is refused above is the spelling: %s', async (path, fields, backend) => {
    const body = `{"prompt":"a",${Object.entries(fields).map(([field, value]) => `"${field}":${value}`)}}`
    expect(await call(gate.port, { path, key: keys[0]?.text ?? '', body })).toMatchObject({ status: 200 })
    expect(backend().asked.length).toBeGreaterThan(0)
  })
})
