import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Behaviour, cutAfter, cutBeforeHeaders, delayed, json, silent } from '../support/hostile.ts'
import {
  bareFault,
  busy,
  chatStream,
  detailFault,
  duplicated,
  embeddings,
  okFault,
  openaiFault,
  proxyFault,
  responseStream,
  stringFault,
  validationFault,
  vectorOf,
} from '../support/openai-backend.ts'
import { collect, openSdkScene, type SdkScene, THROUGH_GATE, thrown } from '../support/sdk-scene.ts'
import { until } from '../support/until.ts'

let scene: SdkScene
beforeAll(async () => {
  scene = await openSdkScene()
})
afterEach(() => scene.forget())
afterAll(() => scene.close())

interface ChatOptions {
  readonly model?: string
  readonly retries?: number
  readonly text?: string
  readonly signal?: AbortSignal
  readonly apiKey?: string
}

const client = ({ model = 'scripted', retries = 0, apiKey }: ChatOptions = {}): OpenAI =>
  new OpenAI({ ...scene.to(model), ...(apiKey !== undefined && { apiKey }), maxRetries: retries })
const body = ({ model = 'scripted', text = 'one two three' }: ChatOptions) => ({
  model,
  messages: [{ role: 'user' as const, content: text }],
})
const chat = (options: ChatOptions = {}) =>
  client(options).chat.completions.create(body(options), options.signal === undefined ? {} : { signal: options.signal })
const stream = async (options: ChatOptions = {}) =>
  collect(
    await client(options).chat.completions.create(
      { ...body(options), stream: true },
      options.signal === undefined ? {} : { signal: options.signal },
    ),
  )
