import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { openaiFault, vectorOf } from '../support/openai-backend.ts'
import { collect, openSdkScene, type SdkScene, THROUGH_GATE, thrown } from '../support/sdk-scene.ts'

let scene: SdkScene
beforeAll(async () => {
  scene = await openSdkScene()
})
afterEach(() => scene.forget())
afterAll(() => scene.close())

function chat(model: string): ChatOpenAI {
  const { baseURL, apiKey } = scene.to(model)
  return new ChatOpenAI({ model, apiKey, configuration: { baseURL }, maxRetries: 0 })
}
const usageOf = ({ usage_metadata: usage }: { readonly usage_metadata?: unknown }): readonly unknown[] => (usage ? [usage] : [])
const weather = tool(({ city }) => `21 degrees in ${city}`, {
  name: 'get_weather',
  description: 'The weather in a city',
  schema: z.object({ city: z.string() }),
})

describe.each(['stand-in:latest', 'scripted'])('LangChain at %s', (model) => {
  it('invokes', async () => {
    const answer = await chat(model).invoke('Où es-tu, 旅人?')
    expect(answer.text).toContain('Où es-tu, 旅人?')
    expect(usageOf(answer)).toMatchObject([{ total_tokens: expect.any(Number) }])
  })

  it('streams, and has the usage that it asks for', async () => {
    const chunks = await collect(await chat(model).stream('Où es-tu, 旅人?'))
    expect(chunks.map(({ text }) => text).join('')).toContain('Où es-tu, 旅人?')
    expect(chunks.flatMap(usageOf)).toHaveLength(1)
  })

  it('calls a tool, whole and as a stream, and goes on with its result', async () => {
    const able = chat(model).bindTools([weather])
    const asked = new HumanMessage('What is the weather in Paris?')
    const called = await able.invoke([asked])
    const [call] = called.tool_calls ?? []
    expect([call?.name, call?.args]).toEqual(['get_weather', { city: 'Paris' }])
    const chunks = await collect(await able.stream([asked]))
    const whole = chunks.reduce((sum, chunk) => sum.concat(chunk))
    expect(whole.tool_calls?.map(({ name, args }) => [name, args])).toEqual([['get_weather', { city: 'Paris' }]])
    const result = new ToolMessage({ tool_call_id: call?.id ?? '', content: '21 degrees' })
    const after = await able.invoke([asked, new AIMessage({ content: '', tool_calls: called.tool_calls ?? [] }), result])
    expect(after.text).toContain('21 degrees')
  })
})

describe('LangChain', () => {
  it.each([
    ['as it likes, which is base64', {}, 'base64'],
    ['with numbers', { encodingFormat: 'float' }, 'float'],
  ] as const)('embeds %s', async (_how, more, encoding_format) => {
    const { baseURL, apiKey } = scene.to('vectors')
    const embeddings = new OpenAIEmbeddings({ model: 'vectors', apiKey, configuration: { baseURL }, maxRetries: 0, ...more })
    expect(await embeddings.embedQuery('three')).toEqual(vectorOf('three', 0))
    expect(await embeddings.embedDocuments(['one', 'three'])).toEqual([vectorOf('one', 0), vectorOf('three', 1)])
    expect(JSON.parse(scene.open.last.body.toString())).toMatchObject({ encoding_format })
  })

  it('has an object by a schema', async () => {
    const able = chat('stand-in:latest').withStructuredOutput(z.object({ city: z.string() }), { name: 'trip', method: 'jsonSchema' })
    expect(await able.invoke('Somewhere such as Paris')).toEqual({ city: 'Paris' })
  })

  it('throws what a backend refuses', async () => {
    scene.open.behave(openaiFault(400, 'context is too long', 'context_length_exceeded'))
    expect(await thrown(chat('scripted').invoke('x'))).toMatchObject({
      status: 400,
      message: expect.stringContaining('context is too long'),
    })
  })

  it.runIf(THROUGH_GATE)('throws for a wrong key and for a model that is not there', async () => {
    const { baseURL } = scene.to('scripted')
    const stranger = new ChatOpenAI({ model: 'scripted', apiKey: 'wrong', configuration: { baseURL }, maxRetries: 0 })
    expect(await thrown(stranger.invoke('x'))).toMatchObject({ status: 401 })
    expect(await thrown(chat('scriptet').invoke('x'))).toMatchObject({ status: 404 })
  })
})
