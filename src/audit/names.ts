import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * `audit.log` is the active segment. `audit-20250604T082054Z-3.log` is a finished one (the third; opened at that time, UTC), `.log.gz` the same
 * compressed, and `audit-20250604T082054Z-3.broken-20250604T090000Z.log` one that a failed write ended.
 */
export interface SegmentFile {
  readonly path: string
  /** As the segment's own open record says it. */
  readonly name: string
  /** -1 for the active segment of an unknown number. */
  readonly number: number
  readonly openedMs: number
  readonly broken: boolean
  readonly gz: boolean
}

const ROTATED = /^-(\d{8}T\d{6}Z)-(\d+)(\.broken-\d{8}T\d{6}Z(?:-\d+)?)?\.log(\.gz)?$/

export const stemOf = (file: string): string => basename(file).replace(/\.log$/, '')

/** 20250604T082054Z: sorts as text, and no file system minds it. */
export const compactTime = (ms: number): string => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '')

const fromCompact = (text: string): number =>
  Date.parse(text.replace(/^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/, '$1-$2-$3T$4:$5:$6Z'))

export const segmentName = (file: string, openedMs: number, number: number): string => `${stemOf(file)}-${compactTime(openedMs)}-${number}`

export const rotatedPath = (file: string, name: string): string => join(dirname(file), `${name}.log`)

/** Held by the ledger's one writer. Named by the stem, as segments are: `audit.log` and a file `audit` beside it would share those too. */
export const lockPath = (file: string): string => join(dirname(file), `${stemOf(file)}.lock`)

/** A name that is free: two faults may fall into one second. */
export function brokenPath(file: string, name: string, ms: number): string {
  const stem = join(dirname(file), `${name}.broken-${compactTime(ms)}`)
  for (let n = 1; ; n += 1) {
    const path = n === 1 ? `${stem}.log` : `${stem}-${n}.log`
    if (!existsSync(path)) return path
  }
}

/** The number in the name of a segment, which grows from one to the next; 0 when there is none. */
export const segmentNumber = (name: string): number => Number(/-(\d+)$/.exec(name)?.[1] ?? 0)

function parseName(dir: string, entry: string, stem: string): SegmentFile | null {
  if (!entry.startsWith(stem)) return null
  const match = ROTATED.exec(entry.slice(stem.length))
  if (!match) return null
  const [, time = '', number = '', broken, gz] = match
  return {
    path: join(dir, entry),
    name: `${stem}-${time}-${number}`,
    number: Number(number),
    openedMs: fromCompact(time),
    broken: broken !== undefined,
    gz: gz !== undefined,
  }
}

/** Finished segments of a ledger, oldest first. A segment that stands there twice, plain and compressed, is listed once, plain. */
export function rotatedSegments(file: string): SegmentFile[] {
  const dir = dirname(file)
  if (!existsSync(dir)) return []
  const all = readdirSync(dir).flatMap((entry) => parseName(dir, entry, stemOf(file)) ?? [])
  const plain = new Set(all.filter((s) => !s.gz).map((s) => s.path))
  return all
    .filter((s) => !s.gz || !plain.has(s.path.slice(0, -'.gz'.length)))
    .sort((a, b) => a.number - b.number || a.openedMs - b.openedMs || (a.path < b.path ? -1 : 1))
}

/** Every segment of a ledger in order, the active one last. */
export function listSegments(file: string): string[] {
  const rotated = rotatedSegments(file).map((s) => s.path)
  return existsSync(file) ? [...rotated, file] : rotated
}
