import type { Units } from '../../contract/index.ts'
import { scanObject } from '../../http/index.ts'
import { isRecord, jsonOf } from '../fault.ts'

const USAGE = Buffer.from('"usage"')
const SPACE = 0x20
const COLON = 0x3a
const OPEN = 0x7b
const CLOSE = 0x7d
const QUOTE = 0x22
const BACKSLASH = 0x5c

const after = (bytes: Buffer, from: number, byte: number): number => {
  let at = from
  while (bytes[at] === SPACE) at += 1
  return bytes[at] === byte ? at : -1
}

/**
 * The object that stands under `"usage"` nearest to the end, as its bytes; null where there is none, or only `null`. Within a string of JSON a quote is
 * escaped, so that no text which a model makes can be taken for it.
 */
function usageIn(bytes: Buffer): Buffer | null {
  for (let at = bytes.lastIndexOf(USAGE); at !== -1; at = at === 0 ? -1 : bytes.lastIndexOf(USAGE, at - 1)) {
    const colon = after(bytes, at + USAGE.length, COLON)
    const open = colon === -1 ? -1 : after(bytes, colon + 1, OPEN)
    if (open !== -1) return bytes.subarray(open, closingBrace(bytes, open) + 1)
  }
  return null
}

/** Where the brace closes that is open `depth` deep at a place which is in no string; the end where none does. */
function closingBrace(bytes: Buffer, from: number, depthThere = 0): number {
  let depth = depthThere
  let inString = false
  for (let at = from; at < bytes.length; at += 1) {
    const byte = bytes[at]
    if (inString) {
      if (byte === BACKSLASH) at += 1
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === OPEN) depth += 1
    else if (byte === CLOSE) {
      depth -= 1
      if (depth === 0) return at
    }
  }
  return bytes.length
}

/**
 * Whether an object is a member of the answer itself: what follows it closes one brace and no more. Some answers repeat the tools of their request, in which
 * the caller may have called anything so.
 */
function isOutermost(bytes: Buffer, within: Buffer): boolean {
  const from = within.byteOffset - bytes.byteOffset + within.length
  return closingBrace(bytes, from, 1) === bytes.length - 1 - spacesAtEnd(bytes)
}

function spacesAtEnd(bytes: Buffer): number {
  let spaces = 0
  while ((bytes[bytes.length - 1 - spaces] ?? SPACE + 1) <= SPACE) spaces += 1
  return spaces
}

/** Of an answer that is here from its beginning. */
function outermostIn(bytes: Buffer): Buffer | null {
  try {
    const span = scanObject(bytes).findLast(({ name }) => name === 'usage')
    return span === undefined ? null : bytes.subarray(span.start, span.end)
  } catch {
    return null // the end of a long answer, or nothing that is known
  }
}

/** Whether there are counts, and not only `null` in their place. */
export const tellsUsage = (bytes: Buffer): boolean => usageIn(bytes) !== null

/** What an answer says it used; only that part of it is parsed. */
export function unitsIn(bytes: Buffer): Units | null {
  const nearest = usageIn(bytes)
  const usage = nearest === null || isOutermost(bytes, nearest) ? nearest : outermostIn(bytes)
  const value = usage === null ? undefined : jsonOf(usage.toString('utf8'))
  return isRecord(value) ? unitsOfUsage(value) : null
}

/** Each protocol has names of its own for the two counts. */
export function unitsOfUsage(usage: Readonly<Record<string, unknown>>): Units | null {
  const units: Units = {}
  const prompt = countOf(usage.prompt_tokens)
  const tokensIn = prompt ?? countOf(usage.input_tokens)
  const tokensOut = countOf(usage.completion_tokens) ?? countOf(usage.output_tokens)
  // Anthropic counts what it read from a cache, or wrote into one, beside the input. Proxies say the same under OpenAI's names, and have it in them.
  const cached =
    prompt !== undefined ? 0 : (countOf(usage.cache_read_input_tokens) ?? 0) + (countOf(usage.cache_creation_input_tokens) ?? 0)
  if (tokensIn !== undefined) units.tokens_in = tokensIn + cached
  if (tokensOut !== undefined) units.tokens_out = tokensOut
  if (usage.type === 'duration' && typeof usage.seconds === 'number') units.seconds = usage.seconds
  return Object.keys(units).length > 0 ? units : null
}

const countOf = (value: unknown): number | undefined => (typeof value === 'number' && value >= 0 ? Math.floor(value) : undefined)

const DURATION = /"duration"\s*:\s*"?(\d+(?:\.\d+)?)/

/** How long a recording is, where a transcript says so: in itself, or in its usage. */
export function secondsIn(bytes: Buffer): Units | null {
  const seconds = DURATION.exec(bytes.toString('latin1'))?.[1]
  return seconds === undefined ? unitsIn(bytes) : { seconds: Number(seconds) }
}
