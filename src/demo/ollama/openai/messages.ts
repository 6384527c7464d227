import { createHash } from 'node:crypto'
import { asFields, type Fields } from '../../http/body.ts'
import { type Call, Refusal, sendJson } from '../../http/serve.ts'
import { findModel, modelName, mustBeAble, readFields } from '../fields.ts'
import { lastWords, textOf } from '../messages.ts'
import { allOf, type InferParts, type Question, type Reply, replyTo, stepsOf } from '../reply.ts'
import { readTools, type ToolCall } from '../tools.ts'
import { sendEvent } from './wire.ts'

/** `POST /v1/messages`, the face for clients of Anthropic's protocol. */
export async function messages(call: Call, parts: InferParts): Promise<void> {
  const fields = await readFields(call)
  const question = questionOf(fields)
  const model = findModel(parts.library, modelName(fields))
  mustBeAble(model, 'completion', 'chat')
  parts.library.touch(model, undefined)
  const reply = replyTo(question, parts.tokensPerSecond)
  const about = {
    id: `msg_${createHash('sha256').update(question.prompt).digest('hex').slice(0, 24)}`,
    type: 'message',
    role: 'assistant',
    model: modelName(fields),
  }
  if (fields.stream === true) return stream(call, reply, about, parts)
  const text = await allOf(reply, parts, call.left)
  const content = [...(text === '' ? [] : [{ type: 'text', text }]), ...reply.toolCalls.map(toolUse)]
  sendJson(call.res, 200, { ...about, content, stop_reason: stopReason(reply), stop_sequence: null, usage: usageOf(reply) })
}

async function stream(call: Call, reply: Reply, about: Fields, parts: InferParts): Promise<void> {
  const event = (type: string, data: Fields = {}): Promise<void> => sendEvent(call, { type, ...data }, type)
  let opened = false
  for await (const step of stepsOf(reply, parts, call.left)) {
    if (!opened) {
      // What the prompt takes is a guess until it has been read; message_delta has the count.
      const usage = { input_tokens: Math.ceil(reply.promptTokens / 2), output_tokens: 0 }
      await event('message_start', { message: { ...about, content: [], stop_reason: null, stop_sequence: null, usage } })
      if ('text' in step) await event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } })
      opened = true
    }
    if ('text' in step) await event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: step.text } })
    else for (const [index, toolCall] of step.toolCalls.entries()) await sayToolUse(event, toolCall, index)
  }
  if (reply.tokens.length > 0) await event('content_block_stop', { index: 0 })
  await event('message_delta', { delta: { stop_reason: stopReason(reply), stop_sequence: null }, usage: usageOf(reply) })
  await event('message_stop')
  call.res.end()
}

async function sayToolUse(event: (type: string, data: Fields) => Promise<void>, toolCall: ToolCall, index: number): Promise<void> {
  await event('content_block_start', { index, content_block: { ...toolUse(toolCall), input: {} } })
  await event('content_block_delta', {
    index,
    delta: { type: 'input_json_delta', partial_json: JSON.stringify(toolCall.arguments) },
  })
  await event('content_block_stop', { index })
}

function questionOf(fields: Fields): Question {
  const given = Array.isArray(fields.messages) ? fields.messages.map((one) => asFields(one) ?? {}) : []
  if (modelName(fields) === '') throw new Refusal(400, { error: 'model is required' })
  if (!(Number(fields.max_tokens) > 0)) throw new Refusal(400, { error: 'max_tokens is required and must be positive' })
  if (given.length === 0) throw new Refusal(400, { error: 'messages is required' })
  return {
    ...lastWords(given.map(unfolded)),
    tools: readTools(fields.tools),
    tokensMax: Number(fields.max_tokens),
    stops: [fields.stop_sequences].flat().map(textOf),
  }
}

/** The result of a tool stands in a message of the user here. */
function unfolded(message: Fields): Fields {
  const blocks = Array.isArray(message.content) ? message.content.map((block) => asFields(block) ?? {}) : []
  const result = blocks.find(({ type }) => type === 'tool_result')
  return result === undefined ? message : { role: 'tool', content: result.content }
}

const toolUse = ({ id, name, arguments: input }: ToolCall): Fields => ({ type: 'tool_use', id, name, input })

const stopReason = ({ cut, toolCalls }: Reply): string => (toolCalls.length > 0 ? 'tool_use' : cut ? 'max_tokens' : 'end_turn')

const usageOf = ({ promptTokens, replyTokens }: Reply): Fields => ({ input_tokens: promptTokens, output_tokens: replyTokens })
