import { Readable } from 'node:stream'
import type { Backend } from '../../catalog/index.ts'
import type { Ending } from '../../contract/index.ts'
import { backendFault, type Plan, type StreamReport } from '../../dialects/index.ts'
import { GatewayError } from '../../kernel/index.ts'

// Before a connection stands, nothing can have been acted on; these are the only faults that a caller may safely repeat.
const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'ECONNRESET'])
/** The same codes come from reading too, when a connection on which the request had gone out is given up. */
const BEFORE_CONNECTED: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo'])

const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : ''

function neverConnected(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(neverConnected)
  const code = codeOf(error)
  return (
    code === 'UND_ERR_CONNECT_TIMEOUT' ||
    (UNREACHABLE.has(code) && error instanceof Error && 'syscall' in error && BEFORE_CONNECTED.has(error.syscall))
  )
}

/** What undici or the network threw, in our words. Ours pass as they are: deadlines and body limits come through here too. */
export function upstreamFault(thrown: unknown, backend: string): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  const code = codeOf(thrown) || (thrown instanceof AggregateError ? codeOf(thrown.errors[0]) : '')
  const reason = `${backend}: ${code} ${thrown instanceof Error ? thrown.message : String(thrown)}`.trim()
  if (neverConnected(thrown)) {
    return new GatewayError('UPSTREAM_UNREACHABLE', { reason, cause: thrown, detail: `The backend of ${backend} cannot be reached` })
  }
  return new GatewayError('UPSTREAM_DIED', {
    reason,
    cause: thrown,
    detail: `The backend of ${backend} broke off or answered with rubbish`,
  })
}

/** How a request that ended by an error is recorded; what is not named is the backend's death. */
const ENDING_OF: Readonly<Record<string, Ending>> = {
  UPSTREAM_TIMEOUT: 'deadline',
  UPSTREAM_REJECTED: 'complete',
  UPSTREAM_NO_MODEL: 'complete',
  UPSTREAM_REFUSED: 'complete',
  UPSTREAM_BUSY: 'complete',
  UPSTREAM_UNREACHABLE: 'refused',
  BAD_REQUEST: 'refused', // a body whose chunks make no sense
  BODY_TOO_LARGE: 'refused',
  BODY_TOO_SLOW: 'refused',
  BODY_INVALID: 'refused',
  BODY_INCOMPLETE: 'refused',
  UNSUPPORTED_MEDIA: 'refused',
}

/** A body that was cut is the caller's leaving only where the caller has left: a form may also end before it is whole. */
export function endingOf({ code }: GatewayError, callerLeft: boolean): Ending {
  return code === 'BODY_INCOMPLETE' && callerLeft ? 'client_closed' : (ENDING_OF[code] ?? 'upstream_died')
}

/** An answer that is not passed on but told in our own words. */
export const isFault = ({ fault, passes }: Plan, status: number, contentType: string): boolean =>
  fault !== undefined && (status >= 400 || passes?.(contentType) === false)

/**
 * A backend that refuses an upload may close its connection before all of it has come, and the close may cut its refusal short (RFC 9112, section
 * 9.6). The status was read and says why; of the words nothing is passed on, because they are not whole. Null when the error is of another kind.
 */
export function earlyRefusal(plan: Plan, { auth }: Backend, status: number, contentType: string, error: Error): GatewayError | null {
  const { body } = plan.request
  // Where the gate has a credential, no error has been begun towards the caller before all of it was there.
  const fault = plan.fault ?? (auth === null ? undefined : backendFault)
  if (fault === undefined || status < 400 || status >= 500) return null
  if (error instanceof GatewayError || !(body instanceof Readable) || body.readableEnded) return null
  return fault({ status, contentType, body: Buffer.alloc(0) })
}

/** Which of a backend's deadlines has passed, if any. */
export function overdueFault({ name, deadlines }: Backend, { hasBegun, waitedMs, ranMs }: Waited): GatewayError | null {
  if (!hasBegun && waitedMs > deadlines.firstByteMs) return deadlineFault(name, 'first byte', waitedMs)
  if (hasBegun && waitedMs > deadlines.idleMs) return deadlineFault(name, 'next byte', waitedMs)
  return ranMs > deadlines.totalMs ? deadlineFault(name, 'end', ranMs) : null
}

interface Waited {
  /** Whether anything of an answer has come. */
  readonly hasBegun: boolean
  readonly waitedMs: number
  readonly ranMs: number
}

/** One of our own deadlines has passed. */
function deadlineFault(backend: string, what: string, waitedMs: number): GatewayError {
  const detail = `The backend of ${backend} did not send its ${what} in time`
  return new GatewayError('UPSTREAM_TIMEOUT', { detail, reason: `no ${what} in ${Math.round(waitedMs / 1_000)} s` })
}

/**
 * The backend's end, or that of our patience with it, before anything was `passed` on, or an error with status 200 or an end with nothing before it that was of use. Whoever leaves by himself
 * had the work of his prompt done.
 */
export function failedAtOnce(ended: Ending, passed: boolean, report: StreamReport | undefined): boolean {
  const died = ended === 'upstream_died' || ended === 'deadline'
  if (died && !passed) return true
  return report !== undefined && report.units === undefined && (report.failed || (died && !report.finished))
}

/** Of a sound nobody reports. */
export const isWhole = (report: StreamReport | undefined): boolean => report === undefined || (report.finished && !report.failed)
