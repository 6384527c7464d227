/** One row per thing that can go wrong. `status` is what the caller gets, `title` what it may know; codes are never reused. */
export interface ErrorSpec {
  readonly status: number
  readonly title: string
  /** Seconds after which a retry makes sense; sent as `Retry-After`. */
  readonly retryAfterS?: number
  /** True where a retry would repeat work that may have been done, or cannot help (SDKs retry every 429 and 5xx unless told not to). */
  readonly neverRetry?: boolean
}

export const ERRORS = {
  // shape
  BAD_REQUEST: { status: 400, title: 'The request cannot be read as HTTP that this gateway accepts' },
  BAD_PATH: {
    status: 400,
    title:
      'The path holds a spelling that is refused here: a control character or another that URLs do not hold, ' +
      'a backslash, a semicolon, an encoded slash, a stray %, a dot segment or a double slash at its start',
  },
  BAD_HOST: { status: 400, title: 'The Host header is missing, repeated, or differs from the request target' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The header block is larger, or holds more headers, than this gateway takes' },
  HEADERS_TOO_SLOW: { status: 408, title: 'The header block did not arrive in time' },
  TOO_MANY_CONNECTIONS: { status: 429, title: 'Too many connections', retryAfterS: 10 },
  METHOD_NOT_ALLOWED: { status: 405, title: 'This route exists, but not for this method' },
  UPGRADE_REFUSED: { status: 426, title: 'This route does not upgrade connections' },
  // who are you
  CREDENTIAL_CONFLICT: { status: 400, title: 'Two different credentials were sent' },
  UNAUTHORIZED: { status: 401, title: 'Unauthorized - API Key Required or not valid' },
  TOO_MANY_FAILURES: { status: 429, title: 'Too many failed keys from this address' },
  VERIFIER_BUSY: { status: 503, title: 'Too many keys are being verified at this moment', retryAfterS: 1 },
  // may you
  FORBIDDEN: { status: 403, title: 'This key may not do that' },
  NOT_FOUND: { status: 404, title: 'There is nothing at this path' },
  MODEL_NOT_FOUND: { status: 404, title: 'There is no such model, or this key may not use it' },
  // within limits
  RATE_LIMITED: { status: 429, title: 'A rate is used up' },
  CONCURRENCY_LIMITED: { status: 429, title: 'Too many requests are in flight', retryAfterS: 1 },
  TOKENS_LIMITED: { status: 429, title: 'The tokens of this minute are used up' },
  BUDGET_EXHAUSTED: { status: 429, title: 'The budget of this day or month is used up', neverRetry: true },
  BALANCE_EXHAUSTED: { status: 402, title: 'The balance of this user is used up' },
  QUEUE_FULL: { status: 429, title: 'The queue of this backend is full', retryAfterS: 5 },
  // body
  BODY_TOO_LARGE: { status: 413, title: 'The body is larger than this route takes' },
  BODY_TOO_SLOW: { status: 408, title: 'The body did not arrive in time' },
  BODY_INCOMPLETE: { status: 400, title: 'The body ended before it was whole' },
  BODY_NOT_JSON: { status: 400, title: 'The body is not valid JSON' },
  BODY_TOO_DEEP: { status: 400, title: 'The JSON body is nested too deeply, or holds too many keys, containers or texts' },
  BODY_AMBIGUOUS: { status: 400, title: 'A key of the JSON body is repeated or spelled in another case' },
  BODY_INVALID: { status: 400, title: 'The body does not have the shape that this route takes' },
  UNSUPPORTED_MEDIA: { status: 415, title: 'This route does not take that content type or content encoding' },
  MODEL_UNSUITABLE: { status: 400, title: 'This model cannot do what this route asks' },
  POLICY_REFUSED: { status: 403, title: 'The body asks for something that this key may not do' },
  BODIES_FULL: { status: 503, title: 'There is no room in memory for another body at this moment', retryAfterS: 5 },
  SPOOL_FULL: { status: 503, title: 'There is no room to put this upload aside at this moment', retryAfterS: 10 },
  // write intent
  AUDIT_UNAVAILABLE: { status: 503, title: 'The audit ledger cannot be written, so nothing is let through', retryAfterS: 5 },
  DRAINING: { status: 503, title: 'The gateway is shutting down', retryAfterS: 10 },
  // perform
  UPSTREAM_UNREACHABLE: { status: 503, title: 'The backend cannot be reached', retryAfterS: 5 },
  UPSTREAM_BUSY: { status: 503, title: 'The backend says that it is busy', retryAfterS: 5 },
  UPSTREAM_DIED: { status: 502, title: 'The backend broke off or answered with rubbish', neverRetry: true },
  UPSTREAM_REFUSED: { status: 502, title: 'The backend answered with an error', neverRetry: true },
  UPSTREAM_REJECTED: { status: 400, title: 'The backend does not accept this request' },
  UPSTREAM_NO_MODEL: { status: 404, title: 'The backend does not have this model' },
  UPSTREAM_TIMEOUT: { status: 504, title: 'The backend did not answer in time', neverRetry: true },
  REVOKED: { status: 401, title: 'The key was disabled while the request ran' },
  // our own APIs
  CONFLICT: { status: 409, title: 'This was done already, or something else stands in its place' },
  STORE_UNAVAILABLE: { status: 503, title: 'The store cannot be read or written', retryAfterS: 5 },
  INTERNAL: { status: 500, title: 'A fault of the gateway itself', neverRetry: true },
} as const satisfies Record<string, ErrorSpec>

export type ErrorCode = keyof typeof ERRORS

export interface GatewayErrorOptions {
  /** For people who run the gateway: ledger and log only, never sent. */
  readonly reason?: string
  /** A public sentence that says more than the code's title. */
  readonly detail?: string
  readonly headers?: Readonly<Record<string, string>>
  /** What the backend itself called it, where clients of its protocol act on that; see `http/faces.ts`. */
  readonly hints?: ErrorHints
  readonly cause?: unknown
}

export interface ErrorHints {
  readonly type?: string
  readonly code?: string
  readonly param?: string
}

/** What a caller can cause. Our own bugs are plain errors and assertions instead. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly reason: string
  readonly detail: string
  readonly headers: Readonly<Record<string, string>>
  readonly hints: ErrorHints | undefined

  constructor(code: ErrorCode, options: GatewayErrorOptions = {}) {
    super(options.reason ?? options.detail ?? ERRORS[code].title, { cause: options.cause })
    this.code = code
    this.reason = options.reason ?? options.detail ?? ''
    this.detail = options.detail ?? ERRORS[code].title
    this.headers = options.headers ?? {}
    this.hints = options.hints
  }

  get spec(): ErrorSpec {
    return ERRORS[this.code]
  }

  get status(): number {
    return ERRORS[this.code].status
  }
}

/** The messages of an error and its causes, outermost first, for logs: context is added by `cause`, never by pasting. */
export function reasonOf(thrown: unknown): string {
  const parts: string[] = []
  for (let e = thrown; e !== undefined && e !== null && parts.length < 8; e = e instanceof Error ? e.cause : undefined) {
    parts.push(e instanceof Error ? e.message : String(e))
  }
  return parts.join(': ')
}
