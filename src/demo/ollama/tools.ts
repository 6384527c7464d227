import { hash32 } from '../hash.ts'
import { asFields, asText } from '../http/body.ts'
import { fill } from './fill.ts'

export interface Tool {
  readonly name: string
  readonly parameters: unknown
}

export interface ToolCall {
  readonly id: string
  readonly name: string
  readonly arguments: unknown
}

/** The tools of a request in any of the four spellings: under `function`, or flat with `parameters` or `input_schema`. */
export function readTools(value: unknown): readonly Tool[] {
  if (!Array.isArray(value)) return []
  return value.flatMap((entry) => {
    const outer = asFields(entry) ?? {}
    const inner = asFields(outer.function) ?? outer
    const name = asText(inner.name)
    return name === '' ? [] : [{ name, parameters: inner.parameters ?? inner.input_schema }]
  })
}

/** Every tool that the prompt speaks of, by its name or by a long word of it: “What is the weather in Paris?” calls `get_weather`. */
export function callsFor(tools: readonly Tool[], prompt: string): readonly ToolCall[] {
  const said = new Set(prompt.toLowerCase().match(/[\p{L}\p{N}_-]+/gu) ?? [])
  return tools
    .filter(({ name }) => said.has(name.toLowerCase()) || longWords(name).some((word) => said.has(word)))
    .map(({ name, parameters }, index) => ({
      id: `call_${hash32(`${index} ${name} ${prompt}`).toString(16).padStart(8, '0')}`,
      name,
      arguments: fill(asFields(parameters) ?? { type: 'object' }, prompt),
    }))
}

const LONG_WORD_LETTERS = 5

const longWords = (name: string): readonly string[] =>
  name
    .replaceAll(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word.length >= LONG_WORD_LETTERS)
