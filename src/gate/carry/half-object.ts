import type { IncomingHttpHeaders } from 'node:http'
import type { Plan, StreamReader, WholeAnswer } from '../../dialects/index.ts'
import { isJson } from '../../http/index.ts'

export const UNFINISHED = 'the answer ended before it was finished'

const NO_BODY: ReadonlySet<number> = new Set([204, 205, 304])
const [QUOTE, BACKSLASH, SPACE] = [0x22, 0x5c, 0x20]
const OPENS: ReadonlySet<number> = new Set([0x7b, 0x5b])
const CLOSES: ReadonlySet<number> = new Set([0x7d, 0x5d])

/** Whether JSON that comes in pieces has closed what it opened. */
export class Braces {
  #depth = 0
  #inString = false
  #escaped = false
  #began = false

  add(chunk: Buffer): void {
    for (const byte of chunk) {
      if (byte > SPACE) this.#began = true
      if (this.#escaped) this.#escaped = false
      else if (this.#inString) {
        if (byte === BACKSLASH) this.#escaped = true
        else if (byte === QUOTE) this.#inString = false
      } else if (byte === QUOTE) this.#inString = true
      else if (OPENS.has(byte)) this.#depth += 1
      else if (CLOSES.has(byte)) this.#depth -= 1
    }
  }

  get closed(): boolean {
    return this.#began && this.#depth === 0 && !this.#inString
  }
}

/**
 * An object without a length and without chunks ends when its connection does (RFC 9112, section 6.3), whole or not: the backend's death looks like its last word.
 * Its own braces are all there is to tell one from the other.
 */
const mayBeHalf = (status: number, contentType: string, headers: IncomingHttpHeaders): boolean =>
  headers['content-length'] === undefined && headers['transfer-encoding'] === undefined && !NO_BODY.has(status) && isJson(contentType)

/** The plan's reader, which in such an answer counts braces too. What answers HEAD speaks of a body and has none, so there is nothing to miss in it. */
export function readerOf(
  { request, reader }: Plan,
  status: number,
  contentType: string,
  headers: IncomingHttpHeaders,
): StreamReader | null {
  if (request.method === 'HEAD') return null
  const inner = reader?.(status, contentType) ?? null
  return mayBeHalf(status, contentType, headers) ? countingBraces(inner) : inner
}

function countingBraces(inner: StreamReader | null): StreamReader {
  const braces = new Braces()
  return {
    chunk(chunk) {
      braces.add(chunk)
      return inner === null ? chunk : inner.chunk(chunk)
    },
    report() {
      const told = inner?.report() ?? { finished: true, failed: false }
      return { ...told, finished: told.finished && braces.closed }
    },
  }
}

/** The same of an answer that was collected. */
export function isHalf({ status, contentType, body }: WholeAnswer, headers: IncomingHttpHeaders): boolean {
  if (!mayBeHalf(status, contentType, headers)) return false
  const braces = new Braces()
  braces.add(body)
  return !braces.closed
}
