import { describe, expect, it } from 'vitest'
import { simpleImageInput, speakInput, transcribeOptions } from '../../contract/index.ts'
import { GatewayError } from '../../kernel/index.ts'
import { wantsImage } from './image.ts'
import { readInput } from './input.ts'

const detailOf = (look: () => unknown): string => {
  try {
    look()
    return 'passed'
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'BODY_INVALID') return error.detail
    throw error
  }
}

describe('what an Accept header asks for', () => {
  it.each([
    ['image/png', true],
    ['image/*', true],
    ['IMAGE/PNG', true],
    ['image/png, application/json;q=0.5', true],
    ['image/avif,image/webp,image/apng,image/*,*/*;q=0.8', true],
    ['', false],
    ['*/*', false],
    ['application/json', false],
    ['application/json, image/png', false],
    ['application/json, image/png;q=0.9', false],
    ['image/png;q=0', false],
    ['image/png;q=x', false],
    ['image/jpeg', false],
  ])('in "%s" is the picture itself: %s', (accept, image) => {
    expect(wantsImage(accept)).toBe(image)
  })
})

describe('what is asked of a simple picture', () => {
  it('has the defaults that are promised', () => {
    expect(readInput(simpleImageInput, { prompt: 'x' })).toEqual({
      prompt: 'x',
      steps: 20,
      width: 512,
      height: 512,
      cfg_scale: 7,
      sampler: 'Euler a',
      seed: -1,
    })
  })

  it.each([
    [{}, /^"prompt" is missing$/],
    [{ prompt: ' ' }, /^"prompt" is empty: there is nothing to draw$/],
    [{ prompt: 'x', steps: 151 }, /^"steps" may be at most 150$/],
    [{ prompt: 'x', width: 8 }, /^"width" must be at least 64$/],
    [{ prompt: 'x', seed: -2 }, /^"seed" must be at least -1$/],
    [{ prompt: 'x', sampler: 'Euler\na' }, /^"sampler" holds control characters/],
    [{ prompt: 'x', sampler_name: 'Euler' }, /^sampler_name: there is no such field here; this route takes prompt, negative_prompt, steps/],
    [{ prompt: 'x', steps: 0, width: 0 }, /^"steps" must be at least 1; "width" must be at least 64$/],
  ])('is not %j', (fields, detail) => {
    expect(detailOf(() => readInput(simpleImageInput, fields))).toMatch(detail)
  })
})

describe('what is asked of speech', () => {
  it('is text, and the rest if wanted', () => {
    expect(readInput(speakInput, { text: 'hi', voice: 'a(2)+b', rate: '+10%', format: 'wav', model: null })).toEqual({
      text: 'hi',
      voice: 'a(2)+b',
      rate: 10,
      format: 'wav',
      model: null,
    })
    expect(['-75%', '300%', '+0%', '5%'].map((rate) => readInput(speakInput, { text: 'x', rate }).rate)).toEqual([-75, 300, 0, 5])
  })

  it.each([
    [{}, /^"text" is missing$/],
    [{ text: '\n ' }, /^"text" is empty: there is nothing to speak$/],
    [{ text: 1 }, /^"text" must be a string$/],
    [{ text: 'x', rate: '10' }, /^"rate" must be a change of speed such as \+10%/],
    [{ text: 'x', rate: '-76%' }, /^"rate" must be a change of speed from -75% to \+300%/],
    [{ text: 'x', format: 'ogg' }, /^"format" must be one of mp3, opus, aac, flac, wav, pcm$/],
    [{ text: 'x', voice: '' }, /^"voice" is empty$/],
    [{ text: 'x', voice: 'a\r\nb' }, /^"voice" holds control characters/],
    [{ text: 'x', pitch: '+1Hz' }, /^pitch: there is no such field here; this route takes text, voice, rate, format, model$/],
  ])('is not %j', (fields, detail) => {
    expect(detailOf(() => readInput(speakInput, fields))).toMatch(detail)
  })
})

describe('what is asked of a transcription', () => {
  it('is nothing that must be', () => {
    expect(readInput(transcribeOptions, {})).toEqual({ task: 'transcribe', response_format: 'json' })
    expect(readInput(transcribeOptions, { language: 'DE', temperature: '0.2', response_format: 'txt' })).toMatchObject({
      language: 'de',
      temperature: 0.2,
      response_format: 'txt',
    })
  })

  it.each([
    [{ language: 'klingon' }, /^"language" must be a language code/],
    [{ language: 'xx' }, /^"language" must be/],
    [{ task: 'summarise' }, /^"task" must be one of transcribe, translate$/],
    [{ temperature: '1.1' }, /^"temperature" must be a number from 0 to 1$/],
    [{ temperature: 'warm' }, /^"temperature" must be a number from 0 to 1$/],
    [{ temperature: '1e-1' }, /^"temperature" must be/],
    [{ response_format: 'tsv' }, /^"response_format" must be one of json, text, /],
    [{ prompt: 'x'.repeat(4_097) }, /^"prompt" may have at most 4096 characters$/],
  ])('is not %j', (fields, detail) => {
    expect(detailOf(() => readInput(transcribeOptions, fields))).toMatch(detail)
  })
})
