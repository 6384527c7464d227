import OpenAI from 'openai'
import type { FunctionTool } from 'openai/resources/responses/responses'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { vectorOf } from '../support/openai-backend.ts'
import { collect, openSdkScene, type SdkScene, THROUGH_GATE, thrown } from '../support/sdk-scene.ts'

let scene: SdkScene
beforeAll(async () => {
  scene = await openSdkScene()
})
afterEach(() => scene.forget())
afterAll(() => scene.close())

const client = (model: string): OpenAI => new OpenAI({ ...scene.to(model), maxRetries: 0 })
const WEATHER: FunctionTool = {
  type: 'function',
  name: 'get_weather',
  strict: null,
  description: 'The weather in a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

describe.each(['stand-in:latest', 'scripted'])("OpenAI's client at %s", (model) => {
  it('completes a text, whole and as a stream', async () => {
    const { choices, usage } = await client(model).completions.create({ model, prompt: 'Once upon a time' })
    expect(choices[0]?.text).toContain('Once upon a time')
    expect(usage?.completion_tokens).toBeGreaterThan(0)
    const parts = await collect(await client(model).completions.create({ model, prompt: 'Once upon a time', stream: true }))
    expect(parts.map((part) => part.choices[0]?.text ?? '').join('')).toBe(choices[0]?.text)
    expect(parts.filter((part) => part.choices.length === 0)).toEqual([])
  })

  it('asks for a response, whole and as typed events', async () => {
    const whole = await client(model).responses.create({ model, input: 'Good evening' })
    expect(whole).toMatchObject({ object: 'response', status: 'completed', usage: { total_tokens: expect.any(Number) } })
    expect(whole.output_text).toContain('Good evening')
    const events = await collect(await client(model).responses.create({ model, input: 'Good evening', stream: true }))
    const text = events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : [])).join('')
    expect(text).toBe(whole.output_text)
    expect([events[0]?.type, events.at(-1)?.type]).toEqual(['response.created', 'response.completed'])
    const final = await client(model).responses.stream({ model, input: 'Good evening' }).finalResponse()
    expect(final.output_text).toBe(text)
  })
})

describe("OpenAI's client", () => {
  const model = 'stand-in:latest'

  it('calls a tool in a response, and says what came of it', async () => {
    const { output } = await client(model).responses.create({ model, input: 'What is the weather in Paris?', tools: [WEATHER] })
    const [call] = output
    if (call?.type !== 'function_call') throw new Error('no tool was called')
    expect([call.name, JSON.parse(call.arguments)]).toEqual(['get_weather', { city: 'Paris' }])
    const after = await client(model).responses.create({
      model,
      input: [
        { role: 'user', content: 'What is the weather in Paris?' },
        call,
        { type: 'function_call_output', call_id: call.call_id, output: '21 degrees' },
      ],
      tools: [WEATHER],
    })
    expect(after.output_text).toContain('21 degrees')
    const events = await collect(
      await client(model).responses.create({ model, input: 'What is the weather in Paris?', tools: [WEATHER], stream: true }),
    )
    expect(events.map(({ type }) => type)).toContain('response.function_call_arguments.done')
  })

  it('embeds, which it asks for in base64 without telling', async () => {
    const { data, usage } = await client('vectors').embeddings.create({ model: 'vectors', input: ['one', 'three'] })
    expect(data.map(({ embedding }) => embedding)).toEqual([vectorOf('one', 0), vectorOf('three', 1)])
    expect(usage.prompt_tokens).toBe(2)
    expect(JSON.parse(scene.open.last.body.toString())).toMatchObject({ encoding_format: 'base64' })
  })

  it('embeds with numbers, and with fewer of them', async () => {
    const name = 'stand-in-embed:latest'
    const embed = (more: { encoding_format?: 'float'; dimensions?: number }) =>
      client(name).embeddings.create({ model: name, input: 'a red cat', ...more })
    const [base64, float, short] = [await embed({}), await embed({ encoding_format: 'float' }), await embed({ dimensions: 8 })].map(
      ({ data }) => data[0]?.embedding ?? [],
    )
    expect(base64?.length).toBe(384)
    expect(base64).toEqual([...Float32Array.from(float ?? [])])
    expect(short?.length).toBe(8)
  })

  it('lists models', async () => {
    const { data } = await client(model).models.list()
    expect(data.every(({ id, object, created, owned_by }) => id && object === 'model' && created >= 0 && owned_by)).toBe(true)
    expect(data.map(({ id }) => id)).toContain('stand-in:latest')
  })

  it.runIf(THROUGH_GATE)(
    'lists models of all endpoints by their public names, and looks one up with a slash and a colon in it',
    async () => {
      const ids = (await client(model).models.list()).data.map(({ id }) => id)
      for (const id of ['scripted', 'org/model:7b', 'vectors', 'voice', 'prose', 'tts-1', 'whisper-1', 'stable-diffusion'])
        expect(ids).toContain(id)
      expect(ids).not.toContain('weights-of-august')
      for (const id of ['org/model:7b', 'stand-in:latest', 'renamed'])
        expect(await client(model).models.retrieve(id)).toMatchObject({ id, object: 'model' })
      const fault = await thrown(client(model).models.retrieve('org/modell:7b'))
      expect(fault).toBeInstanceOf(OpenAI.NotFoundError)
      expect(fault).toMatchObject({ code: 'model_not_found', message: expect.stringContaining('org/modell:7b') })
      const chat = await client(model).chat.completions.create({ model: 'org/model:7b', messages: [{ role: 'user', content: 'x' }] })
      expect(chat.model).toBe('org/model:7b')
    },
  )
})
