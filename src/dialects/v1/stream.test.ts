import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StreamReport } from '../plan.ts'
import { CHAT, type Grammar, MEDIA, MESSAGES, RESPONSES } from './grammar.ts'
import { renamer } from './rename.ts'
import { EventReader } from './stream.ts'

const delta = (content: string, extra = '') =>
  `data: {"id":"c-1","object":"chat.completion.chunk","model":"small:1b","choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}}}]${extra}}\n\n`
const USAGE =
  'data: {"id":"c-1","model":"small:1b","choices":[],"usage":{"prompt_tokens":26,"completion_tokens":3,"total_tokens":29,"details":{"x":1}}}\n\n'
const DONE = 'data: [DONE]\n\n'
const CHAT_STREAM = [delta('Grüße, "usage":{} '), ': a comment\n\n', delta('[DONE]? '), delta('🙂')]

interface Seen extends StreamReport {
  readonly text: string
}

function read(parts: readonly Buffer[], grammar: Grammar, options: { drop?: boolean; rename?: [string, string] } = {}): Seen {
  const rename = options.rename === undefined ? null : renamer(...options.rename)
  const reader = new EventReader({ grammar, dropUnasked: options.drop ?? false, rename })
  const out = parts.map((part) => reader.chunk(part))
  const rest = reader.rest()
  return { text: Buffer.concat([...out, rest]).toString('utf8'), ...reader.report() }
}

const whole = (text: string): Buffer[] => [Buffer.from(text)]
const cutAt = (text: string, cuts: readonly number[]): Buffer[] => {
  const bytes = Buffer.from(text)
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((from, at) => bytes.subarray(from, places[at] ?? bytes.length))
}

describe('a stream of chat', () => {
  const text = [...CHAT_STREAM, USAGE, DONE].join('')

  it('passes as it came, with its counts read', () => {
    expect(read(whole(text), CHAT)).toEqual({ text, finished: true, failed: false, units: { tokens_in: 26, tokens_out: 3 } })
  })

  it('loses the counts that nobody but the gate asked for, and nothing else', () => {
    expect(read(whole(text), CHAT, { drop: true }).text).toBe([...CHAT_STREAM, DONE].join(''))
  })

  it('is the same however its packets are cut, with either kind of line end', () => {
    for (const stream of [text, text.replaceAll('\n', '\r\n'), text.replaceAll('\n', '\r')]) {
      const expected = read(whole(stream), CHAT, { drop: true })
      expect(expected).toMatchObject({ finished: true, units: { tokens_in: 26, tokens_out: 3 } })
      fc.assert(
        fc.property(fc.array(fc.nat(5_000), { maxLength: 40 }), (cuts) => {
          expect(read(cutAt(stream, cuts), CHAT, { drop: true })).toEqual(expected)
        }),
        { numRuns: 300 },
      )
    }
  })

  it('never passes half an event', () => {
    const cut = [...CHAT_STREAM, delta('half').slice(0, 40)].join('')
    expect(read(whole(cut), CHAT)).toEqual({
      text: CHAT_STREAM.join(''),
      finished: false,
      failed: false,
      units: { tokens_out: 3 },
      estimated: true,
    })
  })

  it('is whole when only the blank line after its last event is missing', () => {
    const seen = read(whole(`${CHAT_STREAM.join('')}data: [DONE]`), CHAT)
    expect(seen).toMatchObject({ text: `${CHAT_STREAM.join('')}data: [DONE]\n\n`, finished: true })
  })

  it('bears the public name of its model there too', () => {
    const last = 'data: {"type":"response.completed","response":{"model":"small:1b"}}'
    const seen = read(whole(last), RESPONSES, { rename: ['small:1b', 'fast'] })
    expect(seen).toMatchObject({ text: `${last.replace('small:1b', 'fast')}\n\n`, finished: true })
  })

  it('takes counts that come with the last words, or as null until then', () => {
    const stream = delta('a', ',"usage":null') + delta('b', ',"usage": {"prompt_tokens":1,"completion_tokens":2}') + DONE
    expect(read(whole(stream), CHAT, { drop: true })).toEqual({
      text: stream,
      finished: true,
      failed: false,
      units: { tokens_in: 1, tokens_out: 2 },
    })
  })

  it('has failed when it says so in band, and says so to its caller', () => {
    const stream = `${delta('a')}data: {"error":{"message":"out of memory","type":"api_error"}}\n\n`
    expect(read(whole(stream), CHAT)).toMatchObject({
      text: stream,
      finished: true,
      failed: true,
      units: { tokens_out: 1 },
      estimated: true,
    })
  })

  it('bears the public name of its model, but for what the model says', () => {
    const said = delta('"model":"small:1b"')
    const { text: seen } = read(whole(said + DONE), CHAT, { rename: ['small:1b', 'fast'] })
    expect(seen).toBe(said.replace('"model":"small:1b","choices"', '"model":"fast","choices"') + DONE)
  })

  it('passes events that are larger than any the gate reads', () => {
    const large = delta('x'.repeat(3_000_000))
    const parts = cutAt(large + DONE, [1_200_000, 2_400_000])
    const reader = new EventReader({ grammar: CHAT, dropUnasked: true, rename: null })
    const first = reader.chunk(parts[0] ?? Buffer.alloc(0))
    expect([first.length, reader.atBoundary]).toEqual([1_200_000, false])
    const out = parts.slice(1).map((part) => reader.chunk(part))
    expect(Buffer.concat([first, ...out]).toString()).toBe(large + DONE)
    expect(reader.atBoundary).toBe(true)
  })

  it('is at no boundary while such an event passes', () => {
    const [first, small = Buffer.alloc(0), last = Buffer.alloc(0)] = cutAt(delta('x'.repeat(1_500_000)), [1_200_000, 1_200_100])
    const reader = new EventReader({ grammar: CHAT, dropUnasked: true, rename: null })
    const boundaries = [first, small, last].map((part) => [reader.chunk(part ?? small).length > 0, reader.atBoundary])
    expect(boundaries).toEqual([
      [true, false],
      [true, false],
      [true, true],
    ])
  })

  it('is read up to such an event', () => {
    const large = delta('x'.repeat(3_000_000))
    const { text: seen } = read(cutAt(USAGE + delta('a') + large + DONE, [1_500_000]), CHAT, { drop: true, rename: ['small:1b', 'fast'] })
    expect(seen.slice(0, 200)).toBe((delta('a').replace('small:1b', 'fast') + large).slice(0, 200))
  })
})

