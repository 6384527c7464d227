import { hash, type KeyObject } from 'node:crypto'
import { type OpenLine, openLine, type SealLine, sealLine } from '../contract/index.ts'
import { signedBy } from './keys.ts'
import { HASH_FIELD } from './line.ts'

const TAIL_CHARS = HASH_FIELD.length + 64 + 2 // ,"hash":"<64 hex>"}

/** The fields by which a line is chained, found without parsing it: 200,000 lines a second leave 5 µs for each. */
export interface Record {
  readonly time: string
  readonly seq: number
  readonly event: string
  readonly hash: string
}

/** Bytes of a line as text: lines are ASCII, so this is exact. */
export const textOf = (bytes: Buffer, start: number, end: number): string => bytes.toString('latin1', start, end)

// Enough for everything up to the end of the request id of an intent or outcome.
const HEAD_CHARS = 192
const HEAD = /^\{"v":1,"time":"([^"]{24})","seq":(\d{1,15}),"event":"([a-z_]{1,32})",?/
const TAIL = /^,"hash":"([0-9a-f]{64})"\}$/

/** Null when the bytes are not a line that this ledger writes. */
export function recordOf(bytes: Buffer, start: number, end: number): Record | null {
  if (end - start < TAIL_CHARS) return null
  const head = HEAD.exec(textOf(bytes, start, Math.min(end, start + HEAD_CHARS)))
  const tail = TAIL.exec(textOf(bytes, end - TAIL_CHARS, end))
  return head && tail && { time: head[1] ?? '', seq: Number(head[2]), event: head[3] ?? '', hash: tail[1] ?? '' }
}

const REQUEST = /"event":"[a-z_]+","request":"([^"]*)"/
/** The request id of an intent, outcome or refusal, which stands right after its event. */
export const requestOf = (bytes: Buffer, start: number, end: number): string =>
  REQUEST.exec(textOf(bytes, start, Math.min(end, start + HEAD_CHARS)))?.[1] ?? ''

const scratch = Buffer.allocUnsafe(64 * 1024)

/** What the line's hash must be after the line with hash `previous`. */
export function expectedHash(previous: string, bytes: Buffer, start: number, end: number): string {
  const body = end - TAIL_CHARS - start
  const room = body + 64 > scratch.length ? Buffer.allocUnsafe(body + 64) : scratch
  room.write(previous, 0, 64, 'latin1')
  bytes.copy(room, 64, start, start + body)
  return hash('sha256', room.subarray(0, 64 + body), 'hex')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export const parseOpen = (text: string): OpenLine | null => openLine.safeParse(parsed(text)).data ?? null
export const parseSeal = (text: string): SealLine | null => sealLine.safeParse(parsed(text)).data ?? null

/** Whether a line's signature is that key's over all that stands before it. */
export function signatureHolds(text: string, signature: string, key: KeyObject): boolean {
  const at = text.lastIndexOf(',"sig":"')
  return at !== -1 && signedBy(key, text.slice(0, at), signature)
}
