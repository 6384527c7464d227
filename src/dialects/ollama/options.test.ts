import { expect, it } from 'vitest'
import { edited } from '../../http/index.ts'
import { withOllamaOptions } from './options.ts'
import { inspectOllamaBody } from './policy.ts'

const RULES = { mayManage: false, allowCloudModels: false }
const given = (text: string, defaults: Readonly<Record<string, unknown>>): string => {
  const body = Buffer.from(text)
  return edited(body, withOllamaOptions(inspectOllamaBody(body, RULES), defaults)).toString()
}

it.each([
  ['{"model":"m"}', { num_ctx: 8192 }, '{"options":{"num_ctx":8192},"model":"m"}'],
  [' { "model" : "m" }', { num_ctx: 8192 }, ' {"options":{"num_ctx":8192}, "model" : "m" }'],
  ['{}', { num_ctx: 8192 }, '{"options":{"num_ctx":8192}}'],
  ['{"model":"m","options":{"seed":1}}', { num_ctx: 8192 }, '{"model":"m","options":{"num_ctx":8192,"seed":1}}'],
  ['{"options":{},"model":"m"}', { num_ctx: 8192 }, '{"options":{"num_ctx":8192},"model":"m"}'],
  ['{"options": null,"model":"m"}', { num_ctx: 8192 }, '{"options": {"num_ctx":8192} ,"model":"m"}'],
  ['{"model":"m","options":{"num_ctx":4096}}', { num_ctx: 8192 }, '{"model":"m","options":{"num_ctx":4096}}'],
  ['{"model":"m","options":{"Seed":7}}', { seed: 1 }, '{"model":"m","options":{"Seed":7}}'],
  ['{"model":"m"}', { format: 'json', think: false, seed: 1 }, '{"format":"json","think":false,"options":{"seed":1},"model":"m"}'],
  ['{"model":"m","format":null,"think":true}', { format: 'json', think: false }, '{"model":"m","format":null,"think":true}'],
  // What an administrator sets is not what a caller may: neither the runner's options nor the bounds of keep_alive.
  ['{"model":"m"}', { num_gpu: 99, keep_alive: -1 }, '{"keep_alive":-1,"options":{"num_gpu":99},"model":"m"}'],
  ['{"keep_alive":-1,"options":{"seed":1}}', { num_gpu: 99 }, '{"keep_alive":"1800s" ,"options":{"num_gpu":99,"seed":1}}'],
  ['{"model":"m"}', { model: 'other', options: { seed: 1 } }, '{"model":"m"}'],
  ['{"model":"m"}', {}, '{"model":"m"}'],
])('%s with %j', (body, defaults, sent) => {
  expect(given(body, defaults)).toBe(sent)
  expect(JSON.parse(given(body, defaults))).toEqual(JSON.parse(sent))
})
