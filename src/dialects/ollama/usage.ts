import type { Units } from '../../contract/index.ts'
import { LIMITS } from '../../kernel/index.ts'
import type { StreamReader, StreamReport } from '../plan.ts'

const NEWLINE = 0x0a
const WHITE = new Set([NEWLINE, 0x0d, 0x20, 0x09])

/**
 * Reads the last object of an NDJSON stream, or the single object of an answer that does not stream. It keeps references to the bytes of the
 * last line that is not empty; only that one line is ever parsed, after the last byte has gone to the caller.
 */
export function ollamaReader(status: number, contentType: string): StreamReader | null {
  if (status !== 200) return null
  const streams = contentType.startsWith('application/x-ndjson')
  if (!streams && !contentType.startsWith('application/json')) return null
  let tail: Buffer[] = []
  let tailBytes = 0
  let lines = 0
  let lineIsOver = false
  let overlong = false
  const keep = (part: Buffer): void => {
    tail.push(part)
    tailBytes += part.length
    if (tailBytes <= LIMITS.usageTailBytesMax) return
    tail = [] // only the `context` of a very long talk is; its counts are then estimated, and it is not taken for a cut stream
    tailBytes = 0
    overlong = true
  }
  return {
    chunk(chunk) {
      if (!streams) {
        keep(chunk)
        return chunk
      }
      const end = trimmedLength(chunk)
      if (end > 0) {
        // The usual chunk is exactly one line; where it holds more, the newest begins after the last newline before its own.
        const from = chunk.lastIndexOf(NEWLINE, end - 1) + 1
        if (from > 0 && !lineIsOver) lines += 1
        if (from > 0 || lineIsOver) {
          tail = []
          tailBytes = 0
          lineIsOver = overlong = false
        }
        keep(from === 0 ? chunk : chunk.subarray(from))
      }
      if (!lineIsOver && chunk.includes(NEWLINE, end)) {
        lineIsOver = true
        lines += 1
      }
      return chunk
    },
    report: () => (overlong ? { finished: true, failed: false, ...estimated(lines) } : reportOf(tail, lines, streams)),
  }
}

/** The length without the white space at the end: an empty line is no line, and a newline may come in a packet of its own. */
function trimmedLength(chunk: Buffer): number {
  let end = chunk.length
  while (end > 0 && WHITE.has(chunk[end - 1] ?? 0)) end -= 1
  return end
}

function reportOf(tail: readonly Buffer[], lines: number, streams: boolean): StreamReport {
  const last = parse(tail)
  // Half an object is a cut answer too, though its connection ended as answers without a length do.
  if (last === null) return { finished: false, failed: false, ...estimated(lines) }
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
    const value: unknown = JSON.parse((tail.length === 1 && tail[0] ? tail[0] : Buffer.concat(tail)).toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null // any object will do, fields are checked
  } catch {
    return null
  }
}
