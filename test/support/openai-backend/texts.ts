import { asFields, asText, type Fields } from '../../../src/demo/index.ts'
import { type Behaviour, json } from '../hostile.ts'
import { usageOf } from './chat.ts'
import { fieldsOf, sse } from './sse.ts'

/** `POST /v1/completions`, whole or as a stream. */
export const completions = (): Behaviour => async (x) => {
  const body = await fieldsOf(x)
  const about = { id: 'cmpl-91ab', object: 'text_completion', created: 1_764_000_000, model: asText(body.model) }
  const choice = (text: string, finish: string | null) => ({ text, index: 0, logprobs: null, finish_reason: finish })
  const text = `After “${asText(body.prompt)}” comes more.`
  if (body.stream !== true) return json({ ...about, choices: [choice(text, 'stop')], usage: usageOf(4) })(x)
  const usage = asFields(body.stream_options)?.include_usage === true
  const words = text.match(/\S+\s*/g) ?? []
  await sse([
    ...words.map((word) => ({ ...about, choices: [choice(word, null)] })),
    { ...about, choices: [choice('', 'stop')] },
    ...(usage ? [{ ...about, choices: [], usage: usageOf(words.length) }] : []),
    '[DONE]',
  ])(x)
}

/** The vector of the text at this place, the same for everybody: its length, its place, and numbers that a float32 holds exactly. */
export const vectorOf = (text: string, index: number): readonly number[] => [text.length, index, 0.5, -0.25]

/** `POST /v1/embeddings`. `floatsAnyway` is the server that has never heard of base64, and makes OpenAI's client answer an empty list. */
export const embeddings =
  ({ floatsAnyway = false }: { floatsAnyway?: boolean } = {}): Behaviour =>
  async (x) => {
    const body = await fieldsOf(x)
    const texts: readonly unknown[] = [body.input ?? []].flat()
    const base64 = body.encoding_format === 'base64' && !floatsAnyway
    const data = texts.map((text, index) => {
      const vector = vectorOf(typeof text === 'string' ? text : JSON.stringify(text), index)
      return { object: 'embedding', index, embedding: base64 ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector }
    })
    const usage = { prompt_tokens: texts.length, total_tokens: texts.length }
    await json({ object: 'list', data, model: asText(body.model), usage })(x)
  }

export const models = (ids: readonly string[] | null): Behaviour =>
  json({ object: 'list', data: ids?.map((id) => ({ id, object: 'model', created: 1_764_000_000, owned_by: 'vllm', ...MORE })) ?? null })

/** vLLM tells more than OpenAI. */
const MORE: Fields = { root: '/models/weights', parent: null, max_model_len: 8_192, permission: [] }
