import { clip, type ErrorHints, GatewayError, LIMITS } from '../../kernel/index.ts'
import { backendFault, isRecord, jsonOf, sentenceOf } from '../fault.ts'
import type { WholeAnswer } from '../plan.ts'

/** How OpenAI, Ollama, vLLM and others say that they do not have a model; other 404s mean that the route is not there. */
const NO_MODEL = /model.*(?:not found|does not exist|not exist|not installed|unknown)|(?:not found|no such|unknown).*model/i
const NO_MODEL_CODES: ReadonlySet<string | undefined> = new Set(['model_not_found', 'not_found_error'])
/** Seconds, or a date (RFC 9110, section 10.2.3). */
const RETRY_AFTER = /^(?:\d{1,6}|[A-Z][a-z]{2}, [\w :]{20,24} GMT)$/

/**
 * An endpoint's error, told in the gate's own shape: FastAPI and Flask answer in shapes that make clients print "no body". What the endpoint calls it goes on
 * with it, since clients act on codes such as `context_length_exceeded`.
 */
export function v1Fault(answer: WholeAnswer): GatewayError {
  const { status } = answer
  const hints = hintsIn(answer)
  if (status === 404 && (NO_MODEL_CODES.has(hints?.code) || NO_MODEL_CODES.has(hints?.type) || NO_MODEL.test(sentenceOf(answer)))) {
    return new GatewayError('UPSTREAM_NO_MODEL', {
      detail: `The endpoint does not have this model: ${sentenceOf(answer)}`,
      reason: 'status 404: no such model there',
    })
  }
  const fault = backendFault(answer)
  const { retryAfter = '' } = answer
  if (fault.code === 'UPSTREAM_BUSY' && RETRY_AFTER.test(retryAfter)) {
    return new GatewayError(fault.code, { detail: fault.detail, reason: fault.reason, headers: { 'retry-after': retryAfter } })
  }
  if (fault.code !== 'UPSTREAM_REJECTED' || hints === null) return fault
  return new GatewayError(fault.code, { detail: fault.detail, reason: fault.reason, hints })
}

/** The same where the endpoint calls the model something else: in its errors it has its public name too. */
export function v1FaultOf(upstream: string | null, name: string): (answer: WholeAnswer) => GatewayError {
  if (upstream === null || upstream === name) return v1Fault
  const named = new RegExp(`(?<![\\w.:/-])${upstream.replaceAll(/[^\w]/g, '\\$&')}(?![\\w:/-])`, 'g')
  return (answer) => v1Fault({ ...answer, body: Buffer.from(answer.body.toString('utf8').replaceAll(named, () => name)) })
}

/** The names in an error of OpenAI's shape, or Anthropic's. */
function hintsIn({ body }: WholeAnswer): ErrorHints | null {
  const json = jsonOf(body.toString('utf8'))
  const error = isRecord(json) && isRecord(json.error) ? json.error : null
  if (error === null) return null
  const hints: { type?: string; code?: string; param?: string } = {}
  for (const name of ['type', 'code', 'param'] as const) {
    const value = error[name]
    if (typeof value === 'string' && value !== '') hints[name] = clip(value, LIMITS.nameCharsMax)
  }
  return hints
}
