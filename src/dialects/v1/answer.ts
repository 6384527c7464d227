import type { Protocol } from '../../catalog/index.ts'
import { GatewayError, LIMITS } from '../../kernel/index.ts'
import type { LocalAnswer, StreamReader, StreamReport, WholeAnswer } from '../plan.ts'
import { secondsIn, unitsIn } from './usage.ts'

/** Some backends tell errors with status 200. */
const FAILED = /^\s*\{\s*"error"\s*:\s*[{"]/
const HEAD_BYTES = 64
const isFailure = (head: Buffer): boolean => FAILED.test(head.toString('latin1', 0, HEAD_BYTES))

const WRITES: ReadonlySet<Protocol> = new Set(['chat', 'completions', 'responses', 'messages'])
const HEARS: ReadonlySet<Protocol> = new Set(['transcriptions', 'translations'])
const BYTES_PER_TOKEN = 4
/** In which the counts stand, however the end of a long answer is cut. */
const TAIL_BYTES = 64 * 1024

/** What an answer says that it used, of which its end is enough. Where it does not count what it wrote, that is a quarter of its bytes. */
function usedIn(protocol: Protocol, end: Buffer, bytes: number): Pick<StreamReport, 'units' | 'estimated'> {
  const units = HEARS.has(protocol) ? secondsIn(end) : unitsIn(end)
  if (WRITES.has(protocol) && units?.tokens_out === undefined)
    return { units: { ...units, tokens_out: Math.ceil(bytes / BYTES_PER_TOKEN) }, estimated: true }
  return units === null ? {} : { units }
}

/** A whole answer as it passes. Its counts stand at its end, and that is all that is kept of a long one. */
export class AnswerReader implements StreamReader {
  readonly #protocol: Protocol
  #kept: Buffer[] = []
  #keptBytes = 0
  #bytes = 0
  #failed: boolean | null = null

  constructor(protocol: Protocol) {
    this.#protocol = protocol
  }

  chunk(chunk: Buffer): Buffer {
    this.#failed ??= isFailure(chunk)
    this.#bytes += chunk.length
    this.#kept.push(chunk)
    this.#keptBytes += chunk.length
    while (this.#keptBytes > LIMITS.usageTailBytesMax && this.#keptBytes - (this.#kept[0]?.length ?? 0) >= TAIL_BYTES) {
      this.#keptBytes -= this.#kept.shift()?.length ?? 0
    }
    return chunk
  }

  report(): StreamReport {
    if (this.#failed === true) return { finished: true, failed: true }
    if (this.#bytes === 0) return { finished: false, failed: false }
    const end = this.#kept.length === 1 && this.#kept[0] ? this.#kept[0] : Buffer.concat(this.#kept)
    return { finished: true, failed: false, ...usedIn(this.#protocol, end, this.#bytes) }
  }
}

/** The same of an answer that is collected, and bears the public name of its model. */
export const renamed =
  (protocol: Protocol, rename: (bytes: Buffer) => Buffer) =>
  ({ status, contentType, body }: WholeAnswer): LocalAnswer => {
    if (isFailure(body))
      throw new GatewayError('UPSTREAM_REFUSED', { detail: 'The backend failed, with status 200', reason: 'status 200: an error' })
    return { status, headers: { 'content-type': contentType }, body: rename(body), ...usedIn(protocol, body, body.length) }
  }
