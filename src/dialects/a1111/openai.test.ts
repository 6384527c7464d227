import { describe, expect, it } from 'vitest'
import type { PictureJob } from '../operations.ts'
import { pictures } from './openai.ts'

const job = (n: number): PictureJob => ({
  prompt: 'a gate',
  negativePrompt: '',
  n,
  size: null,
  quality: null,
  steps: 20,
  cfgScale: null,
  seed: null,
  sampler: null,
  checkpoint: null,
  taskId: 'req_1',
  nowMs: 1_234_567,
  original: null,
  format: null,
  asUrl: false,
  streams: false,
})

function answerTo(n: number, body: object | string | Buffer) {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const answer = pictures.pictures(job(n)).reshape?.({ status: 200, contentType: 'application/json', body: bytes })
  if (answer === undefined) throw new Error('an answer that is not read')
  return answer
}
const shown = (n: number, body: object | string) => {
  const { body: said, units } = answerTo(n, body)
  const { created, data } = JSON.parse(String(said))
  expect([created, units]).toEqual([1_234, { images: data.length, steps: data.length * 20 }])
  return data.map(({ b64_json }: { b64_json: string }) => b64_json)
}

describe('pictures as OpenAI has them', () => {
  it.each<[string, number, object | string, string[]]>([
    ['as they came', 2, { images: ['AA==', 'BB=='], parameters: { images: ['no'] }, info: '{"images":["no"]}' }, ['AA==', 'BB==']],
    ['without what some put before them', 2, { images: ['data:image/png;base64,AA==', 'BB=='] }, ['AA==', 'BB==']],
    ['fewer than were asked for', 4, { images: ['AA=='] }, ['AA==']],
    ['without the grid', 2, { images: ['grid', 'AA==', 'BB=='] }, ['AA==', 'BB==']],
    ['and no more than were asked for', 1, { images: ['grid', 'AA==', 'BB=='] }, ['AA==']],
    ['beside what is none', 2, { images: [null, { images: ['no'], x: 'no' }, 7, ['no'], 'AA==', true, 'BB=='] }, ['AA==', 'BB==']],
    ['with their slashes escaped', 1, '{"images":["data:image\\/png;base64,A\\/A="]}', ['A/A=']],
    ['with white space around them', 1, ' { "images" : [\n "AA==" ] ,\n"info":"\\"]}" } \n', ['AA==']],
    ['from the last of two lists', 1, '{"images":["no"],"images":["AA=="]}', ['AA==']],
    ['under a name with escapes', 1, '{"im\\u0061ges":["AA=="]}', ['AA==']],
  ])('come %s', (_what, n, body, expected) => {
    expect(shown(n, body)).toEqual(expected)
  })

  it.each<object | string>([{}, { images: [] }, { images: [''] }, { images: [7] }, { images: 'x' }, [], ['x'], '{"images":["AA', 'no', ''])(
    'are missed in %j',
    (body) => {
      expect(() => answerTo(1, body)).toThrow('no picture')
    },
  )

  it('of 64 MiB are not made texts of, and keep nobody waiting', () => {
    const body = Buffer.from(JSON.stringify({ images: Array.from({ length: 8 }, () => 'iVBORw0KGgoA'.repeat(700_000)), info: '' }))
    let bestMs = Number.POSITIVE_INFINITY
    for (let turn = 0; turn < 3; turn += 1) {
      const startedMs = performance.now()
      const answer = answerTo(8, body)
      bestMs = Math.min(bestMs, performance.now() - startedMs)
      expect(answer.body).toBeInstanceOf(Buffer)
    }
    process.stdout.write(`pictures of ${(body.length / 2 ** 20).toFixed(0)} MiB: ${bestMs.toFixed(0)} ms\n`)
    expect(bestMs).toBeLessThan(500)
  })
})
