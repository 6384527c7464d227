import type { z } from 'zod'
import { own } from '../kernel/index.ts'

type Issue = z.core.$ZodIssue

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  stringbool: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}

const COUNTED: Readonly<Record<string, string>> = { string: 'characters', array: 'items' }

/**
 * What is wrong with a field and what would be right, in a sentence for whoever sent it: the validator's own words are for programmers. A schema's own
 * message goes on where the name ends. Values are never repeated.
 */
export function issueSentence(issue: Issue, input: unknown, nameOf = (field: string): string => field): string {
  const [first, ...rest] = issue.path
  const name = first === undefined ? 'the body' : `"${[nameOf(String(first)), ...rest].join('.')}"`
  if (first !== undefined && valueAt(input, issue.path) === undefined) return `${name} is missing`
  return `${name} ${predicateOf(issue)}`
}

function predicateOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${typeOf(issue.expected)}`
    case 'invalid_value':
      return `must be ${'expected' in issue ? typeOf(String(issue.expected)) : oneOf(issue.values.map(String))}`
    case 'too_big':
      return bound('at most', issue.maximum, issue.origin)
    case 'too_small':
      return issue.origin === 'string' && issue.minimum === 1 ? 'is empty' : bound('at least', issue.minimum, issue.origin)
    default:
      return issue.message
  }
}

const typeOf = (expected: string): string => own(TYPES, expected) ?? expected
const oneOf = (values: readonly string[]): string => (values.length === 1 ? String(values[0]) : `one of ${values.join(', ')}`)

function bound(side: 'at most' | 'at least', limit: number | bigint, origin: string): string {
  const unit = own(COUNTED, origin)
  if (unit !== undefined) return `${side === 'at most' ? 'may' : 'must'} have ${side} ${limit} ${unit}`
  return `${side === 'at most' ? 'may' : 'must'} be ${side} ${limit}`
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = Reflect.get(value, step)
  }
  return value
}
