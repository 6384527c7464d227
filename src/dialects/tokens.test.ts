import { describe, expect, it } from 'vitest'
import { parseObject, scanObject } from '../http/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { expectedTokens } from './tokens.ts'

/** As a body is read: of a long one only a few fields are parsed. */
function most(
  body: Record<string, unknown>,
  fields: Readonly<Record<string, unknown>> = body,
): Readonly<Record<string, number | undefined>> {
  const bytes = Buffer.from(JSON.stringify(body))
  expect(parseObject(bytes)).toEqual(body)
  return expectedTokens({ bytes, keys: scanObject(bytes), fields }, 'generates').most
}

describe('the tokens of an answer, before there is one', () => {
  it.each([
    ['nothing is said', {}, LIMITS.tokensOutGuess],
    ['it is bounded', { max_tokens: 10 }, 10],
    ['two fields bound it, and nobody knows which is obeyed', { max_tokens: 1, max_completion_tokens: 50_000 }, 50_000],
    ['Ollama bounds it', { options: { num_predict: 7 } }, 7],
    ['Ollama is to go on for ever', { options: { num_predict: -1 } }, LIMITS.tokensOutGuess],
    ['several answers are asked for', { max_tokens: 10, n: 3 }, 30],
    ['the best of several is asked for', { max_tokens: 10, n: 1, best_of: 20 }, 200],
    ['several prompts are asked', { prompt: ['a', 'b', 'c'], max_tokens: 10 }, 30],
    ['one prompt is a list of numbers', { prompt: [1, 2, 3], max_tokens: 10 }, 10],
    ['prompts are lists of numbers', { prompt: [[1, 2], [3]], max_tokens: 10 }, 20],
    ['numbers are absurd', { max_tokens: 1e300, n: 1e300 }, LIMITS.requestTokensMax],
    ['numbers are none', { max_tokens: '10', n: null }, LIMITS.tokensOutGuess],
  ])('are expected where %s', (_what, body, tokens) => {
    expect(most(body).tokens_out).toBe(tokens)
  })

  it('are as many for prompts that are too long to parse', () => {
    expect(most({ prompt: ['a', 'b', 'c'], max_tokens: 10 }, { max_tokens: 10 }).tokens_out).toBe(30)
    expect(most({ prompt: [1, 2, 3], max_tokens: 10 }, { max_tokens: 10 }).tokens_out).toBe(10)
    expect(most({ prompt: 'a, b, c', max_tokens: 10 }, { max_tokens: 10 }).tokens_out).toBe(10)
  })
})

describe('the tokens of a prompt, before anybody has counted them', () => {
  it('are a quarter of its bytes', () => {
    expect(most({ model: 'x'.repeat(4_000), prompt: 'y'.repeat(398) }).tokens_in).toBe(100)
  })

  it('are a thousand for a picture, whatever its size, and the texts beside it still count', () => {
    const picture = `data:image/png;base64,${'iVBORw0KGgo'.repeat(50_000)}`
    const text = 'two words '.repeat(400)
    const { tokens_in: tokens = 0 } = most({ messages: [{ role: 'user', content: [{ text }, { image_url: { url: picture } }] }] })
    expect(tokens).toBeGreaterThan(2_000)
    expect(tokens).toBeLessThan(2_100)
  })

  it('are told in a moment for texts that are hard to look at', () => {
    const hard = [`data:${'a'.repeat(200)}`, 'x'.repeat(2_000), '\\\\"'.repeat(2_000)]
    const began = performance.now()
    most({ messages: Array.from({ length: 200 }, () => hard) })
    expect(performance.now() - began).toBeLessThan(2_000)
  })
})
