import { hash32 } from '../../hash.ts'
import { asFields, asText, type Fields } from '../../http/body.ts'
import { type Call, Refusal, sendJson } from '../../http/serve.ts'
import { findModel, modelName, mustBeAble, readFields } from '../fields.ts'
import { lastWords, textOf } from '../messages.ts'
import { allOf, type InferParts, type Question, type Reply, replyTo, stepsOf } from '../reply.ts'
import { readTools, type ToolCall } from '../tools.ts'
import { sendEvent } from './wire.ts'

/** `POST /v1/responses`: without memory, so that `previous_response_id` and `conversation` mean nothing, and with no `[DONE]` at its end. */
export async function responses(call: Call, parts: InferParts): Promise<void> {
  const fields = await readFields(call)
  const question = questionOf(fields)
  const model = findModel(parts.library, modelName(fields))
  mustBeAble(model, 'completion', 'chat')
  parts.library.touch(model, undefined)
  const reply = replyTo(question, parts.tokensPerSecond)
  const hash = hash32(question.prompt) % 999_999
  const at = Math.floor(parts.clock.nowMs() / 1_000)
  const envelope: Envelope = (status, output, usage) => ({ ...echoOf(fields), id: `resp_${hash}`, created_at: at, status, output, usage })
  const whole = (): Fields => envelope('completed', outputOf(reply, hash), usageOf(reply))
  if (fields.stream !== true) {
    await allOf(reply, parts, call.left)
    return sendJson(call.res, 200, { ...whole(), completed_at: at })
  }
  let sequence = 0
  const event: Emit = (type, data) => sendEvent(call, { ...data, type, sequence_number: sequence++ }, type)
  let opened = false
  for await (const step of stepsOf(reply, parts, call.left)) {
    if (!opened) {
      await event('response.created', { response: envelope('in_progress', [], null) })
      await event('response.in_progress', { response: envelope('in_progress', [], null) })
      if ('text' in step) await openText(event, hash)
      opened = true
    }
    if ('text' in step) await event('response.output_text.delta', { ...textAt(hash), delta: step.text, logprobs: [] })
    else for (const [index, toolCall] of step.toolCalls.entries()) await sayCall(event, functionCall(toolCall, hash, index), index)
  }
  if (reply.tokens.length > 0) await closeText(event, hash, reply.tokens.join(''))
  await event('response.completed', { response: { ...whole(), completed_at: Math.floor(parts.clock.nowMs() / 1_000) } })
  call.res.end()
}

type Envelope = (status: string, output: readonly Fields[], usage: Fields | null) => Fields
type Emit = (type: string, data: Fields) => Promise<void>

function questionOf(fields: Fields): Question {
  const items = Array.isArray(fields.input) ? fields.input.map((item) => asFields(item) ?? {}) : []
  if (items.length === 0 && asText(fields.input) === '') throw new Refusal(400, { error: 'input must be a string or array' })
  const messages = items.map((item) =>
    item.type === 'function_call_output' ? { role: 'tool', content: item.output } : { role: item.role, content: item.content },
  )
  const format = asFields(asFields(fields.text)?.format)
  return {
    ...(items.length === 0 ? { prompt: asText(fields.input) } : lastWords(messages)),
    tools: readTools(fields.tools),
    json: asFields(format?.schema) ?? false,
    tokensMax: Number(fields.max_output_tokens ?? 0),
    stops: [fields.stop].flat().map(textOf),
  }
}

/** What of the request the answer repeats, and the rest of OpenAI's fields at their defaults. */
const echoOf = (fields: Fields): Fields => ({
  object: 'response',
  completed_at: null,
  incomplete_details: null,
  model: modelName(fields),
  previous_response_id: null,
  instructions: fields.instructions ?? null,
  error: null,
  tools: fields.tools ?? [],
  tool_choice: 'auto',
  truncation: fields.truncation ?? 'disabled',
  parallel_tool_calls: true,
  text: { format: asFields(fields.text)?.format ?? { type: 'text' } },
  top_p: fields.top_p ?? 1,
  temperature: fields.temperature ?? 1,
  reasoning: fields.reasoning ?? null,
  max_output_tokens: fields.max_output_tokens ?? null,
  store: false,
  background: false,
  service_tier: 'default',
  metadata: {},
})

const usageOf = ({ promptTokens, replyTokens }: Reply): Fields => ({
  input_tokens: promptTokens,
  output_tokens: replyTokens,
  total_tokens: promptTokens + replyTokens,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens_details: { reasoning_tokens: 0 },
})

const textPart = (text: string): Fields => ({ type: 'output_text', text, annotations: [], logprobs: [] })
const textAt = (hash: number): Fields => ({ item_id: `msg_${hash}`, output_index: 0, content_index: 0 })
const messageItem = (hash: number, status: string, content: readonly Fields[]): Fields => ({
  id: `msg_${hash}`,
  type: 'message',
  status,
  role: 'assistant',
  content,
})

const functionCall = (call: ToolCall, hash: number, index: number): Fields => ({
  id: `fc_${hash}_${index}`,
  type: 'function_call',
  status: 'completed',
  call_id: call.id,
  name: call.name,
  arguments: JSON.stringify(call.arguments),
})

const outputOf = ({ tokens, toolCalls }: Reply, hash: number): readonly Fields[] =>
  toolCalls.length > 0
    ? toolCalls.map((call, index) => functionCall(call, hash, index))
    : [messageItem(hash, 'completed', [textPart(tokens.join(''))])]

async function openText(event: Emit, hash: number): Promise<void> {
  await event('response.output_item.added', { output_index: 0, item: messageItem(hash, 'in_progress', []) })
  await event('response.content_part.added', { ...textAt(hash), part: textPart('') })
}

async function closeText(event: Emit, hash: number, text: string): Promise<void> {
  await event('response.output_text.done', { ...textAt(hash), text, logprobs: [] })
  await event('response.content_part.done', { ...textAt(hash), part: textPart(text) })
  await event('response.output_item.done', { output_index: 0, item: messageItem(hash, 'completed', [textPart(text)]) })
}

async function sayCall(event: Emit, item: Fields, index: number): Promise<void> {
  const at = { item_id: item.id, output_index: index }
  await event('response.output_item.added', { output_index: index, item: { ...item, status: 'in_progress', arguments: '' } })
  await event('response.function_call_arguments.delta', { ...at, delta: item.arguments })
  await event('response.function_call_arguments.done', { ...at, arguments: item.arguments })
  await event('response.output_item.done', { output_index: index, item })
}
