import { Ajv } from 'ajv'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fill } from './fill.ts'
import { replyTo } from './reply.ts'
import { callsFor, readTools } from './tools.ts'

const PARAMETERS = {
  type: 'object',
  properties: {
    city: { type: 'string' },
    unit: { type: 'string', enum: ['celsius', 'fahrenheit'] },
    days: { type: 'integer' },
    hourly: { type: 'boolean' },
  },
  required: ['city', 'unit', 'days'],
}
const WEATHER = { name: 'get_weather', parameters: PARAMETERS }
const PROMPT = 'What is the weather in Paris for 3 days, in fahrenheit?'

describe('tools', () => {
  it.each([
    [[{ type: 'function', function: WEATHER }]],
    [[{ type: 'function', ...WEATHER }]],
    [[{ name: WEATHER.name, input_schema: PARAMETERS }]],
  ])('are read in each spelling', (given) => expect(readTools(given)).toEqual([WEATHER]))

  it('are called when the prompt speaks of them, with what it says', () => {
    const [call] = callsFor([WEATHER, { name: 'send_mail', parameters: {} }], PROMPT)
    expect(call).toMatchObject({ name: 'get_weather', arguments: { city: 'Paris', unit: 'fahrenheit', days: 3 } })
    expect(callsFor([WEATHER], PROMPT)).toEqual([call])
    expect(callsFor([WEATHER], 'Hello')).toEqual([])
    expect(callsFor([WEATHER], 'Call get_weather')).toHaveLength(1)
    expect(callsFor([{ name: 'lookupWeather', parameters: {} }], PROMPT)).toHaveLength(1)
  })

  it('have the last word: after their result comes a text with it', () => {
    const question = { prompt: PROMPT, tools: [WEATHER] }
    expect(replyTo(question, 1)).toMatchObject({ tokens: [], toolCalls: [{ name: 'get_weather' }] })
    const after = replyTo({ ...question, toolResult: '21 degrees' }, 1)
    expect([after.toolCalls.length, after.tokens.join('').includes('21 degrees')]).toEqual([0, true])
  })
})

describe('JSON that was asked for', () => {
  it('fits its schema, whatever the prompt', () => {
    const nested = { type: 'object', properties: { list: { type: 'array', items: PARAMETERS }, one: { anyOf: [{ type: 'number' }] } } }
    const valid = new Ajv().compile(nested)
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (prompt) => {
        expect(valid(fill(nested, prompt))).toBe(true)
      }),
    )
  })

  it('ends where a stop word stands, and at its limit', () => {
    const text = (over: object) => replyTo({ prompt: 'Hello', ...over }, 1).tokens.join('')
    expect(text({ stops: [', not'] })).toBe('I am a stand-in')
    expect(replyTo({ prompt: 'Hello', tokensMax: 3 }, 1)).toMatchObject({ cut: true, replyTokens: 3 })
    expect(text({ stops: ['I'] })).toBe('')
  })
})