describe('other streams', () => {
  const event = (type: string, rest = '') => `event: ${type}\ndata: {"type":"${type}"${rest}}\n\n`

  it('responses end with their last event, which has the counts', () => {
    const stream =
      event('response.created', ',"response":{"usage":null,"error":null}') +
      event('response.output_text.delta', ',"delta":"hi"') +
      event('response.completed', ',"response":{"error":null,"usage":{"input_tokens":5,"output_tokens":7}}')
    expect(read(whole(stream), RESPONSES)).toEqual({ text: stream, finished: true, failed: false, units: { tokens_in: 5, tokens_out: 7 } })
    expect(read(whole(stream.slice(0, stream.indexOf('event: response.completed'))), RESPONSES)).toMatchObject({ finished: false })
    expect(read(whole(event('response.failed', ',"response":{"error":{"message":"x"}}')), RESPONSES)).toMatchObject({ failed: true })
  })

  it('messages end with message_stop; a cut one is paid for by what passed', () => {
    const start = event('message_start', ',"message":{"usage":{"input_tokens":9,"output_tokens":1,"cache_read_input_tokens":4}}')
    const words = Array.from({ length: 6 }, () => event('content_block_delta', ',"delta":{"type":"text_delta","text":"x"}')).join('')
    const end = event('message_delta', ',"usage":{"output_tokens":12}') + event('message_stop')
    expect(read(whole(start + words + end), MESSAGES)).toMatchObject({ finished: true, units: { tokens_in: 13, tokens_out: 12 } })
    expect(read(whole(start + words), MESSAGES)).toMatchObject({
      finished: false,
      estimated: true,
      units: { tokens_in: 13, tokens_out: 6 },
    })
    expect(read(whole(event('error', ',"error":{"type":"overloaded_error","message":"x"}')), MESSAGES)).toMatchObject({ failed: true })
  })

  it('a cut one is paid for by its text, where a few words come at a time', () => {
    const words = (chars: number) => event('content_block_delta', `,"index":0,"delta":{"type":"text_delta","text":"${'x'.repeat(chars)}"}`)
    const cut = (chars: number) => read(whole(words(chars).repeat(10)), MESSAGES).units?.tokens_out ?? 0
    expect(cut(1)).toBe(10)
    expect(cut(4_000)).toBeGreaterThan(9_900)
    expect(cut(4_000)).toBeLessThan(10_200)
    expect(read(whole(delta('x'.repeat(4_000)).repeat(10)), CHAT).units?.tokens_out).toBeGreaterThan(9_000)
  })

  it('have no counts where each event says that there are none yet', () => {
    const none = ',"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'
    expect(read(whole(delta('a', none) + delta('b', none)), CHAT)).toMatchObject({
      finished: false,
      units: { tokens_out: 2 },
      estimated: true,
    })
    const { units, estimated } = read(whole(delta('a', none) + delta('b', none) + USAGE + DONE), CHAT)
    expect([units, estimated]).toEqual([{ tokens_in: 26, tokens_out: 3 }, undefined])
  })

  it.each([
    ['a picture that names itself', MEDIA, '', 'image_generation.completed'],
    ['a picture whose event is named', MEDIA, 'event: image_generation.completed\n', ''],
    ['a long response', RESPONSES, '', 'response.completed'],
  ])('are whole though their last event is larger than any that the gate reads: %s', (_what, grammar, name, type) => {
    const last = `${name}data: {${type === '' ? '' : `"type":"${type}",`}"b64_json":"${'A'.repeat(3_000_000)}"}\n\n`
    const stream = `data: {"type":"some.delta"}\n\n${last}`
    expect(read(cutAt(stream, [1_300_000, 2_400_000]), grammar)).toMatchObject({ text: stream, finished: true, failed: false })
    expect(read(cutAt(stream.slice(0, -3), [1_300_000, 2_400_000]), grammar)).toMatchObject({ finished: false })
  })

  it('media end with done or completed, and their events are no tokens', () => {
    const stream = 'data: {"type":"transcript.text.delta","delta":"Hello"}\n\ndata: {"type":"transcript.text.done","text":""}\n\n'
    expect(read(whole(stream), MEDIA)).toEqual({ text: stream, finished: true, failed: false })
    expect(read(whole(stream.slice(0, 60)), MEDIA)).toEqual({
      text: stream.slice(0, stream.indexOf('\n\n') + 2),
      finished: false,
      failed: false,
    })
  })
})
