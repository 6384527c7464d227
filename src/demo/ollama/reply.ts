import type { Clock } from '../../kernel/index.ts'
import { pause } from '../http/serve.ts'
import { fill } from './fill.ts'
import type { Library } from './library.ts'
import { answerTo, answerToTool, jsonAnswerTo, tokensOf } from './talk.ts'
import { callsFor, type Tool, type ToolCall } from './tools.ts'

export interface InferParts {
  readonly library: Library
  readonly clock: Clock
  readonly tokensPerSecond: number
}

/** What any of the faces asks for, whatever it is called there. */
export interface Question {
  readonly prompt: string
  /** What a tool said, when that is the last word of the conversation. */
  readonly toolResult?: string | null
  readonly tools?: readonly Tool[]
  /** JSON of any kind, or JSON that fits a schema. */
  readonly json?: boolean | Readonly<Record<string, unknown>>
  /** Of the answer; none or less than one is no limit. */
  readonly tokensMax?: number
  readonly stops?: readonly string[]
}

export interface Reply {
  readonly tokens: readonly string[]
  /** In the place of tokens, or none. */
  readonly toolCalls: readonly ToolCall[]
  readonly cut: boolean
  readonly promptTokens: number
  readonly replyTokens: number
}

export function replyTo(question: Question, tokensPerSecond: number): Reply {
  const { prompt, toolResult = null, tools = [], tokensMax = 0 } = question
  const promptTokens = tokensOf(prompt).length
  const toolCalls = toolResult === null ? callsFor(tools, prompt) : []
  if (toolCalls.length > 0) {
    const replyTokens = toolCalls.reduce((sum, call) => sum + tokensOf(JSON.stringify(call.arguments)).length, 0)
    return { tokens: [], toolCalls, cut: false, promptTokens, replyTokens }
  }
  const whole = tokensOf(untilStop(textFor(question, tokensPerSecond), question.stops ?? []))
  const tokens = tokensMax > 0 ? whole.slice(0, tokensMax) : whole
  return { tokens, toolCalls, cut: tokens.length < whole.length, promptTokens, replyTokens: tokens.length }
}

function textFor({ prompt, toolResult = null, json = false }: Question, tokensPerSecond: number): string {
  if (typeof json === 'object') return JSON.stringify(fill(json, prompt))
  if (json) return jsonAnswerTo(prompt)
  return toolResult === null ? answerTo(prompt, tokensPerSecond) : answerToTool(toolResult)
}

const untilStop = (text: string, stops: readonly string[]): string =>
  stops.filter((stop) => stop !== '').reduce((rest, stop) => rest.split(stop, 1)[0] ?? '', text)

export type Step = { readonly text: string } | { readonly toolCalls: readonly ToolCall[] }

/** A reply token by token at its pace, paced against the start so that slow timers do not add up. Rejects when the reader leaves. */
export async function* stepsOf(reply: Reply, { clock, tokensPerSecond }: InferParts, left: AbortSignal): AsyncGenerator<Step> {
  const startedMs = clock.monoMs()
  const steps: readonly Step[] = reply.toolCalls.length > 0 ? [{ toolCalls: reply.toolCalls }] : reply.tokens.map((text) => ({ text }))
  for (const [index, step] of steps.entries()) {
    await pause(startedMs + ((index + 1) * 1_000) / tokensPerSecond - clock.monoMs(), left)
    yield step
  }
}

/** For a caller who wants the answer whole: the same time, and nothing to see of it. */
export async function allOf(reply: Reply, parts: InferParts, left: AbortSignal): Promise<string> {
  for await (const _step of stepsOf(reply, parts, left)) left.throwIfAborted()
  return reply.tokens.join('')
}
