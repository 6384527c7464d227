import { renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from '../kernel/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { type Batch, BatchBuilder, type ChainPoint, type Item } from './batch.ts'
import { type Disk, openDisk } from './disk.ts'
import type { LedgerKey } from './keys.ts'
import { compactTime, segmentName, stemOf } from './names.ts'
import type { Resumed } from './resume.ts'
import {
  assertRoom,
  closeQuietly,
  createSegment,
  dayOf,
  type Ended,
  retire,
  retireBroken,
  type Segment,
  stillThere,
  syncQuietly,
} from './segment.ts'
import type { LedgerLog, SyncMode } from './types.ts'

export interface WriterParts {
  readonly file: string
  readonly host: string
  readonly pid: number
  readonly key: LedgerKey
  readonly clock: Clock
  readonly log: LedgerLog
}

export interface WriterEvents {
  committed(batch: Batch): void
  /** The segment is over, and the items of its last batch were not acknowledged. */
  broke(items: readonly Item[], error: Error): void
  rotated(): void
  /** Nothing is in flight any more. */
  landed(): void
  /** Sequence of the oldest intent without outcome. */
  unfinishedFrom(): number | undefined
}

/** Owns the active segment: one batch at a time goes to its end, the chain advances when the disk has acknowledged it, a failure ends the file. */
export class Writer {
  readonly #parts: WriterParts
  readonly #events: WriterEvents
  #disk: Disk
  #point: ChainPoint
  #segment: Segment | null
  #ended: Ended | undefined
  #number: number
  #prepared: Batch | null = null
  #flying: Batch | null = null
  #launchedMs = 0
  /** What must still happen to the file of a failed segment. It may fail too, and is then tried again. */
  #leave: (() => void) | null = null

  constructor(parts: WriterParts, mode: SyncMode, resumed: Resumed, events: WriterEvents) {
    this.#parts = parts
    this.#events = events
    this.#point = resumed.point
    this.#segment = resumed.segment
    this.#ended = resumed.ended
    this.#number = resumed.nextNumber
    this.#disk = openDisk(mode, parts.file)
  }

  get point(): ChainPoint {
    return this.#point
  }

  get flying(): Batch | null {
    return this.#flying
  }

  /** How long the disk has not answered, by the clock that nobody sets. */
  get flightMs(): number {
    return this.#flying ? this.#parts.clock.monoMs() - this.#launchedMs : 0
  }

  get mode(): SyncMode {
    return this.#disk.mode
  }

  /** True once there is a segment whose open record is on disk. */
  get ready(): boolean {
    return this.#segment?.opened === true
  }

  get hasSegment(): boolean {
    return this.#segment !== null
  }

  get segmentName(): string {
    return this.#segment?.name ?? this.#ended?.segment ?? ''
  }

  get bytes(): number {
    return this.#segment?.bytes ?? this.#ended?.bytes ?? 0
  }

  get unsealed(): boolean {
    return (this.#segment?.unsealed ?? 0) > 0
  }

  /** Only between batches. */
  setMode(mode: SyncMode): void {
    if (mode === this.#disk.mode) return
    this.#disk.stop()
    this.#disk = openDisk(mode, this.#parts.file)
  }

  /** Makes the next segment's file; its open record goes with the next batch. Throws when there is no room or no way. */
  open(): void {
    this.#leave?.()
    this.#leave = null
    assertRoom(this.#parts.file)
    const nowMs = this.#parts.clock.nowMs()
    const name = segmentName(this.#parts.file, nowMs, this.#number)
    this.#segment = this.#create(name, nowMs)
    this.#number += 1
  }

  /** Makes one batch from the front of the queue and says how many items it took; `launch` sends it. */
  prepare(queue: readonly Item[], rotateBytes: number): number {
    const nowMs = this.#parts.clock.nowMs()
    if (this.#segment?.opened && dayOf(nowMs) !== this.#segment.day && this.#endDay(this.#segment, nowMs)) return 0
    const segment = this.#segment
    if (!segment) return 0
    const builder = new BatchBuilder(segment, this.#parts.key, this.#point)
    if (!segment.opened) this.#writeOpening(builder, nowMs)
    let taken = 0
    for (const item of queue) {
      builder.add(item)
      taken += 1
      if (builder.bytes >= LIMITS.ledgerBatchBytesMax) break
    }
    const ends = segment.bytes + builder.bytes >= rotateBytes
    if (ends) builder.seal(nowMs)
    this.#prepared = builder.finish(taken === queue.length ? queue : queue.slice(0, taken), ends)
    return taken
  }

  /** The batch may land, and its events fire, before this returns. */
  launch(): void {
    const batch = this.#prepared
    this.#prepared = null
    if (batch && this.#segment) this.#fly(this.#segment, batch)
  }

  /** Ends the segment because its file was moved or removed under us. */
  checkPlace(): void {
    const segment = this.#segment
    if (!segment?.opened || this.#flying || stillThere(this.#parts.file, segment)) return
    this.#parts.log.error({ file: this.#parts.file, segment: segment.name }, 'the active ledger file was moved or removed by somebody else')
    this.#end(segment)
    this.#openNext()
  }

  close(): void {
    this.#disk.stop()
    if (!this.#segment) return
    // Once at the end even in `write` mode: what a clean stop leaves should not depend on how the machine goes on.
    syncQuietly(this.#segment.fd)
    this.#end(this.#segment)
  }

  #create(name: string, nowMs: number): Segment {
    const { file, log } = this.#parts
    try {
      return createSegment(file, name, nowMs)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      const aside = join(dirname(file), `${stemOf(file)}.foreign-${compactTime(nowMs)}.log`)
      log.error({ file, aside }, 'a file that this ledger did not write stood in its place and was moved aside')
      renameSync(file, aside)
      return createSegment(file, name, nowMs)
    }
  }

  #writeOpening(builder: BatchBuilder, nowMs: number): void {
    const unfinished = this.#events.unfinishedFrom()
    builder.open({
      host: this.#parts.host,
      pid: this.#parts.pid,
      nowMs,
      ...(this.#ended && { previous: this.#ended }),
      ...(unfinished !== undefined && { unfinished_from: unfinished }),
    })
  }

  #fly(segment: Segment, batch: Batch): void {
    this.#flying = batch
    this.#launchedMs = this.#parts.clock.monoMs()
    this.#disk.append(segment.fd, batch.bytes, !segment.opened, (error) => this.#landed(segment, batch, error))
  }

  #landed(segment: Segment, batch: Batch, error: Error | null): void {
    this.#flying = null
    if (error) this.#broke(segment, batch.items, error)
    else this.#commit(segment, batch)
    this.#events.landed()
  }

  #commit(segment: Segment, batch: Batch): void {
    segment.bytes += batch.bytes.length
    segment.entries += batch.entries
    segment.unsealed = batch.unsealed
    segment.opened = true
    this.#point = batch.point
    this.#events.committed(batch)
    if (batch.ends && this.#segment === segment) this.#rotate(segment)
  }

  /** True when the segment's last batch, a seal, is to be sent before anything else. */
  #endDay(segment: Segment, nowMs: number): boolean {
    // A day on which nothing happened is not worth a file.
    if (segment.entries === 0) segment.day = dayOf(nowMs)
    else if (segment.unsealed === 0) this.#rotate(segment)
    else {
      const builder = new BatchBuilder(segment, this.#parts.key, this.#point)
      builder.seal(nowMs)
      this.#prepared = builder.finish([], true)
      return true
    }
    return false
  }

  #rotate(segment: Segment): void {
    const { file } = this.#parts
    this.#end(segment)
    this.#leave = () => retire(file, segment)
    this.#openNext()
    this.#events.rotated()
  }

  #end(segment: Segment, broken?: true): void {
    closeQuietly(segment.fd)
    this.#segment = null
    this.#ended = { segment: segment.name, hash: this.#point.hash, bytes: segment.bytes, ...(broken && { broken }) }
  }

  #openNext(): void {
    try {
      this.open()
    } catch (error) {
      this.#events.broke([], error instanceof Error ? error : new Error(String(error)))
    }
  }

  #broke(segment: Segment, items: readonly Item[], error: Error): void {
    const { file, clock } = this.#parts
    const nowMs = clock.nowMs()
    if (segment.opened) this.#end(segment, true)
    else closeQuietly(segment.fd)
    this.#segment = null
    this.#leave = () => retireBroken(file, segment, nowMs)
    try {
      this.#leave()
      this.#leave = null
    } catch (why) {
      this.#parts.log.error({ err: String(why), file }, 'the failed ledger segment could not be renamed yet')
    }
    this.#events.broke(items, error)
  }
}
