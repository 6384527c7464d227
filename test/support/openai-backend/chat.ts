import { asFields, asText, type Fields } from '../../../src/demo/index.ts'
import { type Behaviour, json } from '../hostile.ts'
import { fieldsOf, type SseEvent, type SseOptions, sse } from './sse.ts'

const CREATED = 1_764_000_000
const PROMPT_TOKENS = 7

/** What OpenAI, vLLM and the rest disagree about in one and the same stream. */
export interface ChatStreamOptions extends SseOptions {
  readonly tokens?: readonly string[]
  /** `asked` is right; `always` is what some servers do to callers who cannot bear it; `inline` puts it beside the last choice, as llama.cpp does. */
  readonly usage?: 'asked' | 'always' | 'inline' | 'never'
  /** `usage: null` in every chunk before the last, as OpenAI has it once usage was asked for. */
  readonly usageNulls?: boolean
  /** False ends without `[DONE]`. */
  readonly done?: boolean
  /** After so many tokens comes this in the place of the rest, as an event. */
  readonly failAfter?: number
  readonly fault?: Fields
}

export const MID_STREAM_FAULT: Fields = { error: { message: 'CUDA out of memory', type: 'server_error', param: null, code: 500 } }

export const usageOf = (tokens: number): Fields => ({
  prompt_tokens: PROMPT_TOKENS,
  completion_tokens: tokens,
  total_tokens: PROMPT_TOKENS + tokens,
})

/** What was said last, by whom. */
function lastOf(body: Fields): { readonly role: string; readonly text: string } {
  const messages: readonly unknown[] = Array.isArray(body.messages) ? body.messages : []
  const last = asFields(messages.at(-1)) ?? {}
  const parts: readonly unknown[] = Array.isArray(last.content) ? last.content : [{ text: last.content }]
  return { role: asText(last.role), text: parts.map((part) => asText(asFields(part)?.text)).join('') }
}

/** The text of an answer: the question again, or what the tool said, so that a caller can tell whose answer it has. */
function textFor(body: Fields): string {
  if (body.response_format !== undefined) return JSON.stringify({ format: asText(asFields(body.response_format)?.type) })
  const { role, text } = lastOf(body)
  return role === 'tool' ? `The tool said: ${text}` : `You said: ${text}`
}

/** A tool is called for whoever speaks of the weather and has not had an answer yet. */
function toolFor(body: Fields): string | null {
  const { role, text } = lastOf(body)
  const [first]: readonly unknown[] = Array.isArray(body.tools) ? body.tools : []
  const name = asText(asFields(asFields(first)?.function)?.name)
  return name !== '' && role !== 'tool' && /weather/i.test(text) ? name : null
}

const ARGUMENTS = ['{"ci', 'ty":"Pa', 'ris"}']
const TOOL_ID = 'call_7f3a'

export const chatAnswer = (): Behaviour => async (x) => {
  const body = await fieldsOf(x)
  const tool = toolFor(body)
  const toolCalls = [{ id: TOOL_ID, type: 'function', function: { name: tool, arguments: ARGUMENTS.join('') } }]
  const message =
    tool === null ? { role: 'assistant', content: textFor(body) } : { role: 'assistant', content: null, tool_calls: toolCalls }
  const choices = Array.from({ length: Number(body.n ?? 1) }, (_value, index) => ({
    index,
    message,
    logprobs: null,
    finish_reason: tool === null ? 'stop' : 'tool_calls',
  }))
  await json({ ...about(body, 'chat.completion'), choices, usage: usageOf(3) })(x)
}

export function chatStream(options: ChatStreamOptions = {}): Behaviour {
  return async (x) => sse(chatEvents(await fieldsOf(x), options), options)(x)
}

/** A chat as its request wants it. */
export const chat = (): Behaviour => async (x) => ((await fieldsOf(x)).stream === true ? chatStream() : chatAnswer())(x)

const about = (body: Fields, object: string): Fields => ({
  id: 'chatcmpl-5f2e1c',
  object,
  created: CREATED,
  model: asText(body.model),
  system_fingerprint: null,
})

function chatEvents(body: Fields, options: ChatStreamOptions): readonly SseEvent[] {
  const { usage = 'asked', usageNulls = false, done = true, failAfter, fault = MID_STREAM_FAULT } = options
  const asked = usage === 'always' || (usage === 'asked' && asFields(body.stream_options)?.include_usage === true)
  const nulls: Fields = usageNulls && asked ? { usage: null } : {}
  const chunk = (delta: Fields, finish: string | null = null, more: Fields = nulls): Fields => ({
    ...about(body, 'chat.completion.chunk'),
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...more,
  })
  const tool = toolFor(body)
  const deltas = tool === null ? textDeltas(options.tokens ?? (textFor(body).match(/\S+\s*/g) || ['?'])) : toolDeltas(tool)
  const start = chunk({ role: 'assistant', content: '' })
  if (failAfter !== undefined) return [start, ...deltas.slice(0, failAfter).map((delta) => chunk(delta)), fault]
  return [
    start,
    ...deltas.map((delta) => chunk(delta)),
    chunk({}, tool === null ? 'stop' : 'tool_calls', usage === 'inline' ? { usage: usageOf(deltas.length) } : nulls),
    ...(asked ? [{ ...about(body, 'chat.completion.chunk'), choices: [], usage: usageOf(deltas.length) }] : []),
    ...(done ? ['[DONE]'] : []),
  ]
}

const textDeltas = (tokens: readonly string[]): readonly Fields[] => tokens.map((content) => ({ content }))

/** OpenAI and vLLM send a tool's arguments in pieces that are no JSON by themselves. */
const toolDeltas = (name: string): readonly Fields[] => [
  { tool_calls: [{ index: 0, id: TOOL_ID, type: 'function', function: { name, arguments: '' } }] },
  ...ARGUMENTS.map((piece) => ({ tool_calls: [{ index: 0, function: { arguments: piece } }] })),
]
