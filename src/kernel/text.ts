/** C0, DEL, C1, the two line separators, and the bidirectional marks that make a terminal or a reviewer see another order. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
const UNSAFE_ONCE = new RegExp(UNSAFE.source)

/** Text that a terminal, a log reader or a spreadsheet can be shown: control characters become visible `\uXXXX`. */
export function visible(text: string): string {
  if (!UNSAFE_ONCE.test(text)) return text
  return text.replace(UNSAFE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

const SUSPECT = /pcl_|[0-9a-f]{8}-[0-9a-f]{4}-|%[2-7][0-9a-f]/i
const KEY = /(pcl_[0-9a-z]{1,12})_[0-9a-z]+/gi
// Keys of the time before ours are UUIDs. Three groups are enough, because an agent may have been clipped in the midst of one.
const LEGACY_KEY = /([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}[0-9a-f-]*/gi
const WHOLE_KEY = /pcl_[0-9a-z]{12}_[0-9a-z]{38}/i

/** Whatever a caller wrote may hold a key, pasted into a URL, a model or an agent; nobody must find it in the ledger or in an error. Key ids stay. */
export function withoutKeys(text: string): string {
  if (!SUSPECT.test(text)) return text
  const plain = unescaped(text)
  const masked = mask(plain)
  return masked === plain ? text : masked
}

const mask = (text: string): string => text.replaceAll(KEY, '$1_…').replaceAll(LEGACY_KEY, '$1-…')

export const holdsKey = (text: string): boolean => WHOLE_KEY.test(text)

const ESCAPES_WITHIN_ESCAPES_MAX = 4

/** Percent-escapes of printable ASCII undone, those within others too; what stands after a wrong one is left as it is, which decodeURIComponent would throw at. */
export function unescaped(text: string): string {
  let plain = text
  for (let turn = 0; turn < ESCAPES_WITHIN_ESCAPES_MAX && plain.includes('%'); turn += 1) {
    plain = plain.replaceAll(/%([2-7][0-9a-f])/gi, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  }
  return plain
}

/** At most `max` characters of caller-given text, made visible. */
export function clip(text: string, max: number): string {
  return visible(text.length > max ? `${text.slice(0, max - 1)}…` : text)
}
