import { asText, type Fields } from '../../../src/demo/index.ts'
import { type Behaviour, json } from '../hostile.ts'
import { fieldsOf, type SseEvent, type SseOptions, sse } from './sse.ts'

const ITEM = { item_id: 'msg_1', output_index: 0, content_index: 0 }
const part = (text: string): Fields => ({ type: 'output_text', text, annotations: [] })
const item = (status: string, content: readonly Fields[]): Fields => ({ id: 'msg_1', type: 'message', status, role: 'assistant', content })

const envelope = (body: Fields, status: string, output: readonly Fields[], usage: Fields | null): Fields => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1_764_000_000,
  status,
  error: null,
  incomplete_details: null,
  model: asText(body.model),
  output,
  parallel_tool_calls: true,
  tool_choice: 'auto',
  tools: [],
  usage,
})

const USAGE: Fields = {
  input_tokens: 7,
  output_tokens: 3,
  total_tokens: 10,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens_details: { reasoning_tokens: 0 },
}

export interface ResponseStreamOptions extends SseOptions {
  /** How it ends: whole; told as failed, with its reason; or with an event that is an error and nothing after it. */
  readonly last?: 'completed' | 'failed' | 'error' | 'none'
}

const LAST: Readonly<Record<string, (body: Fields, text: string) => readonly SseEvent[]>> = {
  none: () => [],
  error: () => [['error', { type: 'error', code: 'server_error', message: 'CUDA out of memory', param: null }]],
  failed: (body) => {
    const response = { ...envelope(body, 'failed', [], null), error: { code: 'server_error', message: 'CUDA out of memory' } }
    return [['response.failed', { type: 'response.failed', response }]]
  },
  completed: (body, text) => [
    ['response.output_text.done', { type: 'response.output_text.done', ...ITEM, text }],
    ['response.output_item.done', { type: 'response.output_item.done', output_index: 0, item: item('completed', [part(text)]) }],
    ['response.completed', { type: 'response.completed', response: envelope(body, 'completed', [item('completed', [part(text)])], USAGE) }],
  ],
}

/** `POST /v1/responses` as a stream: typed events, no `[DONE]`. */
export function responseStream({ last = 'completed', ...options }: ResponseStreamOptions = {}): Behaviour {
  return async (x) => {
    const body = await fieldsOf(x)
    const text = `You said: ${asText(body.input)}`
    const opening: readonly SseEvent[] = [
      ['response.created', { type: 'response.created', response: envelope(body, 'in_progress', [], null) }],
      ['response.output_item.added', { type: 'response.output_item.added', output_index: 0, item: item('in_progress', []) }],
      ['response.content_part.added', { type: 'response.content_part.added', ...ITEM, part: part('') }],
    ]
    const words = text.match(/\S+\s*/g) ?? []
    const deltas = words.map((delta): SseEvent => ['response.output_text.delta', { type: 'response.output_text.delta', ...ITEM, delta }])
    await sse([...opening, ...deltas, ...(LAST[last]?.(body, text) ?? [])], options)(x)
  }
}

export const responses = (): Behaviour => async (x) => {
  const body = await fieldsOf(x)
  if (body.stream === true) return responseStream()(x)
  await json(envelope(body, 'completed', [item('completed', [part(`You said: ${asText(body.input)}`)])], USAGE))(x)
}
