import OpenAI from 'openai'
import type { ChatCompletionMessageParam, ChatCompletionTool } from 'openai/resources/chat/completions'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { chatStream } from '../support/openai-backend.ts'
import { collect, openSdkScene, type SdkScene, THROUGH_GATE } from '../support/sdk-scene.ts'

let scene: SdkScene
beforeAll(async () => {
  scene = await openSdkScene()
})
afterEach(() => scene.forget())
afterAll(() => scene.close())

const client = (model: string): OpenAI => new OpenAI({ ...scene.to(model), maxRetries: 0 })
const asked = (text: string): ChatCompletionMessageParam[] => [{ role: 'user', content: text }]
const WEATHER: ChatCompletionTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

/** Ollama as the stand-in speaks it, and what vLLM makes of the same protocol. */
const MODELS = ['stand-in:latest', 'scripted'] as const

describe.each(MODELS)("OpenAI's client chats with %s", (model) => {
  it('whole', async () => {
    const answer = await client(model).chat.completions.create({ model, messages: asked('Où es-tu, 旅人?') })
    expect(answer).toMatchObject({ object: 'chat.completion', choices: [{ index: 0, finish_reason: 'stop' }] })
    expect(answer.choices[0]?.message.content).toContain('Où es-tu, 旅人?')
    expect(answer.usage?.total_tokens).toBeGreaterThan(0)
  })

  it('as a stream, with no word of usage that was not asked for', async () => {
    const chunks = await collect(await client(model).chat.completions.create({ model, messages: asked('Où es-tu, 旅人?'), stream: true }))
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toContain('Où es-tu, 旅人?')
    expect(chunks.filter(({ usage, choices }) => usage || choices.length === 0)).toEqual([])
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop')
    expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant')
  })

  it('as a stream, with usage at its end when it was asked for', async () => {
    const chunks = await collect(
      await client(model).chat.completions.create({
        model,
        messages: asked('Good evening'),
        stream: true,
        stream_options: { include_usage: true },
      }),
    )
    expect(chunks.filter(({ choices }) => choices.length === 0)).toHaveLength(1)
    expect(chunks.at(-1)?.usage).toMatchObject({ completion_tokens: expect.any(Number), total_tokens: expect.any(Number) })
  })

  it('by its own helper for streams', async () => {
    const stream = client(model).chat.completions.stream({ model, messages: asked('Good evening') })
    const parts: string[] = []
    stream.on('content', (delta) => parts.push(delta))
    const final = await stream.finalContent()
    expect(final).toContain('Good evening')
    expect(parts.join('')).toBe(final)
  })

  it('through a tool and its result', async () => {
    const messages = asked('What is the weather in Paris?')
    const { choices } = await client(model).chat.completions.create({ model, messages, tools: [WEATHER] })
    const [choice] = choices
    expect(choice?.finish_reason).toBe('tool_calls')
    const [call] = choice?.message.tool_calls ?? []
    if (choice === undefined || call?.type !== 'function') throw new Error('no tool was called')
    expect(call.function.name).toBe('get_weather')
    expect(JSON.parse(call.function.arguments)).toEqual({ city: 'Paris' })
    const result: ChatCompletionMessageParam = { role: 'tool', tool_call_id: call.id, content: '21 degrees' }
    const after = await client(model).chat.completions.create({ model, messages: [...messages, choice.message, result], tools: [WEATHER] })
    expect(after.choices[0]?.message.content).toContain('21 degrees')
  })

  it('through a tool as a stream', async () => {
    const stream = client(model).chat.completions.stream({ model, messages: asked('What is the weather in Paris?'), tools: [WEATHER] })
    const { choices } = await stream.finalChatCompletion()
    const [call] = choices[0]?.message.tool_calls ?? []
    if (call?.type !== 'function') throw new Error('no tool was called')
    expect([call.function.name, JSON.parse(call.function.arguments)]).toEqual(['get_weather', { city: 'Paris' }])
  })
})

