import { afterString, foldKey } from '../../http/index.ts'
import { GatewayError, LIMITS } from '../../kernel/index.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const SPACE = 0x20
const [OBJECT, OBJECT_END, ARRAY, ARRAY_END] = [0x7b, 0x7d, 0x5b, 0x5d]

/** So much of a text is looked at, in latin1. */
export const HEAD_CHARS = 256

const notJson = (): GatewayError =>
  new GatewayError('BODY_NOT_JSON', { detail: 'The body is not valid JSON: a value within it does not parse' })

/** A key that stands somewhere within a body, its name folded as Go compares names. */
export interface Member {
  readonly name: string
  /** The name of the key whose object, or list of objects, it stands in. */
  readonly within: string
}

/** What is told of a value on the way through it. Of repeated keys each is told: which one a backend obeys is its own affair. */
export interface NestedReader {
  /** Whether nothing below this key is of interest. */
  skips(member: Member): boolean
  /** Whether its texts are. */
  reads(member: Member): boolean
  /** A text, or one of a list of texts, by how it begins. */
  text(member: Member, head: string): void
  /** The end of an object, with the names that stood in it. */
  object(member: Member, names: ReadonlySet<string>): void
}

/** Reads the value that begins at `start`, jumping from quote to quote: pictures of megabytes are common here, and are not copied. */
export class NestedWalk {
  readonly #bytes: Buffer
  readonly #reader: NestedReader
  #at: number
  #texts = 0

  constructor(bytes: Buffer, start: number, reader: NestedReader) {
    this.#bytes = bytes
    this.#at = start
    this.#reader = reader
  }

  read(member: Member): void {
    this.#value(member, this.#reader.reads(member))
  }

