import { describe, expect, it } from 'vitest'
import { scanObject } from '../../http/index.ts'
import { asEndpointId } from '../../kernel/index.ts'
import type { Plan } from '../plan.ts'
import { type Passing, passPlan } from './pass.ts'

const AT: Passing['endpoint'] = { ref: 'builtin:chat', dialect: 'openai', apiRoot: '/v1', cloudModels: false }
const passing = (text: string, over: Partial<Passing> = {}): Passing => {
  const bytes = Buffer.from(text)
  return {
    protocol: 'chat',
    endpoint: AT,
    mayManage: false,
    body: { bytes, keys: scanObject(bytes), fields: JSON.parse(text) as Record<string, unknown> },
    upstream: null,
    name: 'fast',
    options: {},
    headers: {},
    ...over,
  }
}
const sent = (plan: Plan): string => String(plan.request.body)

describe('the body of a request that passes', () => {
  it('keeps its bytes where nothing has to change', () => {
    const text = '{ "model" : "fast",  "messages":[{"role":"user","content":"\\u00e9 🙂"}] , "x":1.0e2}'
    expect(sent(passPlan(passing(text, { upstream: 'fast' })))).toBe(text)
    expect(sent(passPlan(passing(text)))).toBe(text)
  })

  it('names the model as its endpoint does', () => {
    const text = '{"messages":[{"content":"model"}],"model": "fast" ,"n":1}'
    expect(sent(passPlan(passing(text, { upstream: 'llama3.2:1b' })))).toBe(
      '{"messages":[{"content":"model"}],"model": "llama3.2:1b" ,"n":1}',
    )
  })

  it.each([
    ['{"model":"m","stream":true}', true],
    ['{"model":"m","stream":true,"stream_options":null}', true],
    ['{"model":"m","stream":true,"stream_options":{"include_usage":false,"other":1}}', true],
    ['{"model":"m","stream":true,"stream_options":{"include_usage":true}}', false],
    ['{"model":"m","stream":false}', false],
    ['{"model":"m"}', false],
  ])('%s asks for counts: %s', (text, changed) => {
    const body = JSON.parse(sent(passPlan(passing(text)))) as { stream_options?: { include_usage?: boolean; other?: number } }
    if (changed) expect(body.stream_options?.include_usage).toBe(true)
    else expect(sent(passPlan(passing(text)))).toBe(text)
    if (text.includes('other')) expect(body.stream_options?.other).toBe(1)
  })

  it.each([
    ['/v1', '/v1/chat/completions'],
    ['', '/chat/completions'],
  ])('goes below %j of its endpoint', (apiRoot, path) => {
    expect(passPlan(passing('{"model":"m"}', { endpoint: { ...AT, apiRoot } })).request.path).toBe(path)
  })

  describe('to Ollama', () => {
    const endpoint = { ...AT, dialect: 'ollama' as const }
    const body = (text: string, over: Partial<Passing> = {}): string => sent(passPlan(passing(text, { endpoint, ...over })))

    it('is judged as over /chat: who may not manage it neither pins nor unloads a model, nor loads it anew', () => {
      const [pins, reloads] = ['{"keep_alive":-1 ,"model":"fast"}', '{"model":"fast","options":{"num_gpu":0}}']
      expect(body(pins, { upstream: 'llama3.2:1b' })).toBe('{"keep_alive":"1800s" ,"model":"llama3.2:1b" }')
      expect(body('{"model":"fast","keep_alive":0}')).toBe('{"model":"fast","keep_alive":"60s" }')
      expect(() => body(reloads)).toThrow(/options.num_gpu reloads the model/)
      for (const text of [pins, reloads]) {
        expect(body(text, { mayManage: true })).toBe(text)
        expect(body(text, { endpoint: AT })).toBe(text)
      }
    })

    it('never asks its cloud where the configuration does not allow it, by whatever name', () => {
      const text = '{"model":"fast"}'
      for (const upstream of ['x:cloud', 'gpt-oss:120B-Cloud', 'x:cloud ', 'x:1b: cloud\u0085']) {
        expect(() => body(text, { upstream }), upstream).toThrow(/^cloud model$/)
        expect(() => body(text, { upstream, mayManage: true }), upstream).toThrow(/^cloud model$/)
        expect(body(text, { upstream, endpoint: { ...endpoint, cloudModels: true } })).toContain(upstream)
        expect(body(text, { upstream, endpoint: { ...endpoint, ref: asEndpointId('end_1') } })).toContain(upstream)
      }
      expect(() => body(text, { name: 'x:cloud' })).toThrow(/^cloud model$/)
    })
  })

  it('leaves protocols alone that tell counts by themselves', () => {
    const text = '{"model":"m","stream":true}'
    for (const protocol of ['responses', 'messages', 'embeddings'] as const) expect(sent(passPlan(passing(text, { protocol })))).toBe(text)
  })

  it('gets the options of its model where it does not say them itself', () => {
    const options = { temperature: 0.2, max_tokens: 100, num_ctx: 8192 }
    const text = '{"model":"fast","max_tokens":null,"temperature":1}'
    expect(JSON.parse(sent(passPlan(passing(text, { options }))))).toEqual({
      num_ctx: 8192,
      model: 'fast',
      max_tokens: null,
      temperature: 1,
    })
    expect(JSON.parse(sent(passPlan(passing('{}', { options: { a: 1 }, upstream: 'm' }))))).toEqual({ a: 1, model: 'm' })
  })
})

