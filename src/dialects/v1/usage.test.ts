import { describe, expect, it } from 'vitest'
import { unitsOfUsage } from './usage.ts'

describe('what an answer says that it used', () => {
  it.each([
    ['OpenAI', { prompt_tokens: 12, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 8 } }, 12],
    ['OpenAI’s responses', { input_tokens: 12, output_tokens: 3, input_tokens_details: { cached_tokens: 8 } }, 12],
    ['Anthropic', { input_tokens: 4, cache_read_input_tokens: 6, cache_creation_input_tokens: 2, output_tokens: 3 }, 12],
    ['LiteLLM', { prompt_tokens: 12, completion_tokens: 3, cache_read_input_tokens: 6, cache_creation_input_tokens: 2 }, 12],
  ])('has what was read from a cache in its input once, as %s says it', (_who, usage, tokensIn) => {
    expect(unitsOfUsage(usage)).toEqual({ tokens_in: tokensIn, tokens_out: 3 })
  })
})
