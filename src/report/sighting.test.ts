import { expect, it } from 'vitest'
import { offenceOf } from './sighting.ts'

it.each(['constructor', 'toString', '__proto__', 'A_CODE_OF_TOMORROW'])('a code that is not known, %s, is no known offence', (code) => {
  expect(offenceOf(code, '', '')).toBe('other')
})
