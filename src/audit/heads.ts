import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { OpenLine } from '../contract/index.ts'
import { scanLines } from './lines.ts'
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

/** Null when the file does not begin with an open record. */
export async function readHead(path: string): Promise<SegmentHead | null> {
  let open: OpenLine | null = null
  let line = ''
  const file = whereNow(path)
  const visit = (bytes: Buffer, start: number, end: number): boolean => {
    if (start === end) return true
    line = textOf(bytes, start, end)
    open = parseOpen(line)
    return false
  }
  await scanLines(file, visit, { chunkBytes: 16 * 1024 })
  return open && { path: file, open, line }
}

/** Where a segment stands now: the active one may have been rotated since its head was read, and the path lead to its successor. */
export async function locate({ path, open }: SegmentHead): Promise<string> {
  const here = await readHead(path).catch(() => null)
  if (here?.open.hash === open.hash) return here.path
  const rotated = whereNow(join(dirname(path), `${open.segment}.log`))
  return existsSync(rotated) ? rotated : whereNow(path)
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
