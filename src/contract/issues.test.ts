import { expect, it } from 'vitest'
import { z } from 'zod'
import { issueSentence } from './issues.ts'
import { createKeyInput, listKeysInput } from './keys.ts'

const shape = z.strictObject({
  text: z.string().min(2).max(4),
  word: z.string().min(1).optional(),
  list: z.array(z.string()).min(1).max(2).optional(),
  whole: z.int().min(1).optional(),
  share: z.number().max(1).optional(),
  flag: z.boolean().optional(),
  kind: z.enum(['a', 'b']).optional(),
  map: z.record(z.string(), z.unknown()).optional(),
})

const told = (schema: z.ZodType, input: unknown): string[] =>
  (schema.safeParse(input).error?.issues ?? []).map((issue) => issueSentence(issue, input))

it.each<[unknown, string]>([
  [{}, '"text" is missing'],
  [{ text: null }, '"text" must be a string'],
  [{ text: 'a' }, '"text" must have at least 2 characters'],
  [{ text: 'abcde' }, '"text" may have at most 4 characters'],
  [{ text: 'ab', word: '' }, '"word" is empty'],
  [{ text: 'ab', list: [] }, '"list" must have at least 1 items'],
  [{ text: 'ab', list: ['a', 'b', 'c'] }, '"list" may have at most 2 items'],
  [{ text: 'ab', list: ['a', 1] }, '"list.1" must be a string'],
  [{ text: 'ab', whole: 1.5 }, '"whole" must be a whole number'],
  [{ text: 'ab', whole: 0 }, '"whole" must be at least 1'],
  [{ text: 'ab', share: 2 }, '"share" may be at most 1'],
  [{ text: 'ab', flag: 'yes' }, '"flag" must be true or false'],
  [{ text: 'ab', kind: 'c' }, '"kind" must be one of a, b'],
  [{ text: 'ab', map: 1 }, '"map" must be an object'],
  [undefined, 'the body must be an object'],
  [[], 'the body must be an object'],
])('%j is answered in a sentence', (input, sentence) => {
  expect(told(shape, input)).toEqual([sentence])
})

it("goes on with a schema's own words", () => {
  expect(told(createKeyInput, { user: 'a b', rights: ['all'], rate: '1' })).toEqual([
    '"user" may hold letters, digits and . _ @ + - only',
    '"rate" must be a rate such as 60/m, 1000/h or 5000/d',
  ])
  expect(told(listKeysInput, { all: 'perhaps', limit: 'x' })).toEqual(['"all" must be true or false', '"limit" must be a number'])
})

it('says the name that the caller wrote', () => {
  const [issue] = shape.safeParse({ text: 'ab', kind: 'c' }).error?.issues ?? []
  expect(issue && issueSentence(issue, { kind: 'c' }, (field) => (field === 'kind' ? 'sort' : field))).toBe('"sort" must be one of a, b')
})
