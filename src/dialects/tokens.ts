import type { Units } from '../contract/index.ts'
import { afterString, type TopLevelKey } from '../http/index.ts'
import { GatewayError, LIMITS } from '../kernel/index.ts'

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
  'context',
  'images',
  'tools',
  'functions',
])

/** Who writes as an answer to it: a protocol of /v1, or Ollama's own. */
export type Writes = 'chat' | 'completions' | 'responses' | 'messages' | 'generates'

/** Which field bounds an answer. What another protocol calls it says nothing: a backend passes over it, and goes on. */
const BOUND: Readonly<Record<Writes, string | null>> = {
  chat: 'max_tokens',
  completions: 'max_tokens',
  responses: 'max_output_tokens',
  messages: 'max_tokens',
  generates: null,
}
/** Other names of a bound, which not every backend knows: they may say that there will be more, but not that there will be less. */
const NEW_BOUND = 'max_completion_tokens'
/** llama.cpp's own, which goes before `max_tokens` there. */
const OWN_BOUND = 'n_predict'

const BYTES_PER_TOKEN = 4
const TOKENS_OF_MEDIA = 1_000
const SMALL_BYTES = 8 * 1024
const MEDIA_BYTES_MIN = 1024
const QUOTE = 0x22
const SPACE = 0x20
const COLON = 0x3a
const OPEN_LIST = 0x5b

/**
 * The tokens of a request before anybody has counted them: a quarter of the bytes of its texts, and a thousand for each picture or sound in it. No tokenizer:
 * the good ones take seconds for one long word, and each model has its own. docs/limits.md says how far off this is.
 */
export function expectedTokens(body: ReadBody, kind: Writes | 'embeds'): { least: Units; most: Units } {
  if (kind !== 'embeds' && kind !== 'generates') wantNumbers(body.fields)
  let tokensIn = 0
  for (const { name, start, end } of body.keys) if (READ.has(name)) tokensIn += tokensOfSpan(body.bytes, name, start, end)
  const least = { tokens_in: Math.ceil(tokensIn) }
  return { least, most: kind === 'embeds' ? least : { ...least, tokens_out: tokensOut(body, kind) } }
}

/** What says how much is to be written. Many backends read `"64"` as 64, and whoever reserves for it must not read less. */
const NUMBERS = ['n', 'best_of', 'max_tokens', NEW_BOUND, OWN_BOUND, 'max_output_tokens'] as const

function wantNumbers(fields: ReadBody['fields']): void {
  for (const name of NUMBERS) {
    const value = fields[name]
    if (value !== undefined && value !== null && typeof value !== 'number')
      throw new GatewayError('BODY_INVALID', { detail: `"${name}" must be a number`, hints: { param: name } })
  }
}

/** What bounds an answer, times the answers that are asked for, one for each prompt of a list. */
function tokensOut({ keys, bytes, fields }: ReadBody, kind: Writes): number {
  const each = Math.max(1, countOf(fields.n), countOf(fields.best_of))
  return Math.min(boundOf(fields, kind) * each * promptsIn(fields.prompt, keys, bytes), LIMITS.requestTokensMax)
}

function boundOf(fields: ReadBody['fields'], kind: Writes): number {
  const name = BOUND[kind]
  const { options } = fields
  const said =
    name !== null ? fields[name] : typeof options === 'object' && options !== null && 'num_predict' in options ? options.num_predict : 0
  const bound = countOf(said) || LIMITS.tokensOutGuess
  return kind === 'generates' ? bound : Math.max(bound, kind === 'chat' ? countOf(fields[NEW_BOUND]) : 0, countOf(fields[OWN_BOUND]))
}

const countOf = (value: unknown): number =>
  typeof value === 'number' && value > 0 ? Math.min(Math.ceil(value), LIMITS.requestTokensMax) : 0

/** Of `/v1/completions`, which takes a list of texts, or of lists of numbers; a list of numbers is one prompt. That of a long body is not parsed. */
function promptsIn(prompt: unknown, keys: ReadBody['keys'], bytes: Buffer): number {
  if (prompt !== undefined) return Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(1, prompt.length) : 1
  const span = keys.find(({ name }) => name === 'prompt')
  if (span === undefined || bytes[span.start] !== OPEN_LIST) return 1
  const within = bytes.subarray(span.start + 1, span.end)
  return Math.max(1, within.includes(QUOTE) ? stringsIn(within) : listsIn(within))
}

function stringsIn(bytes: Buffer): number {
  let strings = 0
  for (let open = bytes.indexOf(QUOTE); open !== -1; open = bytes.indexOf(QUOTE, endOf(bytes, open))) strings += 1
  return strings
}

/** A body that came here was found to be JSON, but nobody should loop for ever if it was not. */
function endOf(bytes: Buffer, open: number): number {
  const after = afterString(bytes, open)
  return after === -1 ? bytes.length : after
}

function listsIn(bytes: Buffer): number {
  let lists = 0
  for (let open = bytes.indexOf(OPEN_LIST); open !== -1; open = bytes.indexOf(OPEN_LIST, open + 1)) lists += 1
  return lists
}

function tokensOfSpan(bytes: Buffer, name: string, start: number, end: number): number {
  const length = end - start
  return length <= SMALL_BYTES ? length / BYTES_PER_TOKEN : withoutMedia(bytes, name, start, end)
}

/** Long strings without a space are pictures or sound where such things stand, and no text; a prompt is read however it looks. */
function withoutMedia(bytes: Buffer, name: string, start: number, end: number): number {
  let tokens = (end - start) / BYTES_PER_TOKEN
  let isMedia = MEDIA_KEYS.has(name)
  for (let open = bytes.indexOf(QUOTE, start); open !== -1 && open < end; ) {
    const close = endOf(bytes, open) - 1
    const length = close - open - 1
    if (isKey(bytes, close + 1)) isMedia = length <= KEY_BYTES_MAX && MEDIA_KEYS.has(bytes.toString('latin1', open + 1, close))
    else if (isMedia && length >= MEDIA_BYTES_MIN && !bytes.subarray(open + 1, close).includes(SPACE)) {
      tokens += TOKENS_OF_MEDIA - length / BYTES_PER_TOKEN
    }
    open = bytes.indexOf(QUOTE, close + 1)
  }
  return Math.max(0, tokens)
}

/** Where the protocols have a picture, a sound or a file, as base64 or as a `data:` URI. */
const MEDIA_KEYS: ReadonlySet<string> = new Set(['url', 'image_url', 'data', 'file_data', 'image', 'images'])
const KEY_BYTES_MAX = 9

function isKey(bytes: Buffer, after: number): boolean {
  let at = after
  while ((bytes[at] ?? 0) <= SPACE && at < bytes.length) at += 1
  return bytes[at] === COLON
}
