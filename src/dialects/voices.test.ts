import { describe, expect, it } from 'vitest'
import { voicesAnswer } from '../contract/index.ts'
import { voicesAnswerOf } from './voices.ts'

const listed = (value: unknown): unknown => {
  const { status, body } = voicesAnswerOf({ status: 200, contentType: 'application/json', body: Buffer.from(JSON.stringify(value)) })
  expect(status).toBe(200)
  return voicesAnswer.parse(JSON.parse(String(body))).voices
}

describe('voices', () => {
  it.each([
    [
      'Edge-TTS',
      {
        voices: [
          {
            Name: 'Microsoft …',
            ShortName: 'en-US-JennyNeural',
            Gender: 'Female',
            Locale: 'en-US',
            FriendlyName: 'Microsoft Jenny',
            VoiceTag: {},
          },
        ],
      },
      [{ id: 'en-US-JennyNeural', name: 'Microsoft Jenny', gender: 'Female', language: 'en-US' }],
    ],
    ['openai-edge-tts', { voices: [{ id: 'alloy', name: 'alloy' }] }, [{ id: 'alloy' }]],
    [
      'openai-edge-tts, all',
      { voices: [{ name: 'de-DE-KatjaNeural', gender: 'Female', language: 'de-DE' }] },
      [{ id: 'de-DE-KatjaNeural', gender: 'Female', language: 'de-DE' }],
    ],
    ['Kokoro', { voices: ['af_heart', 'am_adam'] }, [{ id: 'af_heart' }, { id: 'am_adam' }]],
    ['a list', ['a'], [{ id: 'a' }]],
    ['OpenAI', { object: 'list', data: [{ id: 'x', object: 'voice' }] }, [{ id: 'x' }]],
    ['piper', { 'en_US-lessac': { language: 'en_US' }, 'de_DE-x': {} }, [{ id: 'en_US-lessac', language: 'en_US' }, { id: 'de_DE-x' }]],
    ['nobody yet', { voices: [] }, []],
  ])('of %s have one shape', (_who, value, voices) => {
    expect(listed(value)).toEqual(voices)
  })

  it.each([['{"ok":true}'], ['not json'], ['"voices"']])('are not found in %s', (body) => {
    expect(() => voicesAnswerOf({ status: 200, contentType: 'application/json', body: Buffer.from(body) })).toThrow(
      'its list of voices is none',
    )
  })
})
