import { z } from 'zod'
import { clip, GatewayError } from '../kernel/index.ts'
import { keyIdOf, LEGACY_KEY_PATTERN } from './format.ts'

/** One key of an old key file, read but not judged by anybody else yet. */
export interface LegacyEntry {
  readonly key: string
  readonly user: string
  readonly service: string
  readonly description: string
  readonly createdMs: number | null
  readonly expiresMs: number | null
  readonly disabled: boolean
}

export interface SkippedEntry {
  /** The entry by its place and the eight characters that its key id would show, never the key. */
  readonly entry: string
  readonly why: string
}

export interface LegacyFile {
  readonly entries: readonly LegacyEntry[]
  readonly skipped: readonly SkippedEntry[]
}

const time = z.union([z.string(), z.number()]).nullish()
const fields = z.looseObject({
  user: z.string().nullish(),
  service: z.string().nullish(),
  description: z.string().nullish(),
  created_at: time,
  expires_at: time,
  enabled: z.boolean().nullish(),
  disabled: z.boolean().nullish(),
})
const mapForm = z.record(z.string(), z.unknown())
const listForm = z.array(z.unknown())
const keyed = z.looseObject({ key: z.string() })

/** Both forms of the old systems: an object from key to entry, and a list of entries that hold their key. */
export function readLegacyFile(content: string): LegacyFile {
  const entries: LegacyEntry[] = []
  const skipped: SkippedEntry[] = []
  const seen = new Set<string>()
  for (const [at, [key, value]] of pairsOf(parseJson(content)).entries()) {
    const read = readEntry(key, value)
    const why = typeof read === 'string' ? read : seen.has(read.key) ? 'the same key stands in the file twice' : null
    if (typeof read === 'string' || why !== null) {
      skipped.push({ entry: `entry ${at + 1}${key.length >= 20 ? ` (${clip(key.slice(0, 8), 8)}…)` : ''}`, why: why ?? '' })
      continue
    }
    seen.add(read.key)
    entries.push(read)
  }
  return { entries, skipped }
}

function parseJson(content: string): unknown {
  try {
    // Editors on some systems begin a file with a byte order mark, which JSON.parse does not take.
    return JSON.parse(content.replace(/^\uFEFF/, ''))
  } catch {
    // The parser's message quotes the text around the fault, and that text is keys: it must not become a cause.
    throw new GatewayError('BODY_NOT_JSON', { detail: 'The key file is not valid JSON; nothing was imported' })
  }
}

function pairsOf(file: unknown): readonly (readonly [string, unknown])[] {
  const list = listForm.safeParse(file)
  if (list.success) return list.data.map((value) => [keyed.safeParse(value).data?.key ?? '', value])
  const map = mapForm.safeParse(file)
  if (map.success) return Object.entries(map.data)
  throw new GatewayError('BODY_INVALID', { detail: 'The key file is neither an object of keys nor a list of them; nothing was imported' })
}

/** The entry, or why it cannot be taken. */
function readEntry(key: string, value: unknown): LegacyEntry | string {
  if (key === '') return 'it holds no key'
  if (keyIdOf(key) !== null || key.startsWith('pcl_')) return 'it is a key of the new format'
  if (!LEGACY_KEY_PATTERN.test(key))
    return 'its key is shorter than 20 characters, longer than 128, or has other than letters, digits, - and _'
  const parsed = fields.safeParse(value)
  if (!parsed.success) return `its fields cannot be read: ${parsed.error.issues.map((issue) => issue.path.join('.')).join(', ')}`
  const { user, service, description, created_at, expires_at, enabled, disabled } = parsed.data
  const [createdMs, expiresMs] = [timeOf(created_at), timeOf(expires_at)]
  // An expiry that cannot be read must not become "never".
  if (Number.isNaN(expiresMs)) return 'its expires_at is no time'
  return {
    key,
    user: userName(user ?? ''),
    service: service?.trim() ?? '',
    description: clip(description ?? '', 256),
    createdMs: Number.isNaN(createdMs) ? null : createdMs,
    expiresMs,
    disabled: disabled === true || enabled === false,
  }
}

const ZONED = /(?:Z|[+-]\d{2}:?\d{2})$/i

/** Null when there is none, NaN when it cannot be read. Times without a zone were written by Python in UTC; JavaScript would take them as local. */
function timeOf(value: string | number | null | undefined): number | null {
  if (value === null || value === undefined || value === '') return null
  if (typeof value === 'number') return value > 0 && value < 1e11 ? value * 1000 : value
  const text = value.trim().replace(' ', 'T')
  const dateOnly = /^\d{4}-\d{2}-\d{2}$/.test(text)
  return Date.parse(dateOnly || ZONED.test(text) ? text : `${text}Z`)
}

/** Old files allowed any text as a user; what our own names do not allow becomes an underscore. */
function userName(text: string): string {
  const name = text
    .normalize('NFC')
    .trim()
    .replace(/[^\p{L}\p{N}._@+-]+/gu, '_')
    .slice(0, 64)
  return /^\.{0,2}$/.test(name) ? 'legacy' : name
}
