import { asFields, asText, type Fields } from '../../http/body.ts'
import { type Call, Refusal, sendJson } from '../../http/serve.ts'
import { findModel, modelName, mustBeAble, readFields } from '../fields.ts'
import { textOf } from '../messages.ts'
import { allOf, type InferParts, replyTo, stepsOf } from '../reply.ts'
import { finishOf, sendEvent, smallId, usageOf } from './wire.ts'

const NO_USAGE = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }

/** `POST /v1/completions`. Asked for usage, it writes one of zeros into every chunk before the last. */
export async function completions(call: Call, parts: InferParts): Promise<void> {
  const fields = await readFields(call)
  if (fields.prompt !== undefined && typeof fields.prompt !== 'string')
    throw new Refusal(400, { error: 'json: cannot unmarshal array into Go struct field CompletionRequest.prompt of type string' })
  const prompt = asText(fields.prompt)
  const model = findModel(parts.library, modelName(fields))
  mustBeAble(model, 'completion', 'generate')
  parts.library.touch(model, undefined)
  const reply = replyTo(
    { prompt, tokensMax: Number(fields.max_tokens ?? 0), stops: [fields.stop].flat().map(textOf) },
    parts.tokensPerSecond,
  )
  const about = {
    id: smallId('cmpl', prompt),
    object: 'text_completion',
    created: Math.floor(parts.clock.nowMs() / 1_000),
    model: modelName(fields),
    system_fingerprint: 'fp_ollama',
  }
  if (fields.stream !== true) {
    const text = await allOf(reply, parts, call.left)
    const choices = [{ text, index: 0, finish_reason: finishOf(reply) }]
    return sendJson(call.res, 200, { ...about, choices, usage: usageOf(reply) })
  }
  const usage = asFields(fields.stream_options)?.include_usage === true
  const chunk = (choices: readonly Fields[], counted = NO_USAGE): Promise<void> =>
    sendEvent(call, { ...about, choices, ...(usage && { usage: counted }) })
  for await (const step of stepsOf(reply, parts, call.left)) {
    if ('text' in step) await chunk([{ text: step.text, index: 0, finish_reason: null }])
  }
  await chunk([{ text: '', index: 0, finish_reason: finishOf(reply) }])
  if (usage) await chunk([], usageOf(reply))
  await sendEvent(call, '[DONE]')
  call.res.end()
}