describe('an answer', () => {
  const answered = (text: string, plan: Plan) => plan.reshape?.({ status: 200, contentType: 'application/json', body: Buffer.from(text) })
  const vectors = (embedding: unknown) =>
    JSON.stringify({ object: 'list', data: [{ index: 0, embedding }], usage: { prompt_tokens: 2, total_tokens: 2 } })

  it.each([
    ['base64', [1, -0.5, 0.25]],
    ['base64', 'AACAPwAAAL8AAIA+'],
    ['float', [1, -0.5, 0.25]],
    ['float', 'AACAPwAAAL8AAIA+'],
  ])('has its vectors as %s, as they were asked for', (format, came) => {
    const plan = passPlan(passing(`{"model":"m","input":"x","encoding_format":"${format}"}`, { protocol: 'embeddings' }))
    const answer = answered(vectors(came), plan)
    const { data } = JSON.parse(String(answer?.body)) as { data: [{ embedding: unknown }] }
    expect(data[0].embedding).toEqual(format === 'base64' ? 'AACAPwAAAL8AAIA+' : [1, -0.5, 0.25])
    expect(answer?.units).toEqual({ tokens_in: 2 })
  })

  it('bears the public name of its model, and is read for its counts', () => {
    const plan = passPlan(passing('{"model":"fast"}', { upstream: 'llama' }))
    const answer = answered(
      '{"model": "llama","choices":[{"message":{"content":"\\"model\\":\\"llama\\""}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
      plan,
    )
    expect(String(answer?.body)).toContain('"model":"fast"')
    expect(String(answer?.body)).toContain('\\"model\\":\\"llama\\"')
    expect(answer?.units).toEqual({ tokens_in: 1, tokens_out: 2 })
  })

  it('that passes is read for its counts, and for an error with status 200', () => {
    const reader = () => passPlan(passing('{"model":"m"}')).reader?.(200, 'application/json; charset=utf-8')
    const good = reader()
    good?.chunk(Buffer.from('{"choices":[],"usage":{"prompt_tok'))
    good?.chunk(Buffer.from('ens":3,"completion_tokens":4}}\n'))
    expect(good?.report()).toEqual({ finished: true, failed: false, units: { tokens_in: 3, tokens_out: 4 } })
    const bad = reader()
    bad?.chunk(Buffer.from('{"error":{"message":"no"}}'))
    expect(bad?.report()).toEqual({ finished: true, failed: true })
  })

  it('that passes in small pieces is read for its counts at its end', () => {
    const reader = passPlan(passing('{"model":"m"}')).reader?.(200, 'application/json')
    const text = `{"choices":[{"message":{"content":"${'x'.repeat(1_200_000)}"}}],"usage":{"prompt_tokens":3,"completion_tokens":80000}}`
    for (let at = 0; at < text.length; at += 60_000) reader?.chunk(Buffer.from(text.slice(at, at + 60_000)))
    reader?.chunk(Buffer.from('  \n'))
    expect(reader?.report()).toEqual({ finished: true, failed: false, units: { tokens_in: 3, tokens_out: 80_000 } })
  })

  it('is JSON or a stream of events, in whatever case its type is written, and no page', () => {
    const { passes, reader } = passPlan(passing('{"model":"m"}'))
    const types = ['application/json', 'Application/JSON; charset=utf-8', 'Text/Event-Stream', 'text/html', 'text/plain', '']
    expect(types.map((type) => passes?.(type))).toEqual([true, true, true, false, false, false])
    const events = reader?.(200, 'Text/Event-Stream; charset=utf-8')
    events?.chunk(Buffer.from('data: {"choices":[]}\n\n'))
    expect(events?.report().finished).toBe(false)
  })

  it('that has nothing in it is not finished', () => {
    expect(passPlan(passing('{"model":"m"}')).reader?.(200, 'application/json')?.report().finished).toBe(false)
  })

  it('is an error, where it has status 200 and another name', () => {
    const plan = passPlan(passing('{"model":"fast"}', { upstream: 'llama' }))
    expect(() => answered('{"error":{"message":"the model llama crashed"}}', plan)).toThrow('status 200')
  })

  it('that does not say what was written is counted by its bytes', () => {
    const text = `{"choices":[{"message":{"content":"${'x'.repeat(400)}"}}]}`
    const reader = passPlan(passing('{"model":"m"}')).reader?.(200, 'application/json')
    for (const part of [text.slice(0, 100), text.slice(100)]) reader?.chunk(Buffer.from(part))
    expect(reader?.report()).toMatchObject({ units: { tokens_out: Math.ceil(text.length / 4) }, estimated: true })
    const named = answered(
      `${text.slice(0, -1)},"usage":{"prompt_tokens":7}}`,
      passPlan(passing('{"model":"fast"}', { upstream: 'llama' })),
    )
    expect(named).toMatchObject({ units: { tokens_in: 7, tokens_out: Math.ceil((text.length + 28) / 4) }, estimated: true })
  })

  it.each([
    ['before', '{"usage":{"input_tokens":50,"output_tokens":60},"tools":[TOOL]} \n', { tokens_in: 50, tokens_out: 60 }, undefined],
    ['after', '{"tools":[TOOL],"usage":{"input_tokens":50,"output_tokens":60},"user":null}', { tokens_in: 50, tokens_out: 60 }, undefined],
    ['without', '{"tools":[TOOL],"output":[]}', { tokens_out: 25 }, true],
  ])('takes no counts from what its caller sent, %s its own', (_what, answer, units, estimated) => {
    const tool = '{"parameters":{"properties":{"usage":{"input_tokens":0,"output_tokens":0}}}}'
    const reader = passPlan(passing('{"model":"m"}', { protocol: 'responses' })).reader?.(200, 'application/json')
    reader?.chunk(Buffer.from(answer.replace('TOOL', tool)))
    expect(reader?.report()).toEqual({ finished: true, failed: false, units, ...(estimated && { estimated }) })
  })
})

describe('an error of an endpoint', () => {
  it('speaks of the model by its public name', () => {
    const { fault } = passPlan(passing('{"model":"fast"}', { upstream: 'llama3.2:1b' }))
    const told = (message: string) =>
      fault?.({ status: 404, contentType: 'application/json', body: Buffer.from(JSON.stringify({ error: { message } })) }).detail
    expect(told('model "llama3.2:1b" not found, try pulling it first')).toContain('model "fast" not found')
    expect(told('no such model llama3.2:1b. Try llama3.2:1b-instruct')).toContain('no such model fast. Try llama3.2:1b-instruct')
  })
})
