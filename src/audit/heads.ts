import { existsSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { OpenLine } from '../contract/index.ts'
import { type LineVisitor, type Scanned, type ScanOptions, scanLines } from './lines.ts'
import { parseOpen, textOf } from './record.ts'

/** A segment's file and the open record that it begins with. */
export interface SegmentHead {
  readonly path: string
  readonly open: OpenLine
  /** The record as it stands in the file. */
  readonly line: string
}

/** A segment in its place: what its successor says of its end. */
export interface Placed extends SegmentHead {
  readonly acknowledged?: NonNullable<OpenLine['previous']>
}

/** A rotated segment may be compressed between the moment it was listed and the moment it is read. */
export const whereNow = (path: string): string => (!existsSync(path) && existsSync(`${path}.gz`) ? `${path}.gz` : path)

async function headOf(path: string, handle?: FileHandle): Promise<SegmentHead | null> {
  let open: OpenLine | null = null
  let line = ''
  const visit = (bytes: Buffer, start: number, end: number): boolean => {
    if (start === end) return true
    line = textOf(bytes, start, end)
    open = parseOpen(line)
    return false
  }
  await scanLines(path, visit, { chunkBytes: 16 * 1024, ...(handle && { handle }) })
  return open && { path, open, line }
}

const isGone = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** Null when the file does not begin with an open record. */
export async function readHead(path: string): Promise<SegmentHead | null> {
  try {
    return await headOf(whereNow(path))
  } catch (error) {
    if (!isGone(error)) throw error
    return headOf(whereNow(path))
  }
}

/** Where a segment may stand now: under the path it was read from, or under the name it got since. */
function candidates({ path, open }: SegmentHead): string[] {
  const rotated = join(dirname(path), `${open.segment}.log`)
  return [path, rotated, `${path}.gz`, `${rotated}.gz`].filter((file) => existsSync(file))
}

const TRIES_MAX = 5
const TRY_AGAIN_MS = 50

/** Visits the lines of a segment wherever it stands: it may be rotated, and its active path lead to its successor, or be compressed in this very moment. */
export async function scanSegment(head: SegmentHead, visit: LineVisitor, options: ScanOptions = {}): Promise<Scanned> {
  for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
    for (const path of candidates(head)) {
      // Looked at and read through one descriptor: the path may lead elsewhere in between.
      const handle = await open(path, 'r').catch(() => null)
      if (!handle) continue
      try {
        const plain = path.endsWith('.gz') ? {} : { handle }
        const here = await headOf(path, plain.handle).catch(() => null)
        if (here?.line === head.line) return await scanLines(path, visit, { ...options, ...plain })
      } finally {
        await handle.close()
      }
    }
    await pause(TRY_AGAIN_MS)
  }
  throw new Error(`${head.open.segment} is not at ${head.path} any more`)
}

/**
 * Heads with those between them that were missed because a segment was rotated between the listing of the files and the reading of their heads: the
 * active path then led to its successor. Looks back as far as the segment that holds sequence `backTo`.
 */
export async function withoutGaps(heads: readonly SegmentHead[], backTo: number): Promise<SegmentHead[]> {
  const all = [...heads]
  const known = new Set(all.map(({ open }) => open.segment))
  // Grows while it is walked: what was missed may itself follow something that was missed.
  for (const { path, open } of all) {
    const before = open.previous?.segment
    if (before === undefined || open.seq <= backTo || known.has(before)) continue
    known.add(before)
    const file = whereNow(join(dirname(path), `${before}.log`))
    const head = existsSync(file) ? await readHead(file).catch(() => null) : null
    if (head?.open.segment === before) all.push(head)
  }
  return all
}

/** Segments in the order of their open records, each with what the next one says of it. */
export function placed(heads: readonly SegmentHead[]): Placed[] {
  const ordered = [...heads].sort((a, b) => a.open.seq - b.open.seq)
  const endings = new Map(ordered.flatMap(({ open: { previous } }) => (previous ? [[previous.segment, previous] as const] : [])))
  return ordered.map((head) => {
    const acknowledged = endings.get(head.open.segment)
    return acknowledged ? { ...head, acknowledged } : head
  })
}
