import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { readHead, type SegmentHead, scanSegment } from './heads.ts'
import { GENESIS } from './line.ts'
import { rotatedSegments, segmentNumber } from './names.ts'
import { expectedHash, recordOf, textOf } from './record.ts'
import type { LedgerHead } from './types.ts'

/** Where a reader stands: behind the line of this sequence and hash, so many bytes into its segment. */
export type LedgerPlace = Pick<LedgerHead, 'segment' | 'bytes' | 'seq' | 'hash'>

export interface FollowedLine {
  readonly seq: number
  readonly event: string
  readonly text: string
}

export interface FollowedBatch {
  /** Those of the events asked for. */
  readonly lines: readonly FollowedLine[]
  /** Behind the last line of the batch, of whatever event. */
  readonly place: LedgerPlace
}

export interface FollowOptions {
  readonly events: ReadonlySet<string>
  /** Lines of whatever event in a batch. */
  readonly batchLinesMax: number
  /** Lines read before the first of their batches is given: a compressed segment is unpacked from its beginning for each window. */
  readonly windowLinesMax: number
}

/** The ledger does not go on where the reader stands: it was cut, changed or exchanged. Looking again will not help. */
export class LedgerGap extends Error {
  override readonly name = 'LedgerGap'
}

const TRIES_MAX = 20
const TRY_AGAIN_MS = 50

/** Before the first line of a ledger. */
const NOTHING = { bytes: 0, hash: GENESIS }

/**
 * What was written between two places of a ledger that is being written. Only acknowledged lines are read, each once: of a segment that a fault ended, up
 * to where its successor says it was good. Each line must be chained to the one before it, so that nothing is taken for the ledger that is not.
 */
export async function* followLedger(
  file: string,
  from: LedgerPlace,
  to: LedgerPlace,
  options: FollowOptions,
): AsyncGenerator<FollowedBatch> {
  let place = from
  while (place.seq < to.seq) {
    const next = place.segment === to.segment ? null : await successor(file, place)
    const end = next ? (next.open.previous ?? NOTHING) : to
    if (place.bytes < end.bytes) {
      for await (const batch of batchesWithin(file, place, end.bytes, options)) {
        place = batch.place
        yield batch
      }
    } else if (next !== null && end.hash === place.hash && place.bytes === end.bytes) {
      place = { ...place, segment: next.open.segment, bytes: 0 }
    } else throw new LedgerGap(`${place.segment} ends at byte ${end.bytes}, or otherwise than it was read up to sequence ${place.seq}`)
  }
  if (place.seq > to.seq) throw new LedgerGap(`sequence ${place.seq} was read before, and the ledger ends at ${to.seq}`)
  if (place.hash !== to.hash) throw new LedgerGap(`the line of sequence ${to.seq} is another one than was read before`)
}

async function* batchesWithin(file: string, from: LedgerPlace, end: number, options: FollowOptions): AsyncGenerator<FollowedBatch> {
  const head = await looked(`${from.segment} is not there any more`, () => segmentNamed(file, from.segment))
  let place = from
  while (place.bytes < end) {
    const window = await readWindow(head, place, end, options)
    if (window.place.bytes === place.bytes) throw new LedgerGap(`${place.segment} is cut off at byte ${place.bytes} of ${end}`)
    place = window.place
    yield* window.batches
  }
}

async function readWindow(head: SegmentHead, from: LedgerPlace, end: number, options: FollowOptions) {
  const { events, batchLinesMax, windowLinesMax } = options
  const batches: FollowedBatch[] = []
  let lines: FollowedLine[] = []
  let place = from
  let count = 0
  let foreign = false
  const close = (): void => {
    batches.push({ lines, place })
    lines = []
  }
  const visit = (bytes: Buffer, start: number, stop: number, offset: number): boolean => {
    if (start === stop) return true
    const record = recordOf(bytes, start, stop)
    foreign = record?.seq !== place.seq + 1 || record.hash !== expectedHash(place.hash, bytes, start, stop)
    if (record === null || foreign) return false
    place = { ...place, bytes: offset + stop - start + 1, seq: record.seq, hash: record.hash }
    if (events.has(record.event)) lines.push({ seq: record.seq, event: record.event, text: textOf(bytes, start, stop) })
    count += 1
    if (count % batchLinesMax === 0) close()
    return count < windowLinesMax
  }
  const { end: reached } = await scanSegment(head, visit, { from: from.bytes, to: end })
  if (foreign) throw new LedgerGap(`${from.segment} at byte ${reached}: the line after sequence ${place.seq} is not chained to it`)
  // What follows the last line may be an empty one.
  place = { ...place, bytes: reached }
  if (count % batchLinesMax !== 0) close()
  return { batches, place }
}

async function segmentNamed(file: string, name: string): Promise<SegmentHead | null> {
  for (const path of [file, ...rotatedSegments(file).flatMap((segment) => (segment.name === name ? [segment.path] : []))]) {
    const head = await headAt(path)
    if (head?.open.segment === name) return head
  }
  return null
}

/** Numbers grow from segment to segment; some are left out, when one ended before its first line was written. */
function successor(file: string, { segment, seq }: LedgerPlace): Promise<SegmentHead> {
  const number = segmentNumber(segment)
  return looked(`${segment}, read up to sequence ${seq}, has no successor`, async () => {
    const later = rotatedSegments(file).flatMap((one) => (one.number > number ? [one.path] : []))
    for (const path of [...later, file]) {
      const head = await headAt(path)
      if (head && (head.open.previous?.segment ?? '') === segment) return head
    }
    return null
  })
}

const headAt = async (path: string): Promise<SegmentHead | null> =>
  existsSync(path) || existsSync(`${path}.gz`) ? readHead(path).catch(() => null) : null

/** Segments are renamed and compressed while they are looked for. */
async function looked(missing: string, look: () => Promise<SegmentHead | null>): Promise<SegmentHead> {
  for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
    const found = await look()
    if (found) return found
    await pause(TRY_AGAIN_MS)
  }
  throw new LedgerGap(missing)
}
