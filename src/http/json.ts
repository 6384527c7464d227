import { GatewayError, LIMITS } from '../kernel/index.ts'
import { afterString } from './json-string.ts'

/** A key of the outermost object, and where its value stands in the bytes. */
export interface TopLevelKey {
  readonly name: string
  readonly start: number
  readonly end: number
}

const QUOTE = 0x22
const notJson = (why: string): GatewayError => new GatewayError('BODY_NOT_JSON', { detail: `The body is not valid JSON: ${why}` })

/**
 * The outermost keys as they are spelled, repeats included, with depth, containers and strings counted on the way. `JSON.parse` cannot do this:
 * it keeps the last of two equal keys without a word, 10 MB of `{}` would block the event loop for two seconds, and 27 MB of keys for five.
 * It trusts the grammar no further than it must; the caller parses the body afterwards, which refuses what is not JSON.
 */
export function scanObject(body: Buffer): readonly TopLevelKey[] {
  const keys: TopLevelKey[] = []
  let depth = 0
  let containers = 0
  let count = 0 // of keys, wherever they stand
  let strings = 0
  let name: string | null = null
  let valueStart = 0
  const closeValue = (end: number): void => {
    if (name !== null) keys.push({ name, start: valueStart, end })
    name = null
  }
  for (let i = 0; i < body.length; i += 1) {
    const byte = body[i]
    if (byte === QUOTE) {
      const after = afterString(body, i)
      if (after === -1) throw notJson('a string does not end')
      strings += 1
      if (strings > LIMITS.jsonStringsMax) throw new GatewayError('BODY_TOO_DEEP')
      if (depth === 1 && name === null) {
        const colon = nextNonSpace(body, after)
        if (body[colon] !== 0x3a) throw notJson('a key has no value')
        name = keyText(body, i, after)
        valueStart = nextNonSpace(body, colon + 1)
        i = colon
        count += 1
        if (keys.length >= LIMITS.jsonOuterKeysMax || count > LIMITS.jsonKeysMax) throw new GatewayError('BODY_TOO_DEEP')
      } else {
        i = after - 1
      }
    } else if (byte === 0x7b || byte === 0x5b) {
      if (depth === 0 && (byte !== 0x7b || containers > 0)) throw notJson('it is not one object')
      depth += 1
      containers += 1
      if (depth > LIMITS.jsonDepthMax || containers > LIMITS.jsonContainersMax) throw new GatewayError('BODY_TOO_DEEP')
    } else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 1) closeValue(i)
      depth -= 1
      if (depth < 0) throw notJson('a bracket closes nothing')
    } else if (byte === 0x3a) {
      count += 1
      if (count > LIMITS.jsonKeysMax) throw new GatewayError('BODY_TOO_DEEP')
    } else if (byte === 0x2c && depth === 1) {
      closeValue(i)
    }
  }
  if (depth !== 0 || containers === 0) throw notJson(containers === 0 ? 'it is not an object' : 'a bracket is not closed')
  return keys
}

function nextNonSpace(body: Buffer, from: number): number {
  let i = from
  while (body[i] === 0x20 || body[i] === 0x0a || body[i] === 0x0d || body[i] === 0x09) i += 1
  return i
}

function keyText(body: Buffer, open: number, after: number): string {
  const raw = body.toString('utf8', open + 1, after - 1)
  if (!raw.includes('\\')) return raw
  try {
    return String(JSON.parse(`"${raw}"`))
  } catch {
    throw notJson('a key has a wrong escape')
  }
}

/** How Go's encoding/json compares keys: without case, and with the Kelvin sign and the long s as k and s. */
export const foldKey = (name: string): string => name.toUpperCase().toLowerCase()

/**
 * Refuses an outermost key that repeats, or that means a known one in another spelling: Go takes `MODEL` for `model` and the last one
 * wins, so the body we judge and the body the backend obeys would differ.
 */
export function refuseAmbiguousKeys(keys: readonly TopLevelKey[], known: ReadonlySet<string>): void {
  const seen = new Set<string>()
  for (const { name } of keys) {
    const folded = foldKey(name)
    // The name goes to its caller and not into the ledger, which holds nothing of bodies.
    if (seen.has(folded)) {
      throw new GatewayError('BODY_AMBIGUOUS', {
        detail: `"${folded.slice(0, 64)}" stands more than once in the body`,
        reason: 'a repeated key',
      })
    }
    if (folded !== name && known.has(folded)) {
      throw new GatewayError('BODY_AMBIGUOUS', { detail: `Write "${folded}" in lower case`, reason: `another spelling of ${folded}` })
    }
    seen.add(folded)
  }
}

/** The body as the one object that `scanObject` found in it. */
export function parseObject(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>> // checked just now
  } catch {
    throw notJson('it does not parse')
  }
  throw notJson('it is not an object')
}

/** Only the named fields of the object that `scanObject` found, each of which is short in every body that means something. */
export function parseFields(body: Buffer, keys: readonly TopLevelKey[], names: ReadonlySet<string>): Readonly<Record<string, unknown>> {
  const fields: Record<string, unknown> = {}
  for (const { name, start, end } of keys) {
    if (!names.has(name)) continue
    if (end - start > LIMITS.jsonFieldBytesMax) {
      throw new GatewayError('BODY_INVALID', { detail: `"${name}" is longer than anything it can say`, hints: { param: name } })
    }
    try {
      fields[name] = JSON.parse(body.toString('utf8', start, end))
    } catch {
      throw notJson(`"${name}" does not parse`)
    }
  }
  return fields
}

/** A part of a body, and what is to stand in its place. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** The body with its edits made, which stand in order and do not overlap; everything else keeps its bytes. */
export function edited(body: Buffer, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return body
  const parts: Buffer[] = []
  let at = 0
  for (const { start, end, text } of edits) {
    parts.push(body.subarray(at, start), Buffer.from(text))
    at = end
  }
  parts.push(body.subarray(at))
  return Buffer.concat(parts)
}
