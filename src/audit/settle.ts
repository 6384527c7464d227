import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { intentLine, type OutcomeEntry } from '../contract/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { type Placed, placed, readHead, type SegmentHead, scanSegment, withoutGaps } from './heads.ts'
import { listSegments } from './names.ts'
import { aboutOf } from './outage.ts'
import { recordOf, requestOf, textOf } from './record.ts'

export interface SettleParts {
  readonly file: string
  /** The lines of the processes before this one: sequences from `from` to `to`. */
  readonly from: number
  readonly to: number
  readonly signal: AbortSignal
  readonly record: (entry: OutcomeEntry) => void
}

// A millisecond of work between two turns of the event loop.
const CHUNK_BYTES = 64 * 1024
const OUTCOMES_PER_TURN = 200
const TRIES_MAX = 10
const TRY_AGAIN_MS = 100

/** Gives every request that a crash left open its outcome, and says how many there were. Reads what is on disk, while requests are served. */
export async function settleCrashed(parts: SettleParts): Promise<number> {
  const { intents, lastMs } = await leftOpen(parts)
  let settled = 0
  for (const line of intents.values()) {
    if (parts.signal.aborted) break
    const outcome = crashed(line, lastMs)
    if (!outcome) continue
    parts.record(outcome)
    settled += 1
    if (settled % OUTCOMES_PER_TURN === 0) await turn()
  }
  return settled
}

interface LeftOpen {
  readonly intents: Map<string, string>
  readonly lastMs: number
}

/** Reads the range until each of its lines was seen: segments are rotated and renamed while they are listed. */
async function leftOpen(parts: SettleParts): Promise<LeftOpen> {
  for (let tries = 1; ; tries += 1) {
    const { lines, ...left } = await readRange(parts)
    // What cannot be found in the end is not there any more, and nothing better will be known of it.
    if (lines === parts.to - parts.from + 1 || parts.signal.aborted || tries === TRIES_MAX) return left
    await pause(TRY_AGAIN_MS)
  }
}

async function readRange({ file, from, to, signal }: SettleParts): Promise<LeftOpen & { lines: number }> {
  const intents = new Map<string, string>()
  let lastTime = ''
  let lines = 0
  for (const segment of await segmentsBackTo(file, from)) {
    const { acknowledged } = segment
    const visit = (bytes: Buffer, start: number, end: number): boolean => {
      if (start === end) return true
      const record = recordOf(bytes, start, end)
      if (!record || record.seq < from) return true
      if (record.seq > to || signal.aborted) return false
      lines += 1
      lastTime = record.time
      if (record.event === 'outcome') intents.delete(requestOf(bytes, start, end))
      else if (record.event === 'intent' && intents.size < LIMITS.ledgerUnfinishedMax) {
        intents.set(requestOf(bytes, start, end), textOf(bytes, start, end))
      }
      return true
    }
    await scanSegment(segment, visit, { chunkBytes: CHUNK_BYTES, ...(acknowledged && { to: acknowledged.bytes }) })
  }
  return { intents, lines, lastMs: Date.parse(lastTime) }
}

async function segmentsBackTo(file: string, from: number): Promise<Placed[]> {
  const heads: SegmentHead[] = []
  for (const path of listSegments(file).reverse()) {
    const head = await readHead(path).catch(() => null)
    if (head) heads.push(head)
    if (head && head.open.seq <= from) break
  }
  return placed(await withoutGaps(heads, from))
}

function crashed(line: string, lastMs: number): OutcomeEntry | null {
  const intent = intentLine.safeParse(JSON.parse(line)).data
  if (!intent) return null
  // It ran at least until the last line that was written; nothing else is known of it.
  const ranMs = Math.max(0, lastMs - Date.parse(intent.time))
  const { units, cost_micro } = intent
  return { ...aboutOf(intent), units, cost_micro, status: 0, bytes_in: 0, bytes_out: 0, estimated: true, total_ms: ranMs, ended: 'crashed' }
}
