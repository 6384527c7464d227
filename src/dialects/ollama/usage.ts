import type { Units } from '../../contract/index.ts'
import { LIMITS } from '../../kernel/index.ts'
import type { StreamReader, StreamReport } from '../plan.ts'

const NEWLINE = 0x0a

/**
 * Reads the last object of an NDJSON stream, or the single object of an answer that does not stream. It keeps references to the bytes of the
 * line that is not yet over; only that one line is ever parsed, after the last byte has gone to the caller.
 */
export function ollamaReader(status: number, contentType: string): StreamReader | null {
  if (status !== 200) return null
  const streams = contentType.startsWith('application/x-ndjson')
  if (!streams && !contentType.startsWith('application/json')) return null
  let tail: Buffer[] = []
  let tailBytes = 0
  let lines = 0
  let overlong = false
  return {
    chunk(chunk) {
      const last = chunk.length - 1
      // A chunk that ends a line holds the newest whole line after its last but one newline; the usual chunk is exactly one line.
      const from = streams ? chunk.lastIndexOf(NEWLINE, chunk[last] === NEWLINE ? last - 1 : last) + 1 : 0
      if (streams && (from > 0 || endsLine(tail))) {
        tail = []
        tailBytes = 0
        overlong = false
      }
      if (streams && chunk[last] === NEWLINE) lines += 1
      tail.push(from === 0 ? chunk : chunk.subarray(from))
      tailBytes += chunk.length - from
      if (tailBytes > LIMITS.usageTailBytesMax) {
        tail = [] // only the `context` of a very long talk is; its counts are then estimated, and it is not taken for a cut stream
        tailBytes = 0
        overlong = true
      }
    },
    report: () => (overlong ? { finished: true, failed: false, ...estimated(lines) } : reportOf(tail, lines, streams)),
  }
}

const endsLine = (parts: readonly Buffer[]): boolean => parts.at(-1)?.at(-1) === NEWLINE

function reportOf(tail: readonly Buffer[], lines: number, streams: boolean): StreamReport {
  const last = parse(tail)
  if (last === null) return { finished: !streams, failed: false, ...estimated(lines) }
  if (typeof last.error === 'string') return { finished: true, failed: true, ...estimated(lines) }
  const done = last.done === true || last.status === 'success' || !streams
  const units = unitsOf(last)
  return { finished: done, failed: false, ...(units ? { units } : estimated(done ? 0 : lines)) }
}

/** A stream that was cut never carries its counts; each line is about one token. */
const estimated = (lines: number): Pick<StreamReport, 'units' | 'estimated'> =>
  lines === 0 ? {} : { units: { tokens_out: lines }, estimated: true }

function unitsOf(last: Readonly<Record<string, unknown>>): Units | null {
  const units: Units = {}
  if (typeof last.prompt_eval_count === 'number') units.tokens_in = last.prompt_eval_count
  if (typeof last.eval_count === 'number') units.tokens_out = last.eval_count
  return Object.keys(units).length > 0 ? units : null
}

function parse(tail: readonly Buffer[]): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(Buffer.concat(tail).toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null // any object will do, fields are checked
  } catch {
    return null
  }
}
