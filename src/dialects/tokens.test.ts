import { describe, expect, it } from 'vitest'
import { parseObject, scanObject } from '../http/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { expectedTokens, type Writes } from './tokens.ts'

/** As a body is read: of a long one only a few fields are parsed. */
function most(
  body: Record<string, unknown>,
  kind: Writes = 'completions',
  fields: Readonly<Record<string, unknown>> = body,
): Readonly<Record<string, number | undefined>> {
  const bytes = Buffer.from(JSON.stringify(body))
  expect(parseObject(bytes)).toEqual(body)
  return expectedTokens({ bytes, keys: scanObject(bytes), fields }, kind).most
}

describe('the tokens of an answer, before there is one', () => {
  it.each([
    ['nothing is said', {}, LIMITS.tokensOutGuess],
    ['it is bounded', { max_tokens: 10 }, 10],
    ['several answers are asked for', { max_tokens: 10, n: 3 }, 30],
    ['the best of several is asked for', { max_tokens: 10, n: 1, best_of: 20 }, 200],
    ['several prompts are asked', { prompt: ['a', 'b', 'c'], max_tokens: 10 }, 30],
    ['one prompt is a list of numbers', { prompt: [1, 2, 3], max_tokens: 10 }, 10],
    ['prompts are lists of numbers', { prompt: [[1, 2], [3]], max_tokens: 10 }, 20],
    ['numbers are absurd', { max_tokens: 1e300, n: 1e300 }, LIMITS.requestTokensMax],
    ['numbers are none', { max_tokens: null, n: null, best_of: null }, LIMITS.tokensOutGuess],
  ])('are expected where %s', (_what, body, tokens) => {
    expect(most(body).tokens_out).toBe(tokens)
  })

  it.each(['n', 'best_of', 'max_tokens', 'max_completion_tokens', 'n_predict', 'max_output_tokens'])(
    'are not guessed where %s is no number',
    (name) => {
      for (const kind of ['chat', 'completions', 'responses', 'messages'] as const)
        for (const value of ['64', '', true, [64], {}])
          expect(() => most({ [name]: value }, kind)).toThrow(expect.objectContaining({ code: 'BODY_INVALID', hints: { param: name } }))
      expect(most({ prompt: 'x', [name]: '64' }, 'generates').tokens_out).toBe(LIMITS.tokensOutGuess)
    },
  )

  it.each([
    ['chat', { max_tokens: 10 }, 10],
    ['chat', { max_tokens: 1, max_completion_tokens: 50_000 }, 50_000],
    ['chat', { max_completion_tokens: 1 }, LIMITS.tokensOutGuess],
    ['chat', { max_tokens: 1, n_predict: 50_000 }, 50_000],
    ['completions', { max_tokens: 5_000, n_predict: 1 }, 5_000],
    ['chat', { max_output_tokens: 1 }, LIMITS.tokensOutGuess],
    ['chat', { options: { num_predict: 1 } }, LIMITS.tokensOutGuess],
    ['responses', { max_output_tokens: 10 }, 10],
    ['responses', { max_tokens: 1 }, LIMITS.tokensOutGuess],
    ['messages', { max_tokens: 10 }, 10],
    ['generates', { options: { num_predict: 7 } }, 7],
    ['generates', { options: { num_predict: -1 } }, LIMITS.tokensOutGuess],
    ['generates', { max_tokens: 1 }, LIMITS.tokensOutGuess],
  ] as const)('are bounded over %s only by what its backends obey: %j', (kind, body, tokens) => {
    expect(most(body, kind).tokens_out).toBe(tokens)
  })

  it('are as many for prompts that are too long to parse', () => {
    expect(most({ prompt: ['a', 'b', 'c'], max_tokens: 10 }, 'completions', { max_tokens: 10 }).tokens_out).toBe(30)
    expect(most({ prompt: [1, 2, 3], max_tokens: 10 }, 'completions', { max_tokens: 10 }).tokens_out).toBe(10)
    expect(
      most({ prompt: ['one, with commas, and a \\"quote\\"', 'two'], max_tokens: 10 }, 'completions', { max_tokens: 10 }).tokens_out,
    ).toBe(20)
    expect(
      most(
        {
          prompt: [
            [1, 2],
            [3, 4, 5],
          ],
          max_tokens: 10,
        },
        'completions',
        { max_tokens: 10 },
      ).tokens_out,
    ).toBe(20)
    expect(most({ prompt: 'a, b, c', max_tokens: 10 }, 'completions', { max_tokens: 10 }).tokens_out).toBe(10)
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

  it('are all that is read, however it begins or looks, where no picture can be', () => {
    const prose = 'word '.repeat(20_000)
    for (const text of [`${'a'.repeat(2_000)}${prose}`, prose.replaceAll(' ', '/'), `data:image/png;base64,${prose.replaceAll(' ', '/')}`])
      for (const content of [text, [{ type: 'text', text }]])
        expect(most({ messages: [{ content, data: 'x', role: 'user' }] }).tokens_in).toBeGreaterThan(24_000)
    const source = { type: 'text', media_type: 'text/plain', data: prose }
    expect(most({ messages: [{ content: [{ type: 'document', source }] }] }).tokens_in).toBeGreaterThan(24_000)
  })

  it('count the pictures that Ollama has in a list, and the numbers of a talk that goes on', () => {
    const images = ['A'.repeat(100_000), 'B'.repeat(100_000)]
    expect(most({ messages: [{ content: 'x', images }] }, 'generates').tokens_in).toBeLessThan(2_100)
    expect(most({ prompt: 'x', images }, 'generates').tokens_in).toBeGreaterThan(1_990)
    expect(most({ prompt: 'x', context: Array.from({ length: 1_000 }, () => 12_345) }, 'generates').tokens_in).toBeGreaterThan(1_000)
  })

  it('are told in a moment for texts that are hard to look at', () => {
    const hard = [`data:${'a'.repeat(200)}`, 'x'.repeat(2_000), '\\\\"'.repeat(2_000)]
    const began = performance.now()
    most({ messages: Array.from({ length: 200 }, () => hard) })
    expect(performance.now() - began).toBeLessThan(2_000)
  })
})
