import { Ollama, type Tool } from 'ollama'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { collect } from '../support/sdk-scene.ts'

let standIns: StandIns
let gate: GatewayUnderTest
let ollama: Ollama
beforeAll(async () => {
  standIns = await startStandIns({ tokensPerSecond: Number.POSITIVE_INFINITY })
  gate = await startTestGateway({ OLLAMA_URL: standIns.ollama.url })
  ollama = new Ollama({ host: `${gate.url}/chat`, headers: { 'X-API-Key': (await gate.key({ rights: ['chat'] })).text } })
})
afterAll(async () => {
  await gate.stop()
  await standIns.close()
})

const model = 'stand-in'
const messages = [{ role: 'user', content: 'What is the weather in Paris?' }]
const WEATHER: Tool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather in a city',
    parameters: { type: 'object', required: ['city'], properties: { city: { type: 'string' } } },
  },
}

/** Beside gate-ollama-sdk.test.ts, which has the rest: what came to Ollama's own protocol with tools and schemas. */
describe("Ollama's own client through the gate", () => {
  it('calls a tool, whole and as a stream, with arguments that are an object', async () => {
    const { message } = await ollama.chat({ model, messages, tools: [WEATHER] })
    expect(message.tool_calls?.map(({ function: called }) => [called.name, called.arguments])).toEqual([['get_weather', { city: 'Paris' }]])
    const parts = await collect(await ollama.chat({ model, messages, tools: [WEATHER], stream: true }))
    expect(parts.flatMap((part) => part.message.tool_calls ?? [])).toHaveLength(1)
    expect(parts.at(-1)).toMatchObject({ done: true, done_reason: 'stop' })
    const result = { role: 'tool', content: '21 degrees', tool_name: 'get_weather' }
    const after = await ollama.chat({ model, messages: [...messages, message, result], tools: [WEATHER] })
    expect(after.message.content).toContain('21 degrees')
  })

  it('has an answer by a schema, and as any JSON', async () => {
    const format = { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } }, required: ['city', 'days'] }
    const byText = await ollama.generate({ model, prompt: 'Three lines about Paris in 3 days', format })
    expect(JSON.parse(byText.response ?? '')).toEqual({ city: 'Paris', days: 3 })
    const { message } = await ollama.chat({ model, messages, format: 'json' })
    expect(JSON.parse(message.content ?? '')).toMatchObject({ stand_in: true })
  })

  it('stops where it is told to', async () => {
    const at = await ollama.generate({ model, prompt: 'Hello', options: { num_predict: 3 } })
    expect(at).toMatchObject({ done_reason: 'length', eval_count: 3 })
    expect((await ollama.generate({ model, prompt: 'Hello', options: { stop: [', not'] } })).response).toBe('I am a stand-in')
  })

  it('embeds with fewer dimensions, and nothing when there is nothing', async () => {
    const { embeddings } = await ollama.embed({ model: 'stand-in-embed', input: 'one', dimensions: 8 })
    expect(embeddings.map((vector) => vector.length)).toEqual([8])
    expect((await ollama.embed({ model: 'stand-in-embed', input: [] })).embeddings).toEqual([])
  })

  it('shows what the backend says of what a model cannot do', async () => {
    await expect(ollama.chat({ model, messages, think: true })).rejects.toThrow('does not support thinking')
    await expect(ollama.chat({ model: 'stand-in-embed', messages })).rejects.toThrow('does not support chat')
  })
})
