import { LIMITS } from '../../kernel/index.ts'
import { asText, type Fields, parseFields, readBytes } from '../http/body.ts'
import { type Call, Refusal } from '../http/serve.ts'
import type { Ability, Library, Model } from './library.ts'

/** The body as Go reads it: any content type, keys in any case, the last of two spellings wins. */
export async function readFields(call: Call): Promise<Fields> {
  const bytes = await readBytes(call, LIMITS.chatBodyBytesMax)
  if (bytes.length === 0) throw new Refusal(400, { error: 'missing request body' })
  const fields = parseFields(bytes)
  if (fields === null) throw new Refusal(400, { error: 'invalid character in the request body: it is not a JSON object' })
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value]))
}

export const modelName = (fields: Fields): string => asText(fields.model) || asText(fields.name)

export const streams = (fields: Fields): boolean => fields.stream !== false

export function findModel(library: Library, name: string, missing = `model '${name}' not found`): Model {
  const model = library.find(name)
  if (model === null) throw new Refusal(404, { error: missing })
  return model
}

export function mustBeAble(model: Model, ability: Ability, to: string): void {
  if (!model.abilities.includes(ability)) throw new Refusal(400, { error: `"${model.name}" does not support ${to}` })
}
