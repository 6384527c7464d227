/** C0, DEL, C1, the two line separators, and the bidirectional marks that make a terminal or a reviewer see another order. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
const UNSAFE_ONCE = new RegExp(UNSAFE.source)

/** Text that a terminal, a log reader or a spreadsheet can be shown: control characters become visible `\uXXXX`. */
export function visible(text: string): string {
  if (!UNSAFE_ONCE.test(text)) return text
  return text.replace(UNSAFE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** At most `max` characters of caller-given text, made visible. */
export function clip(text: string, max: number): string {
  return visible(text.length > max ? `${text.slice(0, max - 1)}…` : text)
}
