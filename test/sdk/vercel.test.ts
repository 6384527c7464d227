import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, embed, embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { chatStream, openaiFault, vectorOf } from '../support/openai-backend.ts'
import { collect, openSdkScene, type SdkScene, THROUGH_GATE, thrown } from '../support/sdk-scene.ts'
import { until } from '../support/until.ts'

let scene: SdkScene
beforeAll(async () => {
  scene = await openSdkScene()
})
afterEach(() => scene.forget())
afterAll(() => scene.close())

const provider = (model: string) =>
  createOpenAICompatible({ name: 'gate', includeUsage: true, supportsStructuredOutputs: true, ...scene.to(model) })
const chat = (id: string) => provider(id).chatModel(id)
const tools = {
  get_weather: tool({
    description: 'The weather in a city',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `21 degrees in ${city}`,
  }),
}

describe.each(['stand-in:latest', 'scripted'])("Vercel's SDK at %s", (id) => {
  it('generates a text', async () => {
    const { text, finishReason, usage } = await generateText({ model: chat(id), prompt: 'Où es-tu, 旅人?', maxRetries: 0 })
    expect(text).toContain('Où es-tu, 旅人?')
    expect([finishReason, (usage.outputTokens ?? 0) > 0]).toEqual(['stop', true])
  })

  it('streams a text, with usage at its end', async () => {
    const result = streamText({ model: chat(id), prompt: 'Où es-tu, 旅人?', maxRetries: 0 })
    const parts = await collect(result.textStream)
    expect(parts.length).toBeGreaterThan(2)
    expect(parts.join('')).toContain('Où es-tu, 旅人?')
    expect((await result.usage).outputTokens).toBeGreaterThan(0)
    expect(await result.finishReason).toBe('stop')
  })

  it('calls a tool and goes on with its result, whole and as a stream', async () => {
    const about = { prompt: 'What is the weather in Paris?', tools, stopWhen: stepCountIs(3), maxRetries: 0 }
    const { text, steps } = await generateText({ model: chat(id), ...about })
    expect([steps.length, text.includes('21 degrees in Paris')]).toEqual([2, true])
    const streamed = streamText({ model: chat(id), ...about })
    expect((await collect(streamed.textStream)).join('')).toContain('21 degrees in Paris')
  })
})

describe("Vercel's SDK", () => {
  it('embeds one and many', async () => {
    const model = provider('vectors').embeddingModel('vectors')
    expect((await embed({ model, value: 'three' })).embedding).toEqual(vectorOf('three', 0))
    expect((await embedMany({ model, values: ['one', 'three'] })).embeddings).toEqual([vectorOf('one', 0), vectorOf('three', 1)])
  })

  it('generates an object by a schema', async () => {
    const schema = jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'] })
    const { object } = await generateObject({ model: chat('stand-in:latest'), schema, prompt: 'A city such as Paris', maxRetries: 0 })
    expect(object).toEqual({ city: 'Paris' })
  })

  it('throws what a backend refuses, and what it says in the middle of a stream', async () => {
    scene.open.behave(openaiFault(400, 'context is too long', 'context_length_exceeded'))
    const refused = await thrown(generateText({ model: chat('scripted'), prompt: 'x', maxRetries: 0 }))
    expect(APICallError.isInstance(refused)).toBe(true)
    expect(refused).toMatchObject({ statusCode: 400, message: expect.stringContaining('context is too long') })
    scene.open.behave(chatStream({ failAfter: 1 }))
    const faults: unknown[] = []
    const result = streamText({
      model: chat('scripted'),
      prompt: 'one two',
      maxRetries: 0,
      onError: ({ error }) => void faults.push(error),
    })
    await collect(result.textStream).catch((fault) => faults.push(fault))
    expect(JSON.stringify(faults)).toContain('CUDA out of memory')
  })

  it('leaves, and the backend is let go within a second', async () => {
    scene.open.behave(chatStream({ end: 'hang', done: false }))
    const leaving = new AbortController()
    const result = streamText({ model: chat('scripted'), prompt: 'one two', abortSignal: leaving.signal, onError: () => {} })
    for await (const part of result.textStream) if (part !== '') leaving.abort()
    await until(() => scene.open.last.leftMs, { withinMs: 1_000, what: 'the backend to be let go' })
  })

  it.runIf(THROUGH_GATE)('throws for a wrong key and for a model that is not there', async () => {
    const { baseURL } = scene.to('scripted')
    const stranger = createOpenAICompatible({ name: 'gate', baseURL, apiKey: 'wrong' }).chatModel('scripted')
    expect(await thrown(generateText({ model: stranger, prompt: 'x', maxRetries: 0 }))).toMatchObject({ statusCode: 401 })
    const unknown = await thrown(generateText({ model: chat('scriptet'), prompt: 'x', maxRetries: 0 }))
    expect(unknown).toMatchObject({ statusCode: 404, message: expect.stringContaining('scripted') })
    expect(scene.open.asked).toEqual([])
  })
})
