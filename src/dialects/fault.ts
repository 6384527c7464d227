import { isJson } from '../http/index.ts'
import { clip, GatewayError, LIMITS } from '../kernel/index.ts'
import type { WholeAnswer } from './plan.ts'

/** What a dialect knows of its backend's failures that the answer itself does not say. */
export interface FaultNotes {
  readonly failed?: string
  readonly rejected?: string
}

type Meaning = (sentence: string, status: number, notes: FaultNotes) => GatewayError

const told = (start: string, sentence: string): string => (sentence === '' ? start : `${start}: ${sentence}`)

/**
 * What the ledger is told: the status, and the kind of exception where the sentence begins with one. Never the sentence itself, because backends
 * repeat in it what they were asked (FastAPI gives the whole input back), and the ledger holds nothing of bodies. It is in the backend's own log.
 */
function reasonFor(status: number, sentence: string): string {
  const kind = /^[A-Z][A-Za-z]{2,40}(?:Error|Exception)\b/.exec(sentence)?.[0]
  return kind === undefined ? `status ${status}` : `status ${status}: ${kind}`
}

const noSuchRoute: Meaning = (sentence, status) =>
  new GatewayError('UPSTREAM_REFUSED', {
    detail: 'The backend does not know this operation; it may be of another kind than the gate was told',
    reason: reasonFor(status, sentence),
  })

const notForUs: Meaning = (sentence, status) =>
  new GatewayError('UPSTREAM_REFUSED', {
    detail: 'The backend does not accept the credential that the gate has for it',
    reason: reasonFor(status, sentence),
  })

const busy: Meaning = (sentence, status) =>
  new GatewayError('UPSTREAM_BUSY', {
    detail: told('The backend says that it is busy', ACCOUNT.test(sentence) ? '' : sentence),
    reason: reasonFor(status, sentence),
  })

/** How the account stands that the operator has with a provider is no business of the caller, nor is its name. */
const ACCOUNT = /quota|billing|credit|payment|balance|subscription|upgrade|\bplan\b/i
const ACCOUNT_IDS = /\b(?:org|organization|proj|project|user|acct|account|team|workspace)[-_][\w-]{6,}/g

/** Words have no digits. Whether there is one is asked of a whole match: a look ahead from each of its parts took 0.7 s for 64 KiB. */
const withoutAccounts = (text: string): string => text.replaceAll(ACCOUNT_IDS, (id) => (/\d/.test(id) ? '…' : id))

const rejected: Meaning = (sentence, status, notes) =>
  new GatewayError('UPSTREAM_REJECTED', {
    detail: told('The backend does not accept this request', sentence || (notes.rejected ?? '')),
    reason: reasonFor(status, sentence),
  })

// What a backend says of its own failure may name files and hosts, which are no business of the caller.
const failed: Meaning = (sentence, status, notes) =>
  new GatewayError('UPSTREAM_REFUSED', {
    detail: told('The backend failed', OUT_OF_MEMORY.test(sentence) ? 'it ran out of memory' : (notes.failed ?? `it answered ${status}`)),
    reason: reasonFor(status, sentence),
  })

const OUT_OF_MEMORY = /out of memory|OutOfMemory/i

const MEANINGS: Readonly<Record<number, Meaning>> = {
  401: notForUs,
  403: notForUs,
  405: noSuchRoute,
  413: (sentence, status) =>
    new GatewayError('BODY_TOO_LARGE', {
      detail: told('The backend does not take a body this large', sentence),
      reason: reasonFor(status, sentence),
    }),
  415: (sentence, status) =>
    new GatewayError('UNSUPPORTED_MEDIA', { detail: told('The backend cannot read this', sentence), reason: reasonFor(status, sentence) }),
  429: busy,
  529: busy, // Anthropic's own, where it is overloaded
}

/** Flask, FastAPI and most others say just this where they have no such route; a backend that misses a model or a sampler says more. */
const NO_ROUTE = /^(?:404 )?(?:page )?not found$/i

/** The error that a backend answered, in the gate's words and with the backend's own sentence where the caller can use it. */
export function backendFault(answer: WholeAnswer, notes: FaultNotes = {}): GatewayError {
  const sentence = sentenceOf(answer)
  const { status } = answer
  if (status < 400) return notThat(answer, sentence)
  if (status === 404 && (sentence === '' || NO_ROUTE.test(sentence))) return noSuchRoute(sentence, status, notes)
  const meaning = isBusy(answer) ? busy : MEANINGS[status]
  return (meaning ?? (status < 500 ? rejected : failed))(sentence, status, notes)
}

/** A page that says 503 is a proxy's, which may have lost a backend that was at work already: nobody else may be asked then. */
const isBusy = ({ status, contentType, retryAfter }: WholeAnswer): boolean =>
  status === 503 && (retryAfter !== undefined || isJson(contentType))

function notThat({ contentType }: WholeAnswer, sentence: string): GatewayError {
  const type = /^\s*([\w.+-]{1,60}\/[\w.+-]{1,60})\s*(?:;|$)/.exec(contentType)?.[1] ?? ''
  return new GatewayError('UPSTREAM_DIED', {
    detail: told(`The backend answered with ${type === '' ? 'nothing known' : type} where something else was expected`, sentence),
    reason: `status 200 with ${type === '' ? 'nothing known' : type}`,
  })
}

/** An answer that should be readable and is not. */
export const rubbish = (why: string, reason: string = why): GatewayError =>
  new GatewayError('UPSTREAM_DIED', { detail: `The backend answered with rubbish: ${why}`, reason })

/** What the backend says went wrong, as one line; '' when it says nothing a person could use. */
export function sentenceOf({ contentType, body }: WholeAnswer): string {
  const text = body.toString('utf8').trim()
  const json = jsonOf(text.startsWith('data:') ? text.slice('data:'.length).split('\n', 1)[0] : text)
  const found = json !== undefined ? sentenceIn(json, 0) : /html/i.test(contentType) || text.startsWith('<') ? '' : text
  return clip(withoutAccounts(found).replaceAll(/\s+/g, ' ').trim(), LIMITS.backendSentenceCharsMax)
}

/** The value of a JSON text; undefined when it is none. */
export function jsonOf(text: string | undefined): unknown {
  const start = text?.trimStart()[0]
  if (text === undefined || (start !== '{' && start !== '[')) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Names under which backends put their sentence, the most telling first. */
const SENTENCES = ['detail', 'message', 'msg', 'error', 'errors', 'details'] as const
const DEPTH_MAX = 4

/** `{error: {message}}`, `{error}`, `{detail}`, `{detail: [{loc, msg}]}`, `{message}`: every framework has its own. */
function sentenceIn(value: unknown, depth: number): string {
  if (typeof value === 'string') return value
  if (depth > DEPTH_MAX) return ''
  if (Array.isArray(value))
    return value
      .slice(0, 3)
      .map((item) => sentenceIn(item, depth + 1))
      .filter(Boolean)
      .join('; ')
  if (!isRecord(value)) return ''
  const place = Array.isArray(value.loc) ? value.loc.filter((part) => part !== 'body' && part !== 'query').join('.') : ''
  for (const name of SENTENCES) {
    const sentence = sentenceIn(value[name], depth + 1)
    if (sentence !== '') return place === '' ? sentence : `${place}: ${sentence}`
  }
  return ''
}
