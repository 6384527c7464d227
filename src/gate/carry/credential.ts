import type { Backend } from '../../catalog/index.ts'
import type { StreamReader, WholeAnswer } from '../../dialects/index.ts'
import { NOTHING } from './collected.ts'

type Credential = Pick<Backend, 'auth'>

/** Shorter words, such as `Bearer`, are no secret. */
const SECRET_CHARS_MIN = 8
const INSTEAD = '[secret]'
const MASK = '*'

const wordsIn = ({ auth }: Credential): readonly string[] =>
  auth === null
    ? []
    : auth.value
        .reveal()
        .split(/\s+/)
        .filter(({ length }) => length >= SECRET_CHARS_MIN)

/** Some backends repeat the request's headers in what they answer, and one of them is the credential that the gate has for it. */
export function withoutCredential(answer: WholeAnswer, backend: Credential): WholeAnswer {
  const words = wordsIn(backend)
  if (!words.some((word) => answer.contentType.includes(word) || answer.body.includes(word))) return answer
  const hide = hiderOf(backend)
  // Latin-1 keeps every byte as it is.
  return { ...answer, contentType: hide(answer.contentType), body: Buffer.from(hide(answer.body.toString('latin1')), 'latin1') }
}

/** Puts a word of ours where text holds the gate's credential for a backend, whole or without its scheme. */
export function hiderOf(backend: Credential): (text: string) => string {
  const words = wordsIn(backend)
  return (text) => words.reduce((rest, word) => rest.replaceAll(word, INSTEAD), text)
}

/** The same for an answer that passes as it comes: a failure told in a stream, or with status 200, is no less an error. */
export function hiding(reader: StreamReader | null, backend: Credential): StreamReader | null {
  const words = wordsIn(backend).map((word) => Buffer.from(word, 'latin1'))
  return words.length === 0 ? reader : new HidingReader(reader, words)
}

/** Masks are as long as what they hide, because a length may have been announced. What may be the start of the credential waits for what follows; events never do. */
class HidingReader implements StreamReader {
  readonly #reader: StreamReader | null
  readonly #words: readonly Buffer[]
  #held: Buffer = NOTHING

  constructor(reader: StreamReader | null, words: readonly Buffer[]) {
    this.#reader = reader
    this.#words = words
  }

  get atBoundary(): boolean {
    return this.#reader?.atBoundary ?? false
  }

  get isWhole(): boolean {
    return this.#reader?.isWhole ?? false
  }

  chunk(chunk: Buffer): Buffer {
    return this.#masked(this.#reader === null ? chunk : this.#reader.chunk(chunk))
  }

  rest(): Buffer {
    const last = this.#masked(this.#reader?.rest?.() ?? NOTHING)
    const held = this.#held
    this.#held = NOTHING
    return held.length === 0 ? last : Buffer.concat([last, held])
  }

  report() {
    return this.#reader?.report() ?? { finished: true, failed: false }
  }

  #masked(chunk: Buffer): Buffer {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    const masked = this.#words.reduce(maskedIn, bytes)
    const end = masked.length - this.#words.reduce((most, word) => Math.max(most, begunIn(masked, word)), 0)
    this.#held = end === masked.length ? NOTHING : masked.subarray(end)
    return end === masked.length ? masked : masked.subarray(0, end)
  }
}

/** Goes on behind what it has masked, because a credential may be made of the mask's own sign. */
function maskedIn(bytes: Buffer, word: Buffer): Buffer {
  let at = bytes.indexOf(word)
  if (at === -1) return bytes
  const masked = Buffer.from(bytes)
  for (; at !== -1; at = masked.indexOf(word, at + word.length)) masked.fill(MASK, at, at + word.length)
  return masked
}

/** How many of the last bytes may be the beginning of the word. */
function begunIn(bytes: Buffer, word: Buffer): number {
  const [first = 0] = word
  for (let at = bytes.indexOf(first, Math.max(0, bytes.length - word.length + 1)); at !== -1; at = bytes.indexOf(first, at + 1)) {
    if (bytes.compare(word, 0, bytes.length - at, at) === 0) return bytes.length - at
  }
  return 0
}
