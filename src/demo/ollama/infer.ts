import type { Clock } from '../../kernel/index.ts'
import { asFields, asText, type Fields } from '../http/body.ts'
import { type Call, type Handler, pause, Refusal, send, sendJson } from '../http/serve.ts'
import { findModel, modelName, mustBeAble, readFields, streams } from './fields.ts'
import { keepAliveMs, type Library, type Model } from './library.ts'
import { answerTo, jsonAnswerTo, tokensOf } from './talk.ts'
import { embed, normalised } from './vectors.ts'

export interface InferParts {
  readonly library: Library
  readonly clock: Clock
  readonly tokensPerSecond: number
}

/** How the two text routes differ: one carries `response`, the other `message`. */
type Piece = (text: string) => Fields

const JSON_UTF8 = 'application/json; charset=utf-8'

export function inferRoutes(parts: InferParts): Readonly<Record<string, Handler>> {
  return {
    'POST /api/generate': (call) => generate(call, parts),
    'POST /api/chat': (call) => chat(call, parts),
    'POST /api/embed': (call) => embedMany(call, parts),
    'POST /api/embeddings': (call) => embedOne(call, parts),
  }
}

async function generate(call: Call, parts: InferParts): Promise<void> {
  const fields = await readFields(call)
  const model = findModel(parts.library, modelName(fields))
  const prompt = asText(fields.prompt)
  const piece: Piece = (text) => ({ response: text })
  if (prompt === '') return loadOrUnload(call, model, fields, piece, parts)
  mustBeAble(model, 'completion', 'generate')
  refuseThinking(model, fields)
  const context = fields.raw === true ? {} : { context: tokensOf(prompt).map((_token, index) => index + 1) }
  return speak(call, { model, prompt, fields, piece, last: context }, parts)
}

async function chat(call: Call, parts: InferParts): Promise<void> {
  const fields = await readFields(call)
  if (modelName(fields) === '') throw new Refusal(400, { error: 'model is required' })
  const model = findModel(parts.library, modelName(fields))
  const messages = Array.isArray(fields.messages) ? fields.messages.map((message) => asFields(message) ?? {}) : []
  const piece: Piece = (text) => ({ message: { role: 'assistant', content: text } })
  if (messages.length === 0) return loadOrUnload(call, model, fields, piece, parts)
  mustBeAble(model, 'completion', 'chat')
  refuseThinking(model, fields)
  if (Array.isArray(fields.tools) && fields.tools.length > 0) throw new Refusal(400, { error: `"${model.name}" does not support tools` })
  const asked = messages.findLast(({ role }) => role === 'user') ?? messages.at(-1)
  return speak(call, { model, prompt: asText(asked?.content), fields, piece, last: {} }, parts)
}

function refuseThinking(model: Model, { think }: Fields): void {
  if (think !== undefined && think !== null && think !== false)
    throw new Refusal(400, { error: `"${model.name}" does not support thinking` })
}

/** An empty prompt says nothing: it loads the model, or unloads it when `keep_alive` is zero. */
function loadOrUnload({ res }: Call, model: Model, fields: Fields, piece: Piece, { library, clock }: InferParts): void {
  const unload = fields.keep_alive !== undefined && keepAliveMs(fields.keep_alive) === 0
  if (unload) library.unload(model)
  else library.touch(model, fields.keep_alive)
  const done = { done: true, done_reason: unload ? 'unload' : 'load' }
  sendJson(res, 200, { model: model.name, created_at: timeOf(clock), ...piece(''), ...done }, JSON_UTF8)
}

interface Speech {
  readonly model: Model
  readonly prompt: string
  readonly fields: Fields
  readonly piece: Piece
  /** Fields that only the final object carries. */
  readonly last: Fields
}

/** Not one byte is sent, headers included, before the first token exists: callers of the real one wait just so. */
async function speak(
  call: Call,
  { model, prompt, fields, piece, last }: Speech,
  { library, clock, tokensPerSecond }: InferParts,
): Promise<void> {
  const startedMs = clock.monoMs()
  const whole = tokensOf(fields.format ? jsonAnswerTo(prompt) : answerTo(prompt, tokensPerSecond))
  const wanted = Number(asFields(fields.options)?.num_predict ?? -1)
  const tokens = wanted > 0 ? whole.slice(0, wanted) : whole
  const head = (): Fields => ({ model: asText(fields.model) || model.name, created_at: timeOf(clock) })
  const streaming = streams(fields)
  library.touch(model, fields.keep_alive)
  for (const [index, token] of tokens.entries()) {
    // Paced against the start, so that slow timers do not add up.
    await pause(startedMs + ((index + 1) * 1_000) / tokensPerSecond - clock.monoMs(), call.left)
    if (!streaming) continue
    if (index === 0) call.res.writeHead(200, { 'content-type': 'application/x-ndjson' })
    await send(call, `${JSON.stringify({ ...head(), ...piece(token), done: false })}\n`)
  }
  library.touch(model, fields.keep_alive)
  const spentNs = Math.round((clock.monoMs() - startedMs) * 1e6)
  const final = {
    ...head(),
    ...piece(streaming ? '' : tokens.join('')),
    done: true,
    done_reason: tokens.length < whole.length ? 'length' : 'stop',
    ...last,
    total_duration: spentNs + 1_000_000,
    load_duration: 500_000,
    prompt_eval_count: tokensOf(prompt).length,
    prompt_eval_duration: 500_000,
    eval_count: tokens.length,
    eval_duration: spentNs,
  }
  if (streaming) call.res.end(`${JSON.stringify(final)}\n`)
  else sendJson(call.res, 200, final, JSON_UTF8)
}

async function embedMany(call: Call, { library, clock }: InferParts): Promise<void> {
  const startedMs = clock.monoMs()
  const fields = await readFields(call)
  const name = modelName(fields)
  const model = findModel(library, name, `model "${name}" not found, try pulling it first`)
  const inputs: readonly unknown[] = Array.isArray(fields.input) ? fields.input : fields.input === undefined ? [] : [fields.input]
  const texts = inputs.map((input) => {
    if (typeof input !== 'string') throw new Refusal(400, { error: 'invalid input type' })
    return input
  })
  const dimensions = Number(fields.dimensions ?? 0)
  library.touch(model, fields.keep_alive)
  const answer = {
    model: name,
    embeddings: texts.map((text) => normalised(dimensions > 0 ? embed(text).slice(0, dimensions) : embed(text))),
    total_duration: Math.round((clock.monoMs() - startedMs) * 1e6) + 1,
    load_duration: 1,
    prompt_eval_count: texts.reduce((sum, text) => sum + tokensOf(text).length, 0),
  }
  sendJson(call.res, 200, answer, JSON_UTF8)
}

async function embedOne(call: Call, { library }: InferParts): Promise<void> {
  const fields = await readFields(call)
  const name = modelName(fields)
  const model = findModel(library, name, `model "${name}" not found, try pulling it first`)
  const prompt = asText(fields.prompt)
  library.touch(model, fields.keep_alive)
  sendJson(call.res, 200, { embedding: prompt === '' ? [] : embed(prompt) }, JSON_UTF8)
}

/** Go prints nanoseconds where JavaScript has milliseconds. */
export const timeOf = (clock: Clock): string => new Date(clock.nowMs()).toISOString().replace('Z', '000Z')