const faultOf = async (doing: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> => {
  const fault = await thrown(doing)
  if (fault instanceof OpenAI.APIError) return fault
  throw fault
}
const lastOutcome = async () => (await scene.gate.outcomes()).at(-1)

describe("OpenAI's client when a person errs", { skip: !THROUGH_GATE }, () => {
  it('throws for a key that is not one, with the request by its id', async () => {
    const fault = await thrown(chat({ apiKey: 'sk-wrong' }))
    expect(fault).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(fault).toMatchObject({ status: 401, code: 'invalid_api_key', param: null, requestID: expect.stringMatching(/^req_/) })
    expect(scene.open.asked).toEqual([])
  })

  it('throws for a model that is not there, and names the one that was meant', async () => {
    const fault = await thrown(chat({ model: 'scriptet' }))
    expect(fault).toBeInstanceOf(OpenAI.NotFoundError)
    expect(fault).toMatchObject({ code: 'model_not_found', param: 'model', message: expect.stringContaining('scripted') })
    expect(String(fault)).not.toContain('undefined')
  })

  it('throws for a model that its key may not use, as if it were not there', async () => {
    const { text: apiKey } = await scene.gate.key({ models: ['renamed'] })
    const { message: unknown } = await faultOf(chat({ apiKey, model: 'absent' }))
    const fault = await faultOf(chat({ apiKey }))
    expect(fault).toBeInstanceOf(OpenAI.NotFoundError)
    expect(fault).toMatchObject({ code: 'model_not_found', param: 'model', message: unknown.replace('absent', 'scripted') })
    expect(await thrown(client({ apiKey }).models.retrieve('scripted'))).toBeInstanceOf(OpenAI.NotFoundError)
    expect((await client({ apiKey }).models.list()).data.map(({ id }) => id)).toEqual(['renamed'])
    expect(scene.open.asked).toEqual([])
  })

  it('throws for what its key has no right to, and lists no model of that kind', async () => {
    const { text: apiKey } = await scene.gate.key({ rights: ['image'] })
    expect(await thrown(chat({ apiKey }))).toBeInstanceOf(OpenAI.PermissionDeniedError)
    const listed = (await client({ apiKey }).models.list()).data.map(({ id }) => id)
    expect(listed.filter((id) => ['scripted', 'vectors', 'voice', 'ears'].includes(id))).toEqual([])
    expect(listed).toContain('brush')
  })

  it('throws for a model of another kind, though its endpoint could be asked so', async () => {
    for (const model of ['voice', 'brush', 'vectors']) {
      const fault = await thrown(chat({ model }))
      expect(fault).toBeInstanceOf(OpenAI.BadRequestError)
      expect(fault).toMatchObject({ param: 'model', message: expect.stringContaining(model) })
    }
    expect(scene.open.asked).toEqual([])
  })

  it('throws for a protocol that no endpoint of the model speaks', async () => {
    const prose = await thrown(chat({ model: 'prose' }))
    expect(prose).toMatchObject({ status: 400, message: expect.stringContaining('prose') })
  })

  it('throws for a route that is not there, and for a body that is no request', async () => {
    expect(await thrown(client().get('/nothing'))).toBeInstanceOf(OpenAI.NotFoundError)
    const fault = await thrown(client().post('/chat/completions', { body: { messages: [] } }))
    expect(fault).toBeInstanceOf(OpenAI.BadRequestError)
    expect(fault).toMatchObject({ message: expect.stringContaining('model'), type: 'invalid_request_error' })
  })

  it('throws for a body that is too large', async () => {
    const fault = await thrown(chat({ text: 'x'.repeat(33 * 1024 * 1024) }))
    expect(fault).toMatchObject({ status: 413 })
    expect(scene.open.asked).toEqual([])
  })

  it('throws when its rate is used up, and says when to come again', async () => {
    const { text: apiKey } = await scene.gate.key({ rate: '1/m' })
    const { response } = await client({ apiKey }).chat.completions.create(body({})).withResponse()
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('1')
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('0')
    const fault = await thrown(chat({ apiKey }))
    expect(fault).toBeInstanceOf(OpenAI.RateLimitError)
    const { code, headers } = fault as InstanceType<typeof OpenAI.RateLimitError> // asserted just now
    expect([code, Number(headers?.get('retry-after')) > 0]).toEqual(['rate_limit_exceeded', true])
  })
})

describe("OpenAI's client at a backend that errs", () => {
  const cases: readonly (readonly [string, Behaviour, readonly number[], string])[] = [
    ["in OpenAI's words", openaiFault(400, 'context is too long', 'context_length_exceeded'), [400], 'context is too long'],
    ["in FastAPI's words", detailFault(404, 'Model weights-x is not installed'), [404], 'Model weights-x is not installed'],
    ['with a list of what is wrong', validationFault('body', 'messages'), [400, 422], 'Field required'],
    ['with a text', stringFault(400, 'the voice is unknown'), [400], 'the voice is unknown'],
    ['with no error around it', bareFault(400, 'the voice is unknown'), [400], 'the voice is unknown'],
    ['with what a proxy says', proxyFault(502), [502], ''],
  ]
  it.runIf(THROUGH_GATE).each(cases)('%s: throws with all four keys', async (_how, behaviour, statuses, words) => {
    scene.open.behave(behaviour)
    const fault = await thrown(chat())
    expect(fault).toBeInstanceOf(OpenAI.APIError)
    const { status, error, message, requestID } = fault as InstanceType<typeof OpenAI.APIError> // asserted just now
    expect(statuses).toContain(status)
    expect(Object.keys(error ?? {}).sort()).toEqual(['code', 'message', 'param', 'type'])
    expect(message).toContain(words)
    expect(message).not.toContain('<html>')
    expect(requestID).toMatch(/^req_/)
  })

  it("keeps a backend's own code where clients act on it", async () => {
    scene.open.behave(openaiFault(400, 'context is too long', 'context_length_exceeded'))
    expect(await thrown(chat())).toMatchObject({ status: 400, code: 'context_length_exceeded' })
  })

  it.each([429, 503] as const)('throws what is told by %i, with the time to come again', async (status) => {
    scene.open.behave(busy(status, '7'))
    const fault = await thrown(chat())
    expect(fault).toBeInstanceOf(OpenAI.APIError)
    const { headers } = fault as InstanceType<typeof OpenAI.APIError> // asserted just now
    expect([429, 503]).toContain(fault instanceof OpenAI.APIError ? fault.status : 0)
    expect(headers?.get('retry-after')).toBe('7')
  })

  it('comes again after a busy answer and is served', async () => {
    scene.open.choose((_seen, nth) => (nth === 1 ? busy(503, '1') : null))
    expect((await chat({ retries: 2 })).choices).toHaveLength(1)
    expect(scene.open.asked).toHaveLength(2)
  })

  describe.runIf(THROUGH_GATE)('through the gate', () => {
    it.each([
      ['dies after it has read', cutBeforeHeaders('rst')],
      ['is gone behind its proxy', proxyFault(502)],
    ])('asks once, though it would try three times, when the backend %s', async (_how, behaviour) => {
      scene.open.behave(behaviour)
      const fault = await thrown(chat({ retries: 2 }))
      expect(fault).toMatchObject({ status: 502 })
      expect((fault as InstanceType<typeof OpenAI.APIError>).headers?.get('x-should-retry')).toBe('false') // an APIError, by its status
      expect(scene.open.asked).toHaveLength(1)
    })

    it('cannot be saved from a backend that says in a 200 that it failed, but it is on record', async () => {
      scene.open.behave(okFault())
      await chat({ retries: 2 }).catch(() => {})
      expect(scene.open.asked).toHaveLength(1)
      expect((await lastOutcome())?.ended).toBe('upstream_died')
    })

    it('throws at once for a backend that cannot be reached, and says when to come again', async () => {
      const fault = await thrown(chat({ model: 'nowhere' }))
      expect(fault).toMatchObject({ status: 503 })
      expect(Number((fault as InstanceType<typeof OpenAI.APIError>).headers?.get('retry-after'))).toBeGreaterThan(0) // an APIError, by its status
    })

    it('has vectors though the backend knows nothing of base64', async () => {
      scene.open.behave(embeddings({ floatsAnyway: true }))
      const { data } = await client().embeddings.create({ model: 'vectors', input: ['one', 'three'] })
      expect(data.map(({ embedding }) => embedding)).toEqual([vectorOf('one', 0), vectorOf('three', 1)])
    })

    it("never has another's answer, from a backend that answers twice", async () => {
      const answer = {
        id: 'a',
        object: 'chat.completion',
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: 'first' } }],
      }
      scene.open.choose((_seen, nth) => (nth === 1 ? duplicated(answer) : null))
      expect((await chat()).choices[0]?.message.content).toBe('first')
      for (const text of ['two', 'three', 'four']) expect((await chat({ text })).choices[0]?.message.content).toBe(`You said: ${text}`)
    })
  })
})

