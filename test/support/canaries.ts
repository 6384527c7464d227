import { randomBase62 } from '../../src/kernel/index.ts'

/** Something that must not be found where it does not belong. */
export interface Canary {
  readonly name: string
  /** What is searched for: of a key its secret, because its id may be seen. */
  readonly secret: string
  /** Groups of sinks that hold it rightly, each with its reason in the test. */
  readonly allowed: readonly string[]
}

/** A place where something could have been left. */
export interface Sink {
  readonly group: string
  readonly name: string
  readonly bytes: Buffer
}

export interface Leak {
  readonly canary: string
  readonly form: string
  readonly sink: string
  /** What stands around it, for whoever has to mend it. */
  readonly around: string
}

/** A text nobody has said before, with what URLs, JSON and HTML each write in their own way. */
export const canaryText = (): string => `${randomBase62(20)} "é/&+ ${randomBase62(20)}`

const HALF_CHARS = 12

const reversed = (text: string): string => [...text].reverse().join('')
const escaped = (bytes: Buffer, each: (hex: string) => string): string =>
  [...bytes].map((byte) => each(byte.toString(16).padStart(2, '0'))).join('')
const jsonUnits = (text: string): string =>
  Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')

/** Base64 of a text within another one: its first characters depend on how many bytes stand before it, its last on what follows. */
function base64Within(bytes: Buffer, encoding: 'base64' | 'base64url'): readonly string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString(encoding)
      .replaceAll('=', '')
    const cut = (before + bytes.length) % 3 === 0 ? 0 : 1
    return text.slice(before === 0 ? 0 : before + 1, text.length - cut)
  })
}

/** Every way in which a secret might be written down. */
export function formsOf(secret: string): ReadonlyMap<string, readonly Buffer[]> {
  const bytes = Buffer.from(secret)
  const [first, last] = [secret.slice(0, HALF_CHARS), secret.slice(-HALF_CHARS)]
  const forms: Readonly<Record<string, readonly string[]>> = {
    raw: [secret],
    base64: base64Within(bytes, 'base64'),
    base64url: base64Within(bytes, 'base64url'),
    hex: [bytes.toString('hex'), bytes.toString('hex').toUpperCase()],
    url: [
      encodeURIComponent(secret),
      encodeURIComponent(secret).replaceAll('%20', '+'),
      escaped(bytes, (hex) => `%${hex}`),
      escaped(bytes, (hex) => `%${hex.toUpperCase()}`),
    ],
    json: [JSON.stringify(secret).slice(1, -1), jsonUnits(secret)],
    reversed: [reversed(secret)],
    'first half': [first, reversed(first)],
    'last half': [last, reversed(last)],
  }
  const wide = Buffer.from(secret, 'utf16le')
  return new Map([
    ...Object.entries(forms).map(([form, texts]) => [form, [...new Set(texts)].map((text) => Buffer.from(text))] as const),
    ['utf-16', [wide]] as const,
  ])
}

export interface Search {
  readonly searches: number
  readonly leaks: readonly Leak[]
  /** Group and canary, for each that was found where it may be: a search that finds nothing anywhere is broken. */
  readonly rightly: ReadonlySet<string>
}

/** Looks for every canary, in every form, in every sink. */
export function searchFor(canaries: readonly Canary[], sinks: readonly Sink[]): Search {
  const leaks: Leak[] = []
  const rightly = new Set<string>()
  let searches = 0
  for (const { name, secret, allowed } of canaries) {
    for (const [form, needles] of formsOf(secret)) {
      for (const sink of sinks) {
        searches += 1
        const at = needles.map((needle) => sink.bytes.indexOf(needle)).find((place) => place !== -1)
        if (at === undefined) continue
        if (allowed.includes(sink.group)) rightly.add(`${sink.group} ${name}`)
        else leaks.push({ canary: name, form, sink: sink.name, around: aroundOf(sink.bytes, at) })
      }
    }
  }
  return { searches, leaks, rightly }
}

const aroundOf = (bytes: Buffer, at: number): string => JSON.stringify(bytes.subarray(Math.max(0, at - 80), at + 80).toString('latin1'))
