import { randomBytes } from 'node:crypto'
import { asFields, asText } from '../../http/body.ts'
import { type Handler, Refusal } from '../../http/serve.ts'

const OPENAI_TYPES: Readonly<Record<number, string>> = { 400: 'invalid_request_error', 404: 'not_found_error' }
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  529: 'overloaded_error',
}

const openaiShape = (status: number, message: string): unknown => ({
  error: { message, type: OPENAI_TYPES[status] ?? 'api_error', param: null, code: null },
})

const anthropicShape = (status: number, message: string): unknown => ({
  type: 'error',
  error: { type: ANTHROPIC_TYPES[status] ?? 'api_error', message },
  request_id: `req_${randomBytes(12).toString('hex')}`,
})

/** Ollama's routes refuse in one shape; a layer around these two faces puts the same sentence into another. */
const inShape =
  (shape: (status: number, message: string) => unknown) =>
  (handle: Handler): Handler =>
  async (call) => {
    try {
      await handle(call)
    } catch (fault) {
      if (!(fault instanceof Refusal)) throw fault
      throw new Refusal(fault.status, shape(fault.status, asText(asFields(fault.body)?.error)))
    }
  }

export const openaiRefusals = inShape(openaiShape)
export const anthropicRefusals = inShape(anthropicShape)
