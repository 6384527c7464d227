import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { PNG } from '../support/openai-backend.ts'
import { until } from '../support/until.ts'

let standIns: StandIns
beforeAll(async () => {
  standIns = await startStandIns({ tokensPerSecond: Number.POSITIVE_INFINITY, imageStepMs: 0 })
})
afterAll(() => standIns.close())

async function ask(url: string, body?: unknown) {
  const given = body === undefined ? {} : { method: 'POST' as const, body: JSON.stringify(body) }
  const answer = await request(url, { ...given, headers: { 'content-type': 'application/json' } })
  const text = await answer.body.text()
  const events = text.split('\n').flatMap((line) => (line.startsWith('data: {') ? [JSON.parse(line.slice('data: '.length))] : []))
  return { status: answer.statusCode, type: answer.headers['content-type'], text, events, json: () => JSON.parse(text) }
}
const at = (path: string) => `${standIns.ollama.url}${path}`
const messages = [{ role: 'user', content: 'Hello' }]
const model = 'stand-in'

/** Where Ollama's faces for other protocols differ from their models, the stand-in differs in the same way. The SDK suite has the rest. */
describe('the text stand-in in the languages of others', () => {
  it("refuses in OpenAI's shape, and in Anthropic's", async () => {
    const openai = (message: string, type: string) => ({ error: { message, type, param: null, code: null } })
    const cases: readonly (readonly [string, unknown, number, unknown])[] = [
      ['/v1/chat/completions', { model: 'nobody', messages }, 404, openai("model 'nobody' not found", 'not_found_error')],
      ['/v1/chat/completions', { model, messages: [] }, 400, openai("[] is too short - 'messages'", 'invalid_request_error')],
      ['/v1/chat/completions', { model: 'stand-in-embed', messages }, 400, { error: { type: 'invalid_request_error' } }],
      ['/v1/completions', { model, prompt: ['a', 'b'] }, 400, { error: { type: 'invalid_request_error' } }],
      ['/v1/embeddings', { model, input: [1, 2] }, 400, openai('invalid input type', 'invalid_request_error')],
      ['/v1/embeddings', { model, input: 'x', encoding_format: 'hex' }, 400, { error: { type: 'invalid_request_error' } }],
      ['/v1/responses', { model, input: [] }, 400, { error: { type: 'invalid_request_error' } }],
      ['/v1/messages', { model, messages }, 400, { type: 'error', error: { type: 'invalid_request_error' } }],
      ['/v1/messages', { model: 'nobody', messages, max_tokens: 1 }, 404, { type: 'error', error: { type: 'not_found_error' } }],
    ]
    for (const [path, body, status, shape] of cases) {
      const answer = await ask(at(path), body)
      expect([path, answer.status, answer.json()]).toMatchObject([path, status, shape])
    }
    expect((await ask(at('/v1/messages'), {})).json().request_id).toMatch(/^req_/)
    expect(await ask(at('/v1/images/generations'), {})).toMatchObject({ status: 404, text: '404 page not found' })
    expect(await ask(at('/v1/messages/count_tokens'), {})).toMatchObject({ status: 404 })
  })

  it('takes pictures with a request, and none from elsewhere', async () => {
    const picture = (url: string) => [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }]
    expect((await ask(at('/v1/chat/completions'), { model, messages: picture('https://example.net/a.png') })).status).toBe(400)
    expect((await ask(at('/v1/chat/completions'), { model, messages: picture('data:image/png;base64,aaaa') })).status).toBe(200)
  })

  it('has no usage in a stream that did not ask, zeros on the way in one of completions that did', async () => {
    const stream = { model, messages, stream: true }
    const bare = await ask(at('/v1/chat/completions'), stream)
    expect([bare.type, bare.text.endsWith('data: [DONE]\n\n')]).toEqual(['text/event-stream', true])
    expect(bare.events.filter(({ usage }) => usage !== undefined)).toEqual([])
    expect(bare.events.at(-1).choices).toEqual([{ index: 0, delta: {}, finish_reason: 'stop' }])
    const text = await ask(at('/v1/completions'), { model, prompt: 'Hello', stream: true, stream_options: { include_usage: true } })
    expect(text.events.slice(0, -1).every(({ usage }) => usage.total_tokens === 0)).toBe(true)
    expect(text.events.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 1 } })
  })

  it('ignores max_completion_tokens, which Ollama does not know', async () => {
    const answer = await ask(at('/v1/chat/completions'), { model, messages, max_completion_tokens: 1 })
    expect(answer.json().choices[0].finish_reason).toBe('stop')
  })

  it('guesses the tokens of a message first, and counts them at its end; a response has no [DONE]', async () => {
    const { events } = await ask(at('/v1/messages'), { model, messages, max_tokens: 9, stream: true })
    expect(events.map(({ type }) => type).filter((type, place, all) => all[place - 1] !== type)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'max_tokens' }, usage: { output_tokens: 9 } })
    const response = await ask(at('/v1/responses'), { model, input: 'Hello', stream: true })
    expect(response.text).not.toContain('[DONE]')
    expect(response.events.map(({ sequence_number }) => sequence_number)).toEqual(response.events.map((_event, place) => place))
  })

  it('lists models, and shows one whose name has no slash', async () => {
    const { data } = (await ask(at('/v1/models'))).json()
    expect(data).toContainEqual({ id: 'stand-in:latest', object: 'model', created: expect.any(Number), owned_by: 'library' })
    expect((await ask(at('/v1/models/stand-in'))).json()).toMatchObject({ id: 'stand-in', object: 'model' })
    expect((await ask(at('/v1/models/nobody'))).json()).toMatchObject({ error: { type: 'not_found_error' } })
    expect(await ask(at('/v1/models/org%2Fmodel'))).toMatchObject({ status: 404, text: '404 page not found' })
  })

  it.each([
    ['/v1/chat/completions', { messages }],
    ['/v1/completions', { prompt: 'Hello' }],
    ['/v1/responses', { input: 'Hello' }],
    ['/v1/messages', { messages, max_tokens: 100 }],
  ])('%s stops when its reader leaves, streaming or not', async (path, body) => {
    const slow = await startStandIns({ tokensPerSecond: 2 })
    try {
      for (const stream of [true, false]) {
        const leaving = new AbortController()
        const asked = request(`${slow.ollama.url}${path}`, {
          method: 'POST',
          body: JSON.stringify({ model, ...body, stream }),
          signal: leaving.signal,
        })
        await until(() => slow.ollama.busy() === 1, { withinMs: 1_000, what: 'the request to arrive' })
        leaving.abort()
        await expect(asked).rejects.toThrow(/abort/i)
        await until(() => slow.ollama.busy() === 0, { withinMs: 1_000, what: 'the work to stop' })
      }
    } finally {
      await slow.close()
    }
  })
})

describe('the image stand-in with a picture to begin with', () => {
  const img2img = (more: object) => ask(`${standIns.image.url}/sdapi/v1/img2img`, { prompt: 'x', width: 64, height: 64, steps: 1, ...more })

  it('wants it with the request, in base64', async () => {
    expect(await img2img({})).toMatchObject({ status: 404, text: expect.stringContaining('Init image not found') })
    expect((await img2img({ init_images: ['http://127.0.0.1:1/a.png'] })).status).toBe(500)
    expect(await img2img({ init_images: ['no picture!'] })).toMatchObject({
      status: 500,
      text: expect.stringContaining('Invalid encoded image'),
    })
  })

  it('paints, and says which it was given', async () => {
    const given = PNG.toString('base64')
    const [plain, prefixed] = [await img2img({ init_images: [given] }), await img2img({ init_images: [`data:image/png;base64,${given}`] })]
    const hash = (answer: typeof plain) => JSON.parse(answer.json().info).extra_generation_params['Init image hash']
    expect(hash(plain)).toMatch(/^[0-9a-f]{10}$/)
    expect(hash(prefixed)).toBe(hash(plain))
    expect(plain.json().images).toHaveLength(1)
    expect(plain.json().parameters.init_images).toBe(null)
  })
})
