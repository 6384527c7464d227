import fc from 'fast-check'
import { expect, it } from 'vitest'
import { answerTo, jsonAnswerTo, tokensOf } from './talk.ts'
import { embed, normalised } from './vectors.ts'

it('loses no character between text and tokens', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(tokensOf(text).join('')).toBe(text)
    }),
  )
})

it('says that it is a stand-in, and what it was asked', () => {
  const text = answerTo('Why is\nthe sky blue?', 25)
  expect(text).toContain('stand-in, not a language model')
  expect(text).toContain('You asked: “Why is the sky blue?”')
  expect(answerTo('Good morning', 25)).toContain('You wrote: “Good morning”')
  expect(JSON.parse(jsonAnswerTo('"quoted"'))).toEqual({ stand_in: true, you_wrote: '"quoted"', characters: 8 })
})

it('gives unit vectors, and no direction to nothing', () => {
  expect(Math.hypot(...normalised(embed('a red cat')))).toBeCloseTo(1)
  expect(normalised(embed('!?')).every((value) => value === 0)).toBe(true)
})
