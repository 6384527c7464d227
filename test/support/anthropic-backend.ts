import { asFields, asText, type Fields } from '../../src/demo/index.ts'
import { answer, type Behaviour, json, type SeenRequest } from './hostile.ts'
import { fieldsOf, type SseEvent, type SseOptions, sse } from './openai-backend/sse.ts'
import { type ScriptedBackend, scriptedBackend } from './scripted-backend.ts'

/** A scriptable server of Anthropic's protocol. */
export type AnthropicBackend = ScriptedBackend

export interface MessageStreamOptions extends SseOptions {
  /** Pings between the words, as the real one sends while it thinks. */
  readonly pings?: boolean
  /** After so many words an error event, and nothing after it. */
  readonly failAfter?: number
  /** False ends without `message_stop`. */
  readonly stop?: boolean
}

const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}
const REQUEST_ID = 'req_backend_1'

export const anthropicFault = (status: number, message: string, headers: Readonly<Record<string, string>> = {}): Behaviour => {
  const body = { type: 'error', error: { type: TYPES[status] ?? 'api_error', message }, request_id: REQUEST_ID }
  return answer(status, JSON.stringify(body), { 'content-type': 'application/json', 'request-id': REQUEST_ID, ...headers })
}

export function anthropicBackend({ apiKey }: { readonly apiKey?: string } = {}): Promise<AnthropicBackend> {
  const aside = (seen: SeenRequest): Behaviour | null => {
    if (seen.method === 'GET') return json({ data: [{ type: 'model', id: 'prose', display_name: 'Prose' }], has_more: false })
    // Its own client sends the key as a bearer since version 1, and everybody else as x-api-key.
    const given = seen.header('x-api-key') ?? seen.header('authorization')?.replace(/^Bearer /, '')
    if (apiKey !== undefined && given !== apiKey) return anthropicFault(401, 'invalid x-api-key')
    if (seen.header('anthropic-version') === undefined) return anthropicFault(400, 'anthropic-version: header is required')
    return seen.target.split('?')[0] === '/v1/messages' ? null : anthropicFault(404, 'Not found')
  }
  return scriptedBackend(aside, () => messages())
}

/** A message as its request wants it. */
const messages = (): Behaviour => async (x) => {
  const body = await fieldsOf(x)
  if (body.stream === true) return messageStream()(x)
  const content = toolFor(body) ?? [{ type: 'text', text: textFor(body) }]
  const stop = content[0]?.type === 'tool_use' ? 'tool_use' : 'end_turn'
  await json({ ...about(body), content, stop_reason: stop, stop_sequence: null, usage: { input_tokens: 7, output_tokens: 3 } })(x)
}

const about = (body: Fields): Fields => ({ id: 'msg_01', type: 'message', role: 'assistant', model: asText(body.model) })

function lastBlock(body: Fields): Fields {
  const given: readonly unknown[] = Array.isArray(body.messages) ? body.messages : []
  const { content } = asFields(given.at(-1)) ?? {}
  return (Array.isArray(content) ? asFields(content.at(-1)) : null) ?? { type: 'text', text: content }
}

function textFor(body: Fields): string {
  const { type, text, content } = lastBlock(body)
  return type === 'tool_result' ? `The tool said: ${asText(content)}` : `You said: ${asText(text)}`
}

function toolFor(body: Fields): readonly Fields[] | null {
  const [first]: readonly unknown[] = Array.isArray(body.tools) ? body.tools : []
  const name = asText(asFields(first)?.name)
  const { type, text } = lastBlock(body)
  return name !== '' && type === 'text' && /weather/i.test(asText(text)) ? [{ type: 'tool_use', id: 'toolu_1', name, input: INPUT }] : null
}

const INPUT = { city: 'Paris' }

export function messageStream({ pings = true, failAfter, stop = true, ...options }: MessageStreamOptions = {}): Behaviour {
  return async (x) => sse(messageEvents(await fieldsOf(x), { pings, failAfter, stop }), options)(x)
}

function messageEvents(
  body: Fields,
  { pings, failAfter, stop }: { readonly pings: boolean; readonly failAfter: number | undefined; readonly stop: boolean },
): readonly SseEvent[] {
  const event = (type: string, data: Fields = {}): SseEvent => [type, { type, ...data }]
  const usage = { input_tokens: 7, output_tokens: 1 }
  const start = event('message_start', { message: { ...about(body), content: [], stop_reason: null, stop_sequence: null, usage } })
  const [tool] = toolFor(body) ?? []
  const block = tool === undefined ? { type: 'text', text: '' } : { ...tool, input: {} }
  const deltas = tool === undefined ? textDeltas(textFor(body)) : inputDeltas()
  const spoken = deltas.slice(0, failAfter).flatMap((delta) => {
    const said = event('content_block_delta', { index: 0, delta })
    return pings ? [event('ping'), said] : [said]
  })
  const opening = [start, event('content_block_start', { index: 0, content_block: block }), ...spoken]
  if (failAfter !== undefined) return [...opening, event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } })]
  if (!stop) return opening
  const stopReason = tool === undefined ? 'end_turn' : 'tool_use'
  return [
    ...opening,
    event('content_block_stop', { index: 0 }),
    event('message_delta', { delta: { stop_reason: stopReason, stop_sequence: null }, usage: { output_tokens: deltas.length } }),
    event('message_stop'),
  ]
}

const textDeltas = (text: string): readonly Fields[] => (text.match(/\S+\s*/g) ?? []).map((word) => ({ type: 'text_delta', text: word }))

const inputDeltas = (): readonly Fields[] =>
  (JSON.stringify(INPUT).match(/.{1,6}/g) ?? []).map((piece) => ({ type: 'input_json_delta', partial_json: piece }))
