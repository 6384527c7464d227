import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { cutAfter } from '../support/hostile.ts'
import {
  busy,
  chatStream,
  detailFault,
  embeddings,
  type OpenaiBackend,
  okFault,
  openaiBackend,
  openaiFault,
  stringFault,
} from '../support/openai-backend.ts'
import { collect, thrown } from '../support/sdk-scene.ts'

let backend: OpenaiBackend
beforeAll(async () => {
  backend = await openaiBackend({ models: null })
})
afterEach(() => backend.forget())
afterAll(() => backend.close())

const client = (maxRetries = 0): OpenAI => new OpenAI({ baseURL: backend.baseUrl, apiKey: 'none', maxRetries })
const chat = (retries?: number) =>
  client(retries).chat.completions.create({ model: 'scripted', messages: [{ role: 'user', content: 'one two' }] })
const stream = async () =>
  collect(await client().chat.completions.create({ model: 'scripted', messages: [{ role: 'user', content: 'one two' }], stream: true }))

/** What OpenAI's client makes of backends by themselves. Where one of these changes, what the gate does about it may have lost its reason. */
describe("OpenAI's client without the gate", () => {
  it('takes a stream without its end for a whole one', async () => {
    backend.behave(chatStream({ done: false, tokens: ['half'] }))
    expect((await stream()).map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('half')
  })

  it('notices a stream that is cut', async () => {
    for (const how of ['rst', 'fin'] as const) {
      backend.behave(cutAfter(500, how, chatStream()))
      await expect(stream()).rejects.toThrow(/terminated/)
    }
  })

  it('throws an error in the middle of a stream', async () => {
    backend.behave(chatStream({ failAfter: 1 }))
    await expect(stream()).rejects.toThrow('CUDA out of memory')
  })

  it('makes rubbish of vectors that are numbers, since it asked for base64', async () => {
    backend.behave(embeddings({ floatsAnyway: true }))
    const { data } = await client().embeddings.create({ model: 'vectors', input: 'one' })
    expect(data[0]?.embedding).toHaveLength(1) // of the four numbers that were sent
  })

  it("cannot read the words of FastAPI's errors, and can of texts", async () => {
    backend.behave(detailFault(404, "Model 'x' is not installed"))
    expect(String(await thrown(chat()))).toContain('(no body)')
    backend.behave(stringFault(400, 'bad voice'))
    expect(String(await thrown(chat()))).toContain('bad voice')
  })

  it('takes an error inside a 200 for an answer', async () => {
    backend.behave(okFault())
    expect((await chat()).choices).toBe(undefined)
  })

  it('asks again after a failure, and not when it is told so', async () => {
    backend.behave(busy(503, '0.01'))
    await thrown(chat(2))
    expect(backend.asked).toHaveLength(3)
    backend.forget()
    backend.behave(openaiFault(502, 'died', null, { 'x-should-retry': 'false' }))
    await thrown(chat(2))
    expect(backend.asked).toHaveLength(1)
  })

  it('takes a list of models that is null for an empty one', async () => {
    expect((await client().models.list()).data ?? []).toEqual([])
  })
})