  /** `JSON.parse` of the same bytes goes as deep; how deep that may be was counted before. */
  #value(member: Member, isRead: boolean): void {
    switch (this.#next()) {
      case QUOTE:
        this.#text(member, isRead)
        return
      case OBJECT:
        this.#object(member)
        return
      case ARRAY:
        this.#each(ARRAY_END, () => {
          this.#numbers()
          this.#value(member, isRead)
        })
        return
      default:
        this.#scalar()
    }
  }

  #text(member: Member, isRead: boolean): void {
    const open = this.#at
    this.#at = afterText(this.#bytes, open)
    if (!isRead) return
    this.#texts += 1
    if (this.#texts > LIMITS.jsonContainersMax) throw new GatewayError('BODY_TOO_DEEP')
    this.#reader.text(member, unescaped(headOf(this.#bytes, open, this.#at)))
  }

  #object(member: Member): void {
    const names = new Set<string>()
    this.#each(OBJECT_END, () => {
      if (this.#next() !== QUOTE) throw notJson()
      const open = this.#at
      this.#at = afterText(this.#bytes, open)
      const name = nameAt(this.#bytes, open, this.#at)
      names.add(name)
      if (this.#next() !== COLON) throw notJson()
      this.#at += 1
      const inner = { name, within: member.name }
      if (this.#reader.skips(inner)) this.#skip()
      else this.read(inner)
    })
    this.#reader.object(member, names)
  }

  /** What stands between two brackets, one after another. */
  #each(end: number, item: () => void): void {
    this.#at += 1
    if (this.#next() === end) {
      this.#at += 1
      return
    }
    for (;;) {
      item()
      const byte = this.#next()
      this.#at += 1
      if (byte === end) return
      if (byte !== COMMA) throw notJson()
    }
  }

  #skip(): void {
    let depth = 0
    do {
      const byte = this.#next()
      if (byte === QUOTE) this.#at = afterText(this.#bytes, this.#at)
      else if (byte === OBJECT || byte === ARRAY) {
        depth += 1
        this.#at += 1
      } else if (byte === OBJECT_END || byte === ARRAY_END) {
        depth -= 1
        this.#at += 1
      } else if (byte === COMMA || byte === COLON) this.#at += 1
      else this.#scalar()
    } while (depth > 0)
  }

  /** All of a list but the last, in one go: there may be millions, of which nothing is told. */
  #numbers(): void {
    const bytes = this.#bytes
    let from = this.#at
    for (let at = from; ; at += 1) {
      const byte = bytes[at]
      if (isOfScalar(byte)) continue
      if (byte === COMMA ? at === from : byte !== SPACE || at !== from) break
      from = at + 1
    }
    this.#at = from
  }

  #scalar(): void {
    const from = this.#at
    while (isOfScalar(this.#bytes[this.#at])) this.#at += 1
    if (this.#at === from) throw notJson()
  }

  #next(): number | undefined {
    while (isSpace(this.#bytes[this.#at])) this.#at += 1
    return this.#bytes[this.#at]
  }
}

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
/** Of numbers and words, of which nobody here needs to know more than where they end. */
const isOfScalar = (byte: number | undefined): boolean =>
  byte !== undefined &&
  ((byte >= DIGIT_0 && byte <= DIGIT_9) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    byte === 0x2d ||
    byte === 0x2b ||
    byte === 0x2e)

/** The index after the string that opens at `open`. */
function afterText(bytes: Buffer, open: number): number {
  const after = afterString(bytes, open)
  if (after === -1) throw notJson()
  return after
}

const headOf = (bytes: Buffer, open: number, after: number): string =>
  bytes.toString('latin1', open + 1, Math.min(after - 1, open + 1 + HEAD_CHARS))

const PLAIN = /^[a-z0-9_]*$/

function nameAt(bytes: Buffer, open: number, after: number): string {
  const plain = headOf(bytes, open, after)
  if (PLAIN.test(plain)) return plain
  try {
    return foldKey(String(JSON.parse(bytes.toString('utf8', open, after))))
  } catch {
    throw notJson()
  }
}

const SHORT: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|(.))/gs

/** Of a beginning, which may break off within an escape. */
const unescaped = (head: string): string =>
  head.includes('\\')
    ? head.replace(ESCAPE, (_all, hex: string | undefined, one: string) =>
        hex === undefined ? (SHORT[one] ?? one) : String.fromCharCode(Number.parseInt(hex, 16)),
      )
    : head

/** Whether a key that `isName` finds, or the text that is meant, stands between two places; so that most bodies are looked through and not walked through. */
export function holdsAny(bytes: Buffer, start: number, end: number, isName: (name: string) => boolean, text: string | null): boolean {
  for (let open = bytes.indexOf(QUOTE, start); open !== -1 && open < end; ) {
    const after = afterText(bytes, open)
    let next = after
    while (isSpace(bytes[next])) next += 1
    if (bytes[next] === COLON) {
      if (isName(nameAt(bytes, open, after))) return true
    } else if (text !== null && spells(bytes, open + 1, after - 1, text)) return true
    open = bytes.indexOf(QUOTE, after)
  }
  return false
}

const U = 0x75
const ESCAPED_BYTES = 6
/** Escapes that stand for no letter. */
const CONTROLS: ReadonlySet<number | undefined> = new Set(Buffer.from('bfnrt'))

/** Whether a text says this one, which is of ASCII. Letter by letter and without a copy: there may be a million of them, and nearly all differ in the first. */
function spells(bytes: Buffer, from: number, to: number, text: string): boolean {
  if (to - from < text.length || to - from > text.length * ESCAPED_BYTES) return false
  let at = from
  for (let i = 0; i < text.length; i += 1) {
    const isEscaped = bytes[at] === BACKSLASH
    if ((isEscaped ? escapedAt(bytes, at) : bytes[at]) !== text.charCodeAt(i)) return false
    at += !isEscaped ? 1 : bytes[at + 1] === U ? ESCAPED_BYTES : 2
  }
  return at === to
}

function escapedAt(bytes: Buffer, at: number): number | undefined {
  const byte = bytes[at + 1]
  if (byte !== U) return CONTROLS.has(byte) ? undefined : byte
  let code = 0
  for (let digit = at + 2; digit < at + ESCAPED_BYTES; digit += 1) code = code * 16 + hexOf(bytes[digit] ?? 0)
  return code
}

/** Not a number for what is no digit. */
const hexOf = (byte: number): number =>
  byte >= DIGIT_0 && byte <= DIGIT_9
    ? byte - DIGIT_0
    : byte >= 0x61 && byte <= 0x66
      ? byte - 0x57
      : byte >= 0x41 && byte <= 0x46
        ? byte - 0x37
        : Number.NaN
