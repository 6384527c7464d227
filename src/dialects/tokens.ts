import type { Units } from '../contract/index.ts'
import type { TopLevelKey } from '../http/index.ts'
import { LIMITS } from '../kernel/index.ts'

/** A JSON body that was read and judged. */
export interface ReadBody {
  readonly bytes: Buffer
  readonly keys: readonly TopLevelKey[]
  readonly fields: Readonly<Record<string, unknown>>
}

/** Where the text stands that a model reads, whatever the protocol. */
const READ: ReadonlySet<string> = new Set([
  'messages',
  'prompt',
  'suffix',
  'input',
  'instructions',
  'system',
  'template',
  'tools',
  'functions',
])
/** How many tokens the answer may have at most, if the caller says. */
const OUT_MAX = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'] as const

const BYTES_PER_TOKEN = 4
const TOKENS_OF_MEDIA = 1_000
const SMALL_BYTES = 8 * 1024
const MEDIA_BYTES_MIN = 1024
const HEAD_BYTES = 256
const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * The tokens of a request before anybody has counted them: a quarter of the bytes of its texts, and a thousand for each picture or sound in it. No tokenizer:
 * the good ones take seconds for one long word, and each model has its own. docs/limits.md says how far off this is.
 */
export function expectedTokens(body: ReadBody, kind: 'generates' | 'embeds'): { least: Units; most: Units } {
  let tokensIn = 0
  for (const { name, start, end } of body.keys) if (READ.has(name)) tokensIn += tokensOfSpan(body.bytes, start, end)
  const least = { tokens_in: Math.ceil(tokensIn) }
  return { least, most: kind === 'embeds' ? least : { ...least, tokens_out: tokensOut(body) } }
}

/**
 * The largest bound that any of the fields sets: which of them a backend obeys is its own affair. Times the answers that are asked for, one for each prompt of
 * a list.
 */
function tokensOut({ keys, bytes, fields }: ReadBody): number {
  let most = 0
  for (const name of OUT_MAX) most = Math.max(most, countOf(fields[name]))
  const { options, prompt } = fields
  if (typeof options === 'object' && options !== null && 'num_predict' in options) most = Math.max(most, countOf(options.num_predict))
  if (most === 0) most = LIMITS.tokensOutGuess
  const each = Math.max(1, countOf(fields.n), countOf(fields.best_of))
  return Math.min(most * each * promptsIn(prompt, keys, bytes), LIMITS.requestTokensMax)
}

const countOf = (value: unknown): number =>
  typeof value === 'number' && value > 0 ? Math.min(Math.ceil(value), LIMITS.requestTokensMax) : 0

const COMMA = 0x2c

/** Of `/v1/completions`, which takes a list of texts. A long body's is not parsed, so its commas are counted. A list of numbers is one prompt. */
function promptsIn(prompt: unknown, keys: ReadBody['keys'], bytes: Buffer): number {
  if (prompt !== undefined) return Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(1, prompt.length) : 1
  const span = keys.find(({ name }) => name === 'prompt')
  if (span === undefined || !TEXTS.test(bytes.toString('latin1', span.start, Math.min(span.end, span.start + HEAD_BYTES)))) return 1
  let prompts = 1
  for (let at = bytes.indexOf(COMMA, span.start); at !== -1 && at < span.end; at = bytes.indexOf(COMMA, at + 1)) prompts += 1
  return prompts
}
const TEXTS = /^\[\s*["[]/

function tokensOfSpan(bytes: Buffer, start: number, end: number): number {
  const length = end - start
  return length <= SMALL_BYTES ? length / BYTES_PER_TOKEN : withoutMedia(bytes, start, end)
}

/** Strings that look like base64 are pictures or sound, and no text. */
function withoutMedia(bytes: Buffer, start: number, end: number): number {
  let tokens = (end - start) / BYTES_PER_TOKEN
  for (let open = bytes.indexOf(QUOTE, start); open !== -1 && open < end; ) {
    const close = closingQuote(bytes, open + 1)
    const length = close - open - 1
    if (length >= MEDIA_BYTES_MIN && looksLikeMedia(bytes, open + 1)) tokens += TOKENS_OF_MEDIA - length / BYTES_PER_TOKEN
    open = bytes.indexOf(QUOTE, close + 1)
  }
  return Math.max(0, tokens)
}

const BASE64 = /^[A-Za-z0-9+/=_-]+$/
/** Of `data:image/png;base64,`, which may stand before it. */
const DATA_PREFIX_CHARS_MAX = 100

function looksLikeMedia(bytes: Buffer, start: number): boolean {
  const head = bytes.toString('latin1', start, start + HEAD_BYTES)
  const comma = head.startsWith('data:') ? head.indexOf(',') : -1
  return comma <= DATA_PREFIX_CHARS_MAX && BASE64.test(head.slice(comma + 1))
}

function closingQuote(bytes: Buffer, from: number): number {
  let close = bytes.indexOf(QUOTE, from)
  while (close !== -1) {
    let slashes = 0
    while (bytes[close - 1 - slashes] === BACKSLASH) slashes += 1
    if (slashes % 2 === 0) return close
    close = bytes.indexOf(QUOTE, close + 1)
  }
  return bytes.length
}
