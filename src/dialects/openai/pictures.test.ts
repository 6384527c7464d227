import { describe, expect, it } from 'vitest'
import { passPlan } from '../v1/pass.ts'
import { countedPictures } from './pictures.ts'

const body = Buffer.from('{"model":"m"}')
const endpoint = { ref: 'builtin:x', dialect: 'openai', apiRoot: '/v1', cloudModels: false, remote: 'refuse' } as const
const plan = (upstream: string) =>
  countedPictures(
    passPlan({
      protocol: 'images',
      endpoint,
      mayManage: false,
      body: { bytes: body, keys: [], fields: { model: 'm' } },
      upstream,
      name: 'm',
      options: {},
      headers: {},
    }),
    4,
  )

const picture = (more: object) => ({ revised_prompt: 'a "b64_json": "sign" with "url" on it', ...more })
const answerOf = (data: readonly object[], more: object = {}) => JSON.stringify({ created: 1, data, ...more })
const event = (type: string) => `event: ${type}\ndata: ${JSON.stringify({ type, b64_json: 'AAAA' })}\n\n`

const ANSWERS: readonly (readonly [what: string, contentType: string, text: string, images: number])[] = [
  ['in base64', 'application/json', answerOf([picture({ b64_json: 'A' }), picture({ b64_json: 'B' })]), 2],
  [
    'by their addresses',
    'application/json',
    answerOf([picture({ b64_json: null, url: 'http://x' }), picture({ b64_json: null, url: 'y' })]),
    2,
  ],
  [
    'with tokens beside them',
    'application/json',
    answerOf([picture({ b64_json: 'A' })], { usage: { input_tokens: 9, output_tokens: 90 } }),
    1,
  ],
  ['of which there are none', 'application/json', answerOf([]), 0],
  [
    'as a stream, the half done ones not counted',
    'text/event-stream',
    ['partial_image', 'partial_image', 'completed', 'completed'].map((end) => event(`image_generation.${end}`)).join(''),
    2,
  ],
  ['as a stream that showed them half done and broke off', 'text/event-stream', event('image_generation.partial_image').repeat(5), 4],
  [
    'as a stream of which only half came',
    'text/event-stream',
    event('image_edit.completed') + event('image_edit.completed').slice(0, 20),
    1,
  ],
]

describe.each(ANSWERS)('pictures %s', (_what, contentType, text, images) => {
  it.each([1, 7, 31, 100_000])('are counted in pieces of %i bytes', (size) => {
    const reader = plan('m').reader?.(200, contentType)
    for (let at = 0; at < text.length; at += size) reader?.chunk(Buffer.from(text.slice(at, at + size)))
    reader?.rest?.()
    expect(reader?.report().units?.images).toBe(images)
  })

  it.runIf(contentType === 'application/json')('are counted where the answer is renamed', () => {
    expect(plan('other').reshape?.({ status: 200, contentType, body: Buffer.from(text) }).units?.images).toBe(images)
  })
})
