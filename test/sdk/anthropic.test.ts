import Anthropic from '@anthropic-ai/sdk'
import type { MessageParam, Tool } from '@anthropic-ai/sdk/resources/messages'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { anthropicFault, messageStream } from '../support/anthropic-backend.ts'
import { cutAfter, cutBeforeHeaders, silent } from '../support/hostile.ts'
import { collect, openSdkScene, type SdkScene, THROUGH_GATE, thrown } from '../support/sdk-scene.ts'
import { until } from '../support/until.ts'

let scene: SdkScene
beforeAll(async () => {
  scene = await openSdkScene()
})
afterEach(() => scene.forget())
afterAll(() => scene.close())

const client = (model: string, maxRetries = 0): Anthropic => new Anthropic({ ...scene.toMessages(model), maxRetries })
const asked = (content: string): MessageParam[] => [{ role: 'user', content }]
const max_tokens = 200
const WEATHER: Tool = {
  name: 'get_weather',
  description: 'The weather in a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

describe.each(['stand-in:latest', 'prose'])("Anthropic's client at %s", (model) => {
  it('has a message, whole and as a stream, with pings between', async () => {
    const whole = await client(model).messages.create({ model, max_tokens, messages: asked('Good evening, 旅人') })
    expect(whole).toMatchObject({ type: 'message', role: 'assistant', stop_reason: 'end_turn' })
    const [block] = whole.content
    if (block?.type !== 'text') throw new Error('no text came')
    expect(block.text).toContain('Good evening, 旅人')
    const stream = client(model).messages.stream({ model, max_tokens, messages: asked('Good evening, 旅人') })
    const heard: string[] = []
    stream.on('text', (text) => heard.push(text))
    expect(await stream.finalText()).toBe(block.text)
    expect(heard.join('')).toBe(block.text)
    expect((await stream.finalMessage()).usage.output_tokens).toBeGreaterThan(0)
  })

  it('calls a tool, whole and as a stream, and says what came of it', async () => {
    const messages = asked('What is the weather in Paris?')
    const { content, stop_reason } = await client(model).messages.create({ model, max_tokens, messages, tools: [WEATHER] })
    const call = content.find((block) => block.type === 'tool_use')
    expect([stop_reason, call?.name, call?.input]).toEqual(['tool_use', 'get_weather', { city: 'Paris' }])
    const streamed = await client(model)
      .messages.stream({ model, max_tokens, messages, tools: [WEATHER] })
      .finalMessage()
    expect(streamed.content.find((block) => block.type === 'tool_use')).toMatchObject({ name: 'get_weather', input: { city: 'Paris' } })
    const result: MessageParam = { role: 'user', content: [{ type: 'tool_result', tool_use_id: call?.id ?? '', content: '21 degrees' }] }
    const after = await client(model).messages.create({
      model,
      max_tokens,
      messages: [...messages, { role: 'assistant', content }, result],
      tools: [WEATHER],
    })
    expect(JSON.stringify(after.content)).toContain('21 degrees')
  })
})

describe("Anthropic's client", () => {
  const say = (model = 'prose', retries = 0) =>
    client(model, retries).messages.create({ model, max_tokens, messages: asked('one two three') })
  const stream = async () =>
    collect(await client('prose').messages.create({ model: 'prose', max_tokens, messages: asked('one two three'), stream: true }))

  it('has its headers and its request brought to the backend', async () => {
    await client('prose').messages.create(
      {
        model: 'prose',
        max_tokens,
        messages: asked('x'),
        system: [{ type: 'text', text: 'Be brief', cache_control: { type: 'ephemeral' } }],
      },
      { headers: { 'anthropic-beta': 'a-feature-2026-01-01' } },
    )
    const { header, body } = scene.letters.last
    expect([header('anthropic-version'), header('anthropic-beta')]).toEqual([
      expect.stringMatching(/^20\d\d-\d\d-\d\d$/),
      'a-feature-2026-01-01',
    ])
    const own = ['messages-provider-0001', undefined]
    expect([header('x-api-key'), header('authorization')]).toEqual(THROUGH_GATE ? own : [undefined, `Bearer ${own[0]}`])
    expect(JSON.parse(body.toString())).toMatchObject({ system: [{ text: 'Be brief', cache_control: { type: 'ephemeral' } }] })
  })

  it('throws what a backend says in the middle of a stream', async () => {
    scene.letters.behave(messageStream({ failAfter: 2 }))
    const fault = await thrown(stream())
    expect(fault).toBeInstanceOf(Anthropic.APIError)
    expect(fault).toMatchObject({ type: 'overloaded_error', message: expect.stringContaining('Overloaded') })
  })

  it.each([
    [400, Anthropic.BadRequestError, 'invalid_request_error', 'max_tokens: 300000 > 64000', 'max_tokens: 300000 > 64000'],
    [404, Anthropic.NotFoundError, 'not_found_error', 'model: prose-4', THROUGH_GATE ? 'model: prose"' : 'model: prose-4"'],
  ] as const)('throws what a backend refuses with %i, by its type', async (status, kind, type, said, words) => {
    scene.letters.behave(anthropicFault(status, said))
    const fault = await thrown(say())
    expect(fault).toBeInstanceOf(kind)
    expect(fault).toMatchObject({ status, type, message: expect.stringContaining(words), requestID: expect.stringMatching(/^req_/) })
  })

  it('throws what a backend is too busy for, with the time to come again', async () => {
    scene.letters.behave(anthropicFault(429, 'too many at once', { 'retry-after': '7' }))
    const fault = await thrown(say())
    expect(fault).toBeInstanceOf(Anthropic.APIError)
    const { status, headers } = fault as InstanceType<typeof Anthropic.APIError> // asserted just now
    expect([429, 503]).toContain(status)
    expect(headers?.get('retry-after')).toBe('7')
  })

  it('leaves, and the backend is let go within a second', async () => {
    scene.letters.behave(silent())
    const leaving = new AbortController()
    const call = client('prose').messages.create({ model: 'prose', max_tokens, messages: asked('x') }, { signal: leaving.signal })
    await until(() => scene.letters.asked.length > 0, { withinMs: 2_000, what: 'the request to arrive' })
    leaving.abort()
    await expect(call).rejects.toThrow(/abort/i)
    await until(() => scene.letters.last.leftMs, { withinMs: 1_000, what: 'the backend to be let go' })
  })

  describe.runIf(THROUGH_GATE)('through the gate', () => {
    it('throws for a wrong key, and for none', async () => {
      const wrong = await thrown(
        new Anthropic({ ...scene.toMessages('prose'), apiKey: 'wrong', maxRetries: 0 }).messages.create({
          model: 'prose',
          max_tokens,
          messages: asked('x'),
        }),
      )
      expect(wrong).toBeInstanceOf(Anthropic.AuthenticationError)
      expect(wrong).toMatchObject({ type: 'authentication_error', requestID: expect.stringMatching(/^req_/) })
      expect(scene.letters.asked).toEqual([])
    })

    it('may come with its key as x-api-key, as its versions before 1 and other clients do', async () => {
      const { baseURL, apiKey } = scene.toMessages('prose')
      const headers = { 'x-api-key': apiKey, authorization: null }
      const other = new Anthropic({ baseURL, apiKey, defaultHeaders: headers, maxRetries: 0 })
      expect((await other.messages.create({ model: 'prose', max_tokens, messages: asked('x') })).type).toBe('message')
    })

    it('throws for a model that is not there, or does not speak its protocol', async () => {
      const unknown = await thrown(say('pros'))
      expect(unknown).toBeInstanceOf(Anthropic.NotFoundError)
      expect(unknown).toMatchObject({ type: 'not_found_error', message: expect.stringContaining('prose') })
      const other = await thrown(say('scripted'))
      expect(other).toMatchObject({ status: 400, type: 'invalid_request_error' })
      expect(scene.open.asked).toEqual([])
    })

    it('lists the models', async () => {
      const { data } = await client('prose').models.list()
      expect(data.map(({ id }) => id)).toContain('prose')
    })

    it('throws in its own words for what nobody counts here', async () => {
      const fault = await thrown(client('prose').messages.countTokens({ model: 'prose', messages: asked('x') }))
      expect(fault).toBeInstanceOf(Anthropic.NotFoundError)
      expect(fault).toMatchObject({ type: 'not_found_error' })
    })

    it('throws for a model that cannot be reached', async () => {
      expect(await thrown(say('nowhere'))).toBeInstanceOf(Anthropic.APIError)
    })

    it('throws when a stream is cut, wherever, and when it ends without its last event', async () => {
      for (const [bytes, how] of [150, 400, 700].flatMap((at) => [[at, 'rst'] as const, [at, 'fin'] as const])) {
        await scene.forget()
        scene.letters.behave(cutAfter(bytes, how, messageStream()))
        await expect(stream(), `${how} after ${bytes} bytes`).rejects.toThrow()
        expect((await scene.gate.outcomes()).at(-1)?.ended).toBe('upstream_died')
      }
      scene.letters.behave(messageStream({ stop: false }))
      await expect(stream()).rejects.toThrow()
      expect((await scene.gate.outcomes()).at(-1)?.ended).toBe('upstream_died')
    })

    it('does not try again what may have been acted on', async () => {
      scene.letters.behave(cutBeforeHeaders('rst'))
      const fault = await thrown(say('prose', 2))
      expect(fault).toMatchObject({ status: 502 })
      expect(scene.letters.asked).toHaveLength(1)
    })

    it('is counted by the usage of the backend', async () => {
      await stream()
      expect((await scene.gate.outcomes()).at(-1)).toMatchObject({
        ended: 'complete',
        units: { tokens_in: 7, tokens_out: 5 },
        endpoint: 'letters',
      })
      await say()
      expect((await scene.gate.outcomes()).at(-1)).toMatchObject({ units: { tokens_in: 7, tokens_out: 3 } })
    })
  })
})
