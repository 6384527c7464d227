import type { Clock } from '../../kernel/index.ts'
import { asFields, asText, type Fields } from '../http/body.ts'
import { type Call, type Handler, Refusal, send, sendJson } from '../http/serve.ts'
import { findModel, modelName, mustBeAble, readFields, streams } from './fields.ts'
import { keepAliveMs, type Model } from './library.ts'
import { lastWords, textOf } from './messages.ts'
import { allOf, type InferParts, type Question, replyTo, type Step, stepsOf } from './reply.ts'
import { tokensOf } from './talk.ts'
import { readTools, type ToolCall } from './tools.ts'
import { embed, normalised } from './vectors.ts'

/** How the two text routes differ: one carries `response`, the other `message`. */
type Piece = (text: string, toolCalls?: readonly ToolCall[]) => Fields

const JSON_UTF8 = 'application/json; charset=utf-8'

export function inferRoutes(parts: InferParts): Readonly<Record<string, Handler>> {
  return {
    'POST /api/generate': (call) => generate(call, parts),
    'POST /api/chat': (call) => chat(call, parts),
    'POST /api/embed': (call) => embedMany(call, parts),
    'POST /api/embeddings': (call) => embedOne(call, parts),
  }
}

const response: Piece = (text) => ({ response: text })
const message: Piece = (text, toolCalls = []) => ({
  message: { role: 'assistant', content: text, ...(toolCalls.length > 0 && { tool_calls: toolCalls.map(native) }) },
})
/** Arguments are an object here, and text in OpenAI's shape. */
const native = ({ id, name, arguments: given }: ToolCall, index: number) => ({ id, function: { index, name, arguments: given } })

async function generate(call: Call, parts: InferParts): Promise<void> {
  const fields = await readFields(call)
  const model = findModel(parts.library, modelName(fields))
  const prompt = asText(fields.prompt)
  if (prompt === '') return loadOrUnload(call, model, fields, response, parts)
  mustBeAble(model, 'completion', 'generate')
  refuseThinking(model, fields)
  const context = fields.raw === true ? {} : { context: tokensOf(prompt).map((_token, index) => index + 1) }
  return speak(call, { model, question: { prompt, ...wishes(fields) }, fields, piece: response, last: context }, parts)
}

async function chat(call: Call, parts: InferParts): Promise<void> {
  const fields = await readFields(call)
  if (modelName(fields) === '') throw new Refusal(400, { error: 'model is required' })
  const model = findModel(parts.library, modelName(fields))
  const messages = Array.isArray(fields.messages) ? fields.messages.map((one) => asFields(one) ?? {}) : []
  if (messages.length === 0) return loadOrUnload(call, model, fields, message, parts)
  mustBeAble(model, 'completion', 'chat')
  refuseThinking(model, fields)
  const tools = readTools(fields.tools)
  if (tools.length > 0) mustBeAble(model, 'tools', 'tools')
  const question = { ...lastWords(messages), tools, ...wishes(fields) }
  return speak(call, { model, question, fields, piece: message, last: {} }, parts)
}

function wishes({ format, options }: Fields): Pick<Question, 'json' | 'tokensMax' | 'stops'> {
  const { num_predict: tokensMax, stop } = asFields(options) ?? {}
  return { json: asFields(format) ?? Boolean(format), tokensMax: Number(tokensMax ?? -1), stops: [stop].flat().map(textOf) }
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
  readonly question: Question
  readonly fields: Fields
  readonly piece: Piece
  /** Fields that only the final object carries. */
  readonly last: Fields
}

/** Not one byte is sent, headers included, before the first token exists: callers of the real one wait just so. */
async function speak(call: Call, { model, question, fields, piece, last }: Speech, parts: InferParts): Promise<void> {
  const { library, clock, tokensPerSecond } = parts
  const startedMs = clock.monoMs()
  const reply = replyTo(question, tokensPerSecond)
  const head = (): Fields => ({ model: asText(fields.model) || model.name, created_at: timeOf(clock) })
  const final = (rest: Fields): Fields => {
    const spentNs = Math.round((clock.monoMs() - startedMs) * 1e6)
    return {
      ...head(),
      ...rest,
      done: true,
      done_reason: reply.cut ? 'length' : 'stop',
      ...last,
      total_duration: spentNs + 1_000_000,
      load_duration: 500_000,
      prompt_eval_count: reply.promptTokens,
      prompt_eval_duration: 500_000,
      eval_count: reply.replyTokens,
      eval_duration: spentNs,
    }
  }
  library.touch(model, fields.keep_alive)
  if (streams(fields)) {
    for await (const step of stepsOf(reply, parts, call.left)) await sendLine(call, { ...head(), ...pieceOf(piece, step), done: false })
    await sendLine(call, final(piece('')))
    call.res.end()
  } else {
    const text = await allOf(reply, parts, call.left)
    sendJson(call.res, 200, final(piece(text, reply.toolCalls)), JSON_UTF8)
  }
  library.touch(model, fields.keep_alive)
}

const pieceOf = (piece: Piece, step: Step): Fields => ('text' in step ? piece(step.text) : piece('', step.toolCalls))

async function sendLine(call: Call, object: Fields): Promise<void> {
  if (!call.res.headersSent) call.res.writeHead(200, { 'content-type': 'application/x-ndjson' })
  await send(call, `${JSON.stringify(object)}\n`)
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
