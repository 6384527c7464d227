import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { messageStream } from '../support/anthropic-backend.ts'
import { call } from '../support/caller.ts'
import { startTestGateway } from '../support/gateway.ts'
import { delayed } from '../support/hostile.ts'
import { chatAnswer, chatStream, detailFault, silentBefore } from '../support/openai-backend.ts'
import { collect, openSdkScene, type SdkScene, THROUGH_GATE, thrown } from '../support/sdk-scene.ts'
import { generation, textBackend } from '../support/text-backend.ts'

const HEARTBEAT = '60ms'
const SILENCE_MS = 250

/** A model that is loaded, or thinks: what a caller hears meanwhile, and what must not come of it. */
describe.runIf(THROUGH_GATE)('a backend that is silent', () => {
  let scene: SdkScene
  beforeAll(async () => {
    scene = await openSdkScene({ HEARTBEAT })
  })
  afterEach(() => scene.forget())
  afterAll(() => scene.close())

  const request = { model: 'scripted', messages: [{ role: 'user' as const, content: 'one two three' }] }
  const client = (): OpenAI => new OpenAI({ ...scene.to('scripted'), maxRetries: 0 })
  const raw = async (path: string, body: object): Promise<{ readonly type: string | undefined; readonly text: string }> => {
    const { apiKey: key } = scene.to('scripted')
    const answer = await call(scene.gate.port, { path, key, body: { ...body } })
    return { type: answer.headers['content-type'], text: answer.body }
  }

  it.each([
    ['before its headers', silentBefore(1, SILENCE_MS, chatStream())],
    ['after its headers', silentBefore(2, SILENCE_MS, chatStream())],
    ['between two events', silentBefore(4, SILENCE_MS, chatStream())],
    ['between two events whose lines end by CRLF', silentBefore(4, SILENCE_MS, chatStream({ newline: '\r\n' }))],
    ['before its end', silentBefore(7, SILENCE_MS, chatStream())],
  ])('%s: comments, and a stream that is whole', async (_when, behaviour) => {
    scene.open.behave(behaviour)
    const chunks = await collect(await client().chat.completions.create({ ...request, stream: true }))
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('You said: one two three')
    const { type, text } = await raw('/v1/chat/completions', { ...request, stream: true })
    expect(type).toContain('text/event-stream')
    expect(text.split(': keep-alive').length - 1).toBeGreaterThan(1)
  })

  it('in the middle of an event: nothing is put into it', async () => {
    for (const nth of [6, 12, 13, 14]) {
      scene.open.behave(silentBefore(nth, SILENCE_MS, chatStream({ writes: 37 })))
      const { text } = await raw('/v1/chat/completions', { ...request, stream: true })
      const events = text.split('\n\n').filter((event) => event !== '' && event !== ': keep-alive')
      expect(events.every((event) => /^data: (?:\{.*\}|\[DONE\])$/.test(event))).toBe(true)
    }
  })

  it('and then fails: told within the stream, in the words of the backend', async () => {
    scene.open.behave(delayed(SILENCE_MS, detailFault(404, 'Model weights-x is not installed')))
    const fault = await thrown(
      client()
        .chat.completions.create({ ...request, stream: true })
        .then(collect),
    )
    expect(fault).toBeInstanceOf(OpenAI.APIError)
    expect(fault).toMatchObject({ status: undefined, message: expect.stringContaining('weights-x is not installed') })
    expect((await scene.gate.outcomes()).at(-1)).toMatchObject({ status: 200, code: expect.any(String) })
  })

  it('to a client of Anthropic: pings, and errors in its shape', async () => {
    const letters = new Anthropic({ ...scene.toMessages('prose'), maxRetries: 0 })
    const message = { model: 'prose', max_tokens: 50, messages: request.messages }
    scene.letters.behave(silentBefore(3, SILENCE_MS, messageStream({ pings: false })))
    expect(await letters.messages.stream(message).finalText()).toBe('You said: one two three')
    expect((await raw('/v1/messages', { ...message, stream: true })).text).toContain('event: ping\ndata: {"type":"ping"}\n\n')
    scene.letters.behave(delayed(SILENCE_MS, detailFault(500, 'gone wrong')))
    const fault = await thrown(letters.messages.create({ ...message, stream: true }).then(collect))
    expect(fault).toBeInstanceOf(Anthropic.APIError)
    expect(fault).toMatchObject({ type: 'api_error' })
  })

  it('to who does not stream: nothing but the answer', async () => {
    scene.open.behave(delayed(SILENCE_MS, chatAnswer()))
    const { type, text } = await raw('/v1/chat/completions', request)
    expect([type, JSON.parse(text).choices.length]).toEqual(['application/json', 1])
  })

  it("in Ollama's own language: nothing but lines", async () => {
    const backend = await textBackend(silentBefore(2, SILENCE_MS, generation()))
    const gate = await startTestGateway({ OLLAMA_URL: backend.url, HEARTBEAT, DISCOVERY: 'off' })
    try {
      const { text: key } = await gate.key()
      const { body } = await call(gate.port, { path: '/chat/api/generate', key, body: { model: 'm', prompt: 'x' } })
      const lines = body.split('\n').filter((line) => line !== '')
      expect(lines.map((line) => JSON.parse(line).done)).toEqual([false, false, true])
    } finally {
      await gate.stop()
      await backend.close()
    }
  })
})
