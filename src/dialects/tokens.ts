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
const MEDIA_HEAD_BYTES = 256
const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * The tokens of a request before anybody has counted them: a quarter of the bytes of its texts, and a thousand for each picture or sound in it. No tokenizer:
 * the good ones take seconds for one long word, and each model has its own. docs/limits.md says how far off this is.
 */
export function expectedTokens({ bytes, keys, fields }: ReadBody, kind: 'generates' | 'embeds'): { least: Units; most: Units } {
  let tokensIn = 0
  for (const { name, start, end } of keys) if (READ.has(name)) tokensIn += tokensOfSpan(bytes, start, end)
  const least = { tokens_in: Math.ceil(tokensIn) }
  return { least, most: kind === 'embeds' ? least : { ...least, tokens_out: tokensOut(fields) } }
}

function tokensOut(fields: ReadBody['fields']): number {
  const n = typeof fields.n === 'number' && fields.n >= 1 ? Math.min(Math.floor(fields.n), N_MAX) : 1
  for (const name of OUT_MAX) {
    const value = fields[name]
    if (typeof value === 'number' && value > 0) return Math.floor(value) * n
  }
  const { options } = fields
  const predicted = typeof options === 'object' && options !== null && 'num_predict' in options ? options.num_predict : undefined
  if (typeof predicted === 'number' && predicted > 0) return Math.floor(predicted)
  return LIMITS.tokensOutGuess * n
}
const N_MAX = 128

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
    if (length >= MEDIA_BYTES_MIN && BASE64.test(bytes.toString('latin1', open + 1, open + 1 + MEDIA_HEAD_BYTES))) {
      tokens += TOKENS_OF_MEDIA - length / BYTES_PER_TOKEN
    }
    open = bytes.indexOf(QUOTE, close + 1)
  }
  return Math.max(0, tokens)
}

const BASE64 = /^(?:data:[\w.+/-]+[^,]{0,64},)?[A-Za-z0-9+/=_-]+$/

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
