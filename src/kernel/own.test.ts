import { expect, it } from 'vitest'
import { own } from './own.ts'

it.each(['constructor', 'toString', '__proto__', 'hasOwnProperty', 'b'])('%s is not in a table that does not hold it', (name) => {
  expect(own({ a: 1 }, name)).toBe(undefined)
})

it('what is in the table is found', () => {
  expect(own({ a: 1 }, 'a')).toBe(1)
})
