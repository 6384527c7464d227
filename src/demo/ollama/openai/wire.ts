import { hash32 } from '../../hash.ts'
import { type Call, send } from '../../http/serve.ts'
import type { Reply } from '../reply.ts'
import type { ToolCall } from '../tools.ts'

/** One event of a stream; the headers go with the first, for nothing is sent before there is a token. */
export async function sendEvent(call: Call, data: unknown, name?: string): Promise<void> {
  if (!call.res.headersSent) call.res.writeHead(200, { 'content-type': 'text/event-stream' })
  const text = typeof data === 'string' ? data : JSON.stringify(data)
  await send(call, `${name === undefined ? '' : `event: ${name}\n`}data: ${text}\n\n`)
}

/** Of 999 possible ones, as the real one draws them: two answers may well have the same. */
export const smallId = (prefix: string, text: string): string => `${prefix}-${hash32(text) % 999}`

export const usageOf = ({ promptTokens, replyTokens }: Reply) => ({
  prompt_tokens: promptTokens,
  completion_tokens: replyTokens,
  total_tokens: promptTokens + replyTokens,
})

export const toolCallOf = ({ id, name, arguments: given }: ToolCall, index: number) => ({
  id,
  index,
  type: 'function',
  function: { name, arguments: JSON.stringify(given) },
})

export const finishOf = ({ cut, toolCalls }: Reply): 'stop' | 'length' | 'tool_calls' =>
  toolCalls.length > 0 ? 'tool_calls' : cut ? 'length' : 'stop'
