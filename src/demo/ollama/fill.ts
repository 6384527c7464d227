import { asFields, type Fields } from '../http/body.ts'

const DEPTH_MAX = 8

/** A value that fits a JSON schema; taken from the prompt where the prompt holds something that fits, so that a caller can tell that both arrived. */
export function fill(schema: unknown, prompt: string, depth = 0): unknown {
  const fields = asFields(schema) ?? {}
  if (fields.const !== undefined) return fields.const
  if (Array.isArray(fields.enum)) return fields.enum.find((value) => mentions(prompt, value)) ?? fields.enum[0]
  const either = [fields.anyOf, fields.oneOf].find(Array.isArray)
  if (either !== undefined) return fill(either[0], prompt, depth)
  const type = Array.isArray(fields.type) ? fields.type[0] : fields.type
  const make = MAKERS[String(type ?? (fields.properties === undefined ? 'string' : 'object'))]
  return make === undefined || depth > DEPTH_MAX ? null : make(prompt, fields, depth)
}

const MAKERS: Readonly<Record<string, (prompt: string, schema: Fields, depth: number) => unknown>> = {
  string: (prompt) => nameIn(prompt) ?? prompt,
  number: (prompt) => numberIn(prompt),
  integer: (prompt) => Math.trunc(numberIn(prompt)),
  boolean: () => true,
  array: (prompt, { items }, depth) => [fill(items, prompt, depth + 1)],
  object: (prompt, { properties, required }, depth) => {
    const known = Object.entries(asFields(properties) ?? {})
    const wanted = Array.isArray(required) ? known.filter(([name]) => required.includes(name)) : known
    return Object.fromEntries(wanted.map(([name, schema]) => [name, fill(schema, prompt, depth + 1)]))
  },
}

const mentions = (prompt: string, value: unknown): boolean =>
  typeof value === 'string' && value !== '' && prompt.toLowerCase().includes(value.toLowerCase())

/** The last word with a capital that does not begin the text: in “Is it cold in Paris today?” that is Paris. */
const nameIn = (prompt: string): string | undefined =>
  prompt
    .trimStart()
    .match(/(?<=\s)\p{Lu}[\p{L}\p{M}'’-]+/gu)
    ?.at(-1)

const numberIn = (prompt: string): number => Number(/-?\d+(?:\.\d+)?/.exec(prompt)?.[0] ?? 0)