describe("OpenAI's client", () => {
  it('has every field of its request brought to the backend as it was', async () => {
    const body = {
      model: 'scripted',
      messages: asked('Give me JSON'),
      response_format: { type: 'json_object' as const },
      temperature: 0.25,
      top_p: 0.9,
      max_completion_tokens: 50,
      seed: 7,
      stop: ['\n\n'],
      logit_bias: { '50256': -100 },
      user: 'ada',
      n: 2,
    }
    const answer = await client('scripted').chat.completions.create(body)
    expect(answer.choices.map(({ message }) => JSON.parse(message.content ?? ''))).toEqual([
      { format: 'json_object' },
      { format: 'json_object' },
    ])
    expect(JSON.parse(scene.open.last.body.toString())).toEqual(body)
    const { header } = scene.open.last
    expect(header('authorization')).toBe('Bearer sk-provider-0001')
    expect([header('x-api-key'), header('cookie')]).toEqual([undefined, undefined])
  })

  it('sends parts of text and pictures', async () => {
    const content = [
      { type: 'text' as const, text: 'What is this?' },
      { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
    ]
    const model = 'stand-in:latest'
    const answer = await client(model).chat.completions.create({ model, messages: [{ role: 'user', content }] })
    expect(answer.choices[0]?.message.content).toContain('What is this?')
  })

  it('parses what it asked for by a schema', async () => {
    const schema = { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } }, required: ['city', 'days'] }
    const model = 'stand-in:latest'
    const answer = await client(model).chat.completions.parse({
      model,
      messages: asked('Two lines about Paris in 3 days'),
      response_format: { type: 'json_schema', json_schema: { name: 'trip', schema } },
    })
    expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toEqual({ city: 'Paris', days: 3 })
  })

  it('stops at a length', async () => {
    const model = 'stand-in:latest'
    const answer = await client(model).chat.completions.create({ model, messages: asked('Hello'), max_tokens: 4 })
    expect(answer).toMatchObject({ choices: [{ finish_reason: 'length' }], usage: { completion_tokens: 4 } })
  })

  it('reads a stream however its bytes arrive', async () => {
    const ways = {
      'byte by byte': { writes: 1 },
      'in one write': { writes: 'together' },
      'with CRLF': { newline: '\r\n' },
      'with CRLF, byte by byte': { newline: '\r\n', writes: 1 },
      'with CR alone': { newline: '\r' },
      'with CR alone, byte by byte': { newline: '\r', writes: 1 },
      'with comments': { comments: true },
      'with usage as null': { usageNulls: true },
    } as const
    const heard = []
    for (const [way, options] of Object.entries(ways)) {
      scene.open.behave(chatStream({ tokens: ['Où ', 'es-tu, ', '旅人', '? 🧭'], ...options }))
      const stream = await client('scripted').chat.completions.create({ model: 'scripted', messages: asked('x'), stream: true })
      const chunks = await collect(stream)
      heard.push([way, chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')])
    }
    expect(heard).toEqual(Object.keys(ways).map((way) => [way, 'Où es-tu, 旅人? 🧭']))
  })

  it.runIf(THROUGH_GATE).each([
    ['always', 0],
    ['inline', 1],
  ] as const)('hears nothing of a chunk for usage alone when the backend tells it %s', async (usage, withUsage) => {
    scene.open.behave(chatStream({ usage }))
    const chunks = await collect(
      await client('scripted').chat.completions.create({ model: 'scripted', messages: asked('x'), stream: true }),
    )
    expect(chunks.filter(({ choices }) => choices.length === 0)).toEqual([])
    expect(chunks.filter((chunk) => chunk.usage)).toHaveLength(withUsage)
  })

  it.runIf(THROUGH_GATE)('is counted by what the backend tells of a stream, asked or not', async () => {
    for (const include_usage of [true, false]) {
      await collect(
        await client('scripted').chat.completions.create({
          model: 'scripted',
          messages: asked('one two three'),
          stream: true,
          stream_options: { include_usage },
        }),
      )
      const outcome = (await scene.gate.outcomes()).at(-1)
      expect(outcome).toMatchObject({ ended: 'complete', status: 200, model: 'scripted', endpoint: 'open' })
      expect(outcome).toMatchObject({ units: { tokens_in: 7, tokens_out: 5 } })
      expect(outcome?.estimated).toBe(undefined)
      expect(JSON.parse(scene.open.last.body.toString())).toMatchObject({ stream_options: { include_usage: true } })
    }
  })

  it.runIf(THROUGH_GATE)('reaches a model under the name that it has upstream, and never hears that name', async () => {
    const model = 'renamed'
    const whole = await client(model).chat.completions.create({ model, messages: asked('weights-of-august') })
    expect(JSON.parse(scene.open.last.body.toString())).toEqual({ model: 'weights-of-august', messages: asked('weights-of-august') })
    expect([whole.model, whole.choices[0]?.message.content]).toEqual([model, 'You said: weights-of-august'])
    const chunks = await collect(await client(model).chat.completions.create({ model, messages: asked('weights-of-august'), stream: true }))
    expect(new Set(chunks.map((chunk) => chunk.model))).toEqual(new Set([model]))
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('You said: weights-of-august')
  })

  it.runIf(THROUGH_GATE)("keeps to itself what its headers say of the caller's account elsewhere", async () => {
    const elsewhere = client('scripted').withOptions({ organization: 'org-1', project: 'proj-1', defaultHeaders: { 'x-extra': 'mine' } })
    await elsewhere.chat.completions.create({ model: 'scripted', messages: asked('x') })
    const { header } = scene.open.last
    expect(['openai-organization', 'openai-project', 'x-extra', 'x-stainless-lang'].map(header)).toEqual(Array.from({ length: 4 }))
  })

  it('has its own answer, however many ask at once', async () => {
    const numbers = Array.from({ length: 60 }, (_value, index) => index)
    const answers = await Promise.all(
      numbers.map(async (number) => {
        const model = number % 2 === 0 ? 'scripted' : 'stand-in:latest'
        const given = { model, messages: asked(`number ${number}.`) }
        if (number % 3 === 0) return (await client(model).chat.completions.create(given)).choices[0]?.message.content ?? ''
        const chunks = await collect(await client(model).chat.completions.create({ ...given, stream: true }))
        return chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
      }),
    )
    expect(answers.map((text) => /number (\d+)\./.exec(text)?.[1])).toEqual(numbers.map(String))
  })
})