describe("OpenAI's client at a stream that fails", () => {
  it('throws what the backend says in the middle of it', async () => {
    scene.open.behave(chatStream({ failAfter: 2 }))
    const fault = await thrown(stream())
    expect(fault).toBeInstanceOf(OpenAI.APIError)
    expect(String(fault)).toContain('CUDA out of memory')
    if (THROUGH_GATE) expect((await lastOutcome())?.ended).not.toBe('complete')
  })

  it.each(['rst', 'fin'] as const)('throws wherever the connection ends by %s, or has had everything', async (how) => {
    const whole = 'You said: one two three'
    let asked = 0
    for (const bytes of [1, 90, 150, 350, 500, 750, 1_000, 1_250, 1_500, 1_750]) {
      scene.open.behave(cutAfter(bytes, how, chatStream()))
      const told = await stream().then(
        (chunks) => chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join(''),
        () => 'thrown',
      )
      expect(['thrown', whole], `cut after ${bytes} bytes`).toContain(told)
      if (bytes <= 1_000) expect(told, `cut after ${bytes} bytes`).toBe('thrown')
      asked += scene.open.asked.length
      await scene.forget()
    }
    expect(asked).toBe(10)
  })

  describe.runIf(THROUGH_GATE)('through the gate', () => {
    it('throws when a stream ends without [DONE], after words or before any', async () => {
      for (const tokens of [['half'], []]) {
        scene.open.behave(chatStream({ done: false, tokens }))
        await expect(stream()).rejects.toThrow()
        expect(await lastOutcome()).toMatchObject({ ended: 'upstream_died', model: 'scripted' })
      }
    })

    it('throws when a stream of typed events ends without its last one', async () => {
      scene.open.behave(responseStream({ last: 'none' }))
      await expect(client().responses.create({ model: 'scripted', input: 'x', stream: true }).then(collect)).rejects.toThrow()
      expect((await lastOutcome())?.ended).toBe('upstream_died')
    })

    it('is told of a failed response in its own words', async () => {
      scene.open.behave(responseStream({ last: 'failed' }))
      const events = await collect(await client().responses.create({ model: 'scripted', input: 'x', stream: true }))
      expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { error: { message: 'CUDA out of memory' } } })
    })

    it('pays for what it was sent of a stream that died', async () => {
      scene.open.behave(chatStream({ done: false, usage: 'never', end: 'rst' }))
      await expect(stream()).rejects.toThrow()
      const outcome = await lastOutcome()
      expect(outcome).toMatchObject({ ended: 'upstream_died', estimated: true })
      expect(outcome?.units?.tokens_out).toBeGreaterThan(0)
    })
  })
})

describe("OpenAI's client that leaves", () => {
  const hanging = chatStream({ done: false, end: 'hang' })
  it.each([
    ['before an answer', silent(), 0, chat],
    ['before a stream', silent(), 0, stream],
    ['within a stream', hanging, 1, stream],
  ] as const)('%s lets the backend go within a second', async (_when, behaviour, sentBytesMin, begin) => {
    scene.open.behave(behaviour)
    const leaving = new AbortController()
    const call = begin({ signal: leaving.signal }).catch(() => {})
    const arrived = (): boolean => scene.open.asked.some(({ bodyBytes, sentBytes }) => bodyBytes > 0 && sentBytes >= sentBytesMin)
    await until(arrived, { withinMs: 2_000, what: 'the request to arrive, and its answer to begin' })
    leaving.abort()
    await until(() => scene.open.last.leftMs, { withinMs: 1_000, what: 'the backend to be let go' })
    await call
    if (THROUGH_GATE) expect((await lastOutcome())?.ended).toBe('client_closed')
  })

  it('lets the backend go when its own time is up', async () => {
    scene.open.behave(delayed(5_000, json({})))
    const hurried = client().withOptions({ timeout: 200 })
    expect(await thrown(hurried.chat.completions.create(body({})))).toBeInstanceOf(OpenAI.APIConnectionTimeoutError)
    await until(() => scene.open.last.leftMs, { withinMs: 1_000, what: 'the backend to be let go' })
  })
})
