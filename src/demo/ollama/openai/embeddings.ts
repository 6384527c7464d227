import { asText } from '../../http/body.ts'
import { type Call, Refusal, sendJson } from '../../http/serve.ts'
import { findModel, modelName, readFields } from '../fields.ts'
import type { Library } from '../library.ts'
import { tokensOf } from '../talk.ts'
import { embed, normalised } from '../vectors.ts'

/** `POST /v1/embeddings`, as numbers or as base64 of little-endian floats. Texts only: token numbers are refused. */
export async function embeddings(call: Call, library: Library): Promise<void> {
  const fields = await readFields(call)
  const format = asText(fields.encoding_format).toLowerCase() || 'float'
  if (format !== 'float' && format !== 'base64')
    throw new Refusal(400, { error: `Invalid value for 'encoding_format' = ${format}. Supported values: ['float', 'base64'].` })
  const inputs: readonly unknown[] = [fields.input ?? []].flat()
  if (inputs.length === 0) throw new Refusal(400, { error: 'invalid input' })
  const texts = inputs.map((input) => {
    if (typeof input !== 'string') throw new Refusal(400, { error: 'invalid input type' })
    return input
  })
  const name = modelName(fields)
  const model = findModel(library, name, `model "${name}" not found, try pulling it first`)
  library.touch(model, undefined)
  const dimensions = Number(fields.dimensions ?? 0)
  const vectors = texts.map((text) => normalised(dimensions > 0 ? embed(text).slice(0, dimensions) : embed(text)))
  const tokens = texts.reduce((sum, text) => sum + tokensOf(text).length, 0)
  sendJson(call.res, 200, {
    object: 'list',
    data: vectors.map((vector, index) => ({ object: 'embedding', embedding: format === 'base64' ? base64(vector) : vector, index })),
    model: name,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  })
}

const FLOAT_BYTES = 4

function base64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * FLOAT_BYTES)
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * FLOAT_BYTES)
  return bytes.toString('base64')
}
