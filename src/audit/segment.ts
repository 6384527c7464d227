import { createHash, type Hash } from 'node:crypto'
import { closeSync, constants, fdatasyncSync, fstatSync, openSync, renameSync, statfsSync, statSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { LIMITS } from '../kernel/index.ts'
import { brokenPath, rotatedPath } from './names.ts'

export const dayOf = (ms: number): number => Math.floor(ms / 86_400_000)

/** Where a segment ended: what the open record of the next one says of it. */
export interface Ended {
  readonly segment: string
  readonly hash: string
  readonly bytes: number
  readonly broken?: true
}

/** The file that is being written. `bytes` is its acknowledged length; the running hash is over all that was given to the disk. */
export interface Segment {
  readonly fd: number
  readonly name: string
  /** Which file it is, whatever stands at its path later. */
  readonly place: { readonly dev: number; readonly ino: number }
  readonly hash: Hash
  bytes: number
  day: number
  /** Lines other than open and seal records, and those of them that no seal covers yet. */
  entries: number
  unsealed: number
  /** False until its open record is acknowledged: until then the file is worth nothing. */
  opened: boolean
}

export function createSegment(file: string, name: string, nowMs: number): Segment {
  // O_EXCL: a file that stands here already is somebody's evidence.
  const fd = openSync(file, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_EXCL, 0o600)
  return { fd, name, place: placeOf(fd), hash: createHash('sha256'), bytes: 0, day: dayOf(nowMs), entries: 0, unsealed: 0, opened: false }
}

export function placeOf(fd: number): Segment['place'] {
  const { dev, ino } = fstatSync(fd)
  return { dev, ino }
}

export const openForAppend = (file: string): number => openSync(file, constants.O_WRONLY | constants.O_APPEND)

export function closeQuietly(fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // A descriptor whose write failed may fail here too; what it holds is no longer believed anyway.
  }
}

export function syncQuietly(fd: number): void {
  try {
    fdatasyncSync(fd)
  } catch {
    // There is nobody left to tell, and nothing was promised.
  }
}

/** True while the path still leads to the segment's file: somebody may have moved or removed it. */
export function stillThere(file: string, { place }: Segment): boolean {
  try {
    const { dev, ino } = statSync(file)
    return ino === place.ino && dev === place.dev
  } catch {
    return false
  }
}

/** Gives a finished segment its own name, unless somebody took it away: no trying again would bring it back. */
export function retire(file: string, segment: Segment): void {
  if (stillThere(file, segment)) renameSync(file, rotatedPath(file, segment.name))
}

/** Takes a segment that a fault ended out of the way: under a name that says so, or away entirely when nothing in it was ever acknowledged. */
export function retireBroken(file: string, segment: Segment, nowMs: number): void {
  if (!stillThere(file, segment)) return
  if (segment.opened) renameSync(file, brokenPath(file, segment.name, nowMs))
  else unlinkSync(file)
}

/** Throws when the disk is so full that a new segment would end at once, and leave one more broken file behind. */
export function assertRoom(file: string): void {
  const { bavail, bsize } = statfsSync(dirname(file))
  if (bavail * bsize < LIMITS.ledgerFreeBytesMin) throw Object.assign(new Error(`${bavail * bsize} bytes are free`), { code: 'ENOSPC' })
}
