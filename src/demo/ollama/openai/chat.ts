import { asFields, asText, type Fields } from '../../http/body.ts'
import { type Call, Refusal, sendJson } from '../../http/serve.ts'
import { findModel, modelName, mustBeAble, readFields } from '../fields.ts'
import { lastWords, textOf } from '../messages.ts'
import { allOf, type InferParts, type Question, replyTo, type Step, stepsOf } from '../reply.ts'
import { readTools } from '../tools.ts'
import { finishOf, sendEvent, smallId, toolCallOf, usageOf } from './wire.ts'

/** `POST /v1/chat/completions`. Of what OpenAI has, Ollama ignores `tool_choice`, `n`, `user`, `logit_bias` and `max_completion_tokens`. */
export async function chat(call: Call, parts: InferParts): Promise<void> {
  const fields = await readFields(call)
  const messages = Array.isArray(fields.messages) ? fields.messages.map((one) => asFields(one) ?? {}) : []
  if (messages.length === 0) throw new Refusal(400, { error: "[] is too short - 'messages'" })
  for (const { content } of messages) checkImages(content)
  const question = questionOf(fields, messages)
  const model = findModel(parts.library, modelName(fields))
  mustBeAble(model, 'completion', 'chat')
  if ((question.tools ?? []).length > 0) mustBeAble(model, 'tools', 'tools')
  parts.library.touch(model, undefined)
  const reply = replyTo(question, parts.tokensPerSecond)
  const about = {
    id: smallId('chatcmpl', question.prompt),
    created: Math.floor(parts.clock.nowMs() / 1_000),
    model: modelName(fields),
    system_fingerprint: 'fp_ollama',
  }
  if (fields.stream !== true) {
    const content = await allOf(reply, parts, call.left)
    const calls = reply.toolCalls.length > 0 && { tool_calls: reply.toolCalls.map(toolCallOf) }
    const choice = { index: 0, message: { role: 'assistant', content, ...calls }, finish_reason: finishOf(reply) }
    return sendJson(call.res, 200, { ...about, object: 'chat.completion', choices: [choice], usage: usageOf(reply) })
  }
  const chunk = (choices: readonly Fields[], more: Fields = {}): Promise<void> =>
    sendEvent(call, { ...about, object: 'chat.completion.chunk', choices, ...more })
  let first = true
  for await (const step of stepsOf(reply, parts, call.left)) {
    const delta = { ...(first && { role: 'assistant' }), ...deltaOf(step) }
    await chunk([{ index: 0, delta, finish_reason: null }])
    first = false
  }
  await chunk([{ index: 0, delta: {}, finish_reason: finishOf(reply) }])
  if (asFields(fields.stream_options)?.include_usage === true) await chunk([], { usage: usageOf(reply) })
  await sendEvent(call, '[DONE]')
  call.res.end()
}

/** Tool calls come whole, never in pieces. */
const deltaOf = (step: Step): Fields =>
  'text' in step ? { content: step.text } : { content: '', tool_calls: step.toolCalls.map(toolCallOf) }

function questionOf(fields: Fields, messages: readonly Fields[]): Question {
  const format = asFields(fields.response_format)
  const schema = asFields(asFields(format?.json_schema)?.schema)
  return {
    ...lastWords(messages),
    tools: readTools(fields.tools),
    json: schema ?? asText(format?.type) === 'json_object',
    tokensMax: Number(fields.max_tokens ?? 0),
    stops: [fields.stop].flat().map(textOf),
  }
}

const DATA_URL = /^data:(?:image\/(?:jpeg|jpg|png|webp))?;base64,[A-Za-z0-9+/=]+$/

/** Pictures come with the request or not at all; an address would have the server fetch it. */
function checkImages(content: unknown): void {
  for (const part of Array.isArray(content) ? content.map((one) => asFields(one) ?? {}) : []) {
    if (part.type !== 'image_url') continue
    const url = asText(asFields(part.image_url)?.url ?? part.image_url)
    if (!DATA_URL.test(url)) throw new Refusal(400, { error: 'invalid image input' })
  }
}
