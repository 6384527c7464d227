import { ERRORS, GatewayError, withoutKeys } from '../kernel/index.ts'

/** How the clients of a face read errors: ollama-js prints `[object Object]` unless `error` is text, FastAPI clients read `detail`. */
export type ErrorShape = 'ollama' | 'a1111' | 'problem'

export interface ErrorAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** Details repeat names that the caller chose, and a name may be a key that was pasted there: no answer gives one back. */
const detailOf = ({ detail }: GatewayError): string => withoutKeys(detail)

// No request id in a body: every wrong key gets the same bytes, whatever is wrong with it. The id travels as a header.
const BODIES: Readonly<Record<ErrorShape, (error: GatewayError) => unknown>> = {
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
  problem: 'application/problem+json',
}

/** A refusal as its face's clients expect it. The private reason goes nowhere near it. */
export function errorAnswer(error: GatewayError, shape: ErrorShape, requestId: string): ErrorAnswer {
  const headers: Record<string, string> = {
    'content-type': TYPES[shape],
    'cache-control': 'no-store',
    'x-request-id': requestId,
  }
  if (error.status === 401) headers['www-authenticate'] = 'Bearer realm="portcullis"'
  if (error.spec.retryAfterS !== undefined) headers['retry-after'] = String(error.spec.retryAfterS)
  if (error.spec.neverRetry) headers['x-should-retry'] = 'false'
  return { status: error.status, headers: { ...headers, ...error.headers }, body: JSON.stringify(BODIES[shape](error)) }
}

/** The same, in band, for a stream whose status line has long been sent. Null where the format has no place for it and only a cut is honest. */
export function errorInBand(error: GatewayError, contentType: string): string | null {
  if (contentType.startsWith('application/x-ndjson')) return `${JSON.stringify({ error: detailOf(error) })}\n`
  return null
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
