import { describe, expect, it } from 'vitest'
import { edited } from '../../http/index.ts'
import { inspectOllamaBody, isCloudModel } from './policy.ts'

const RULES = { mayManage: false, allowCloudModels: false }
const read = (fields: object, over: Partial<typeof RULES> = {}) =>
  inspectOllamaBody(Buffer.from(JSON.stringify(fields)), { ...RULES, ...over })

describe('the name of a model', () => {
  it.each([
    'llama3.2',
    'gpt-oss:120b',
    'My_Model.v2:latest',
    'hf.co/user/Repo-GGUF:Q4_K_M',
    'registry.ollama.ai/library/llama3.2:1b',
    'localhost:5000/team/model:1b',
    '',
  ])('is the caller’s own: %j', (model) => {
    for (const field of ['model', 'name']) expect(read({ [field]: model }).model).toBe(model)
  })

  it.each([
    'gpt-oss:120b: cloud',
    'gpt-oss:120b:cloud\u0085',
    'llama3.2\u0085',
    ' llama3.2',
    'llama3.2\n',
    'llama3.2\u00a0',
    'x://registry.ollama.ai/library/llama3.2',
    'https://registry.ollama.ai/library/llama3.2',
    'llama3.2@sha256:0',
    'llamа3.2', // the last letter is Cyrillic
  ])('is taken in no spelling that Ollama reads as another’s: %j', (model) => {
    for (const field of ['model', 'name']) expect(() => read({ [field]: model })).toThrow('a model name that Ollama does not list')
    expect(() => read({ model, name: model }, { allowCloudModels: true })).toThrow('a model name that Ollama does not list')
  })

  it.each(['x:cloud', 'gpt-oss:120B-Cloud', 'x:cloud ', 'x: cloud', 'x:\u0085cloud\u0085', 'x:1b:\tCLOUD\u2003', 'x:120b-cloud\u0085'])(
    'never leads to Ollama’s cloud, whoever says it: %j',
    (model) => {
      expect(isCloudModel(model)).toBe(true)
      expect(() => read({ model }, { mayManage: true })).toThrow('cloud model')
      expect(() => read({ model })).toThrow()
      expect(read({ model }, { mayManage: true, allowCloudModels: true }).model).toBe(model)
    },
  )

  it.each(['cloud', 'cloudy:1b', 'x:cloud-1b', 'cloud/x:1b', 'x:overcloud'])('may hold the word: %j', (model) => {
    expect(read({ model }).model).toBe(model)
  })
})

describe('keep_alive', () => {
  const sent = (keepAlive: unknown): unknown => {
    const body = Buffer.from(JSON.stringify({ model: 'm', keep_alive: keepAlive }))
    return JSON.parse(edited(body, inspectOllamaBody(body, RULES).edits).toString()).keep_alive
  }

  it.each([
    ['5m', '5m'],
    ['1h', '1800s'],
    ['+1.5m', '+1.5m'],
    ['2.m', '2.m'],
    ['.5h', '.5h'],
    ['1m30.5s', '1m30.5s'],
    ['90000ms', '90000ms'],
    ['1000000us', '60s'],
    ['0.5s', '60s'],
    ['-1m', '1800s'],
    ['0', '60s'],
    [300, 300],
    [-1, '1800s'],
  ])('%j goes on as %j', (said, goesOn) => expect(sent(said)).toBe(goesOn))

  it.each(['', '5', 'm', '1..5m', '.m', '1m 2s', '5d', `${'0'.repeat(40)}5m`])('%j is no duration', (said) => {
    expect(() => sent(said)).toThrow(/keep_alive/)
  })
})
