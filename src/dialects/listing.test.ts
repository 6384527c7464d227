import { describe, expect, it } from 'vitest'
import type { DialectName, Endpoint } from '../catalog/index.ts'
import { listingOf } from './index.ts'

const read = (dialect: DialectName, answer: unknown, { ref = 'end_1', status = 200, cloudModels = false } = {}): unknown => {
  const body = Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer))
  const endpoint = { ref, dialect, apiRoot: '/v1', cloudModels } as Endpoint // the fields that a listing looks at
  return listingOf(endpoint)
    .read(status, body, endpoint)
    ?.map(({ name, upstream, capability }) => `${name} = ${upstream}: ${capability}`)
}

describe('what Ollama lists', () => {
  it.each([
    [{ name: 'llama3.2:latest', capabilities: ['completion', 'tools'] }, 'text'],
    [{ name: 'nomic-embed-text:latest', capabilities: ['embedding'] }, 'embedding'],
    [{ name: 'both', capabilities: ['embedding', 'completion'] }, 'text'],
    [{ name: 'old', details: { family: 'nomic-bert', families: ['nomic-bert'] } }, 'embedding'],
    [{ name: 'old', details: { family: 'x', families: ['llama', 'bert'] } }, 'embedding'],
    [{ name: 'old', details: { family: 'llama', families: null } }, 'text'],
    [{ name: 'bge-m3:latest' }, 'embedding'],
    [{ name: 'all-minilm' }, 'embedding'],
    [{ name: 'mxbai-embed-large' }, 'embedding'],
    [{ name: 'llama3.2:latest', capabilities: [] }, 'text'],
  ])('%j is for %s', (entry, capability) => {
    expect(read('ollama', { models: [entry] })).toEqual([`${entry.name} = ${entry.name}: ${capability}`])
  })

  it('holds no model that sends prompts elsewhere, unless that is allowed', () => {
    const models = [
      { name: 'gpt-oss:120b-cloud' },
      { name: 'x', remote_model: 'y' },
      { name: 'z', remote_host: 'https://ollama.com' },
      { name: 'home' },
    ]
    expect(read('ollama', { models })).toEqual(['home = home: text'])
    expect(read('ollama', { models }, { cloudModels: true })).toHaveLength(4)
  })
})

describe('what a server of OpenAI’s kind lists', () => {
  it.each([
    ['OpenAI', { object: 'list', data: [{ id: 'org/model:7b' }] }, ['org/model:7b = org/model:7b: text']],
    ['Ollama without a model', { object: 'list', data: null }, []],
    ['openai-edge-tts', { models: [{ id: 'tts-1' }, { id: 'tts-1-hd' }] }, ['tts-1 = tts-1: speech', 'tts-1-hd = tts-1-hd: speech']],
  ])('as %s writes it', (_who, answer, listed) => expect(read('openai', answer)).toEqual(listed))

  it.each([
    ['text-embedding-3-small', 'embedding'],
    ['intfloat/multilingual-e5-large', 'embedding'],
    ['whisper-large-v3-turbo', 'transcription'],
    ['gpt-4o-mini-transcribe', 'transcription'],
    ['gpt-4o-mini-tts', 'speech'],
    ['dall-e-3', 'image'],
    ['black-forest-labs/flux-1', 'image'],
    ['gpt-4o', 'text'],
  ])('%s is for %s', (id, capability) => expect(read('openai', { data: [{ id }] })).toEqual([`${id} = ${id}: ${capability}`]))

  it('is what the service of the gate is for', () => {
    expect(read('openai', { data: [{ id: 'kokoro' }] }, { ref: 'builtin:tts' })).toEqual(['kokoro = kokoro: speech'])
    expect(read('openai', { data: [{ id: 'large-v3' }] }, { ref: 'builtin:whisper' })).toEqual(['large-v3 = large-v3: transcription'])
  })
})

describe('what the others list', () => {
  it('A1111 has the checkpoint that is loaded, and each by its name', () => {
    expect(read('a1111', [{ title: 'dream_8.safetensors [879db523c3]', model_name: 'dream_8' }, { title: 'half' }])).toEqual([
      'stable-diffusion = null: image',
      'dream_8 = dream_8.safetensors [879db523c3]: image',
    ])
  })

  it('those with one model have the name that clients ask for, whatever they answer', () => {
    expect(read('speak', '{"status":"ok"}')).toEqual(['tts-1 = null: speech'])
    expect(read('asr', '<!doctype html>')).toEqual(['whisper-1 = null: transcription'])
    expect(read('whispercpp', 'File Not Found (/health)', { status: 404 })).toEqual(['whisper-1 = null: transcription'])
    expect(read('speak', 'Internal Server Error', { status: 500 })).toBeUndefined()
  })

  it('Anthropic’s have theirs by id, asked for as its API wants it', () => {
    expect(read('anthropic', { data: [{ type: 'model', id: 'sonnet', display_name: 'Sonnet' }] })).toEqual(['sonnet = sonnet: text'])
    const endpoint = { dialect: 'anthropic', apiRoot: '/v1' } as Endpoint // the fields that a listing looks at
    expect([listingOf(endpoint).path(endpoint), listingOf(endpoint).headers]).toEqual([
      '/v1/models?limit=1000',
      { 'anthropic-version': '2023-06-01' },
    ])
  })

  it.each(['ollama', 'openai', 'anthropic', 'a1111'] as const)('%s: rubbish is no list, and rubbish in a list is left out', (dialect) => {
    for (const answer of ['', 'null', '[', '"x"', '{}', '<html>', '{"data":"x","models":7}', '{"error":"no"}'])
      expect(read(dialect, answer)).toBeUndefined()
    expect(read(dialect, '{"data":[],"models":[]}', { status: 404 })).toBeUndefined()
    const odd = [null, 7, 'x', [], {}, { id: 7, name: {}, model_name: 1, title: 2 }, { id: '', name: '' }]
    const listed = dialect === 'a1111' ? ['stable-diffusion = null: image'] : []
    expect(read(dialect, dialect === 'a1111' ? odd : { data: odd, models: odd })).toEqual(listed)
  })
})
