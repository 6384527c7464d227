import { ERRORS, type ErrorCode, GatewayError, withoutKeys } from '../kernel/index.ts'
import { isEventStream } from './content-type.ts'

/**
 * How the clients of a face read errors: ollama-js prints `[object Object]` unless `error` is text, FastAPI clients read `detail`, OpenAI's want four keys in
 * `error`, all of them, and Anthropic's a type by which they choose an exception.
 */
export type ErrorShape = 'ollama' | 'a1111' | 'openai' | 'anthropic' | 'problem'

export interface ErrorAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** Details repeat names that the caller chose, and a name may be a key that was pasted there: no answer gives one back. */
const detailOf = ({ detail }: GatewayError): string => withoutKeys(detail)

/** What OpenAI's clients tell errors apart by; all others are told by our own code in lower case. */
const OPENAI_CODES: Readonly<Partial<Record<ErrorCode, string>>> = {
  UNAUTHORIZED: 'invalid_api_key',
  MODEL_NOT_FOUND: 'model_not_found',
  UPSTREAM_NO_MODEL: 'model_not_found',
  RATE_LIMITED: 'rate_limit_exceeded',
  CONCURRENCY_LIMITED: 'rate_limit_exceeded',
  TOKENS_LIMITED: 'rate_limit_exceeded',
  BUDGET_EXHAUSTED: 'insufficient_quota',
  BALANCE_EXHAUSTED: 'insufficient_quota',
}
const OPENAI_TYPES: Readonly<Record<number, string>> = { 402: 'insufficient_quota', 403: 'permission_error', 429: 'rate_limit_error' }
const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
}

const typeOf = (types: Readonly<Record<number, string>>, status: number): string =>
  types[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error')

const PARAMS: Readonly<Partial<Record<ErrorCode, string>>> = { MODEL_NOT_FOUND: 'model', MODEL_UNSUITABLE: 'model' }

const openaiError = (error: GatewayError): unknown => ({
  error: {
    message: detailOf(error),
    type: error.hints?.type ?? typeOf(OPENAI_TYPES, error.status),
    param: error.hints?.param ?? PARAMS[error.code] ?? null,
    code: error.hints?.code ?? OPENAI_CODES[error.code] ?? error.code.toLowerCase(),
  },
})

const anthropicError = (error: GatewayError): unknown => ({
  type: 'error',
  error: { type: error.hints?.type ?? typeOf(ANTHROPIC_TYPES, error.status), message: detailOf(error) },
})

// No request id in a body: every wrong key gets the same bytes, whatever is wrong with it. The id travels as a header.
const BODIES: Readonly<Record<ErrorShape, (error: GatewayError) => unknown>> = {
  openai: openaiError,
  anthropic: anthropicError,
  ollama: (error) => ({ error: detailOf(error) }),
  a1111: (error) => ({ error: error.code, detail: detailOf(error), body: '', errors: '' }),
  problem: (error) => ({
    type: `urn:portcullis:error:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title: error.spec.title,
    status: error.status,
    detail: detailOf(error),
    code: error.code,
  }),
}

const TYPES: Readonly<Record<ErrorShape, string>> = {
  ollama: 'application/json; charset=utf-8',
  a1111: 'application/json',
  openai: 'application/json',
  anthropic: 'application/json',
  problem: 'application/problem+json',
}

/** A refusal as its face's clients expect it. The private reason goes nowhere near it. */
export function errorAnswer(error: GatewayError, shape: ErrorShape, requestId: string): ErrorAnswer {
  const headers: Record<string, string> = {
    'content-type': TYPES[shape],
    'cache-control': 'no-store',
    'x-request-id': requestId,
  }
  if (shape === 'anthropic') headers['request-id'] = requestId // where its clients look for it
  if (error.status === 401) headers['www-authenticate'] = 'Bearer realm="portcullis"'
  if (error.spec.retryAfterS !== undefined) headers['retry-after'] = String(error.spec.retryAfterS)
  if (error.spec.neverRetry) headers['x-should-retry'] = 'false'
  return { status: error.status, headers: { ...headers, ...error.headers }, body: JSON.stringify(BODIES[shape](error)) }
}

/** The same, in band, for a stream whose status line has long been sent. Null where the format has no place for it and only a cut is honest. */
export function errorInBand(error: GatewayError, shape: ErrorShape, contentType: string): string | null {
  if (contentType.startsWith('application/x-ndjson')) return `${JSON.stringify({ error: detailOf(error) })}\n`
  if (!isEventStream(contentType)) return null
  // The blank line first ends an event that the backend left half done.
  if (shape === 'openai') return `\n\ndata: ${JSON.stringify(openaiError(error))}\n\n`
  return shape === 'anthropic' ? `\n\nevent: error\ndata: ${JSON.stringify(anthropicError(error))}\n\n` : null
}

/** Whatever was thrown, as one of ours: what we did not foresee is our own fault and says nothing of itself to the caller. */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  return new GatewayError('INTERNAL', {
    cause: thrown,
    reason: thrown instanceof Error ? thrown.message : String(thrown),
    detail: ERRORS.INTERNAL.title,
  })
}
