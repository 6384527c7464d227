import { readdirSync, statSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Clock, LIMITS, reasonOf } from '../kernel/index.ts'
import { compressSegment, removeLeftovers } from './compress.ts'
import { rotatedSegments, type SegmentFile, stemOf } from './names.ts'
import type { LedgerLog, LedgerSettings } from './types.ts'

const DAY_MS = 86_400_000
/** A lifecycle line holds at most 1,024 characters of detail, and verify must find each name whole. */
const NAMES_CHARS_MAX = 900

export interface UpkeepParts {
  readonly file: string
  readonly clock: Clock
  readonly log: LedgerLog
  readonly compress: boolean
  readonly stillRead: (segment: string) => boolean
  readonly settings: () => LedgerSettings
  /** Says in the ledger which segments go; they are kept when it cannot. */
  readonly announce: (detail: string) => Promise<void>
}

export interface Aged extends Pick<SegmentFile, 'path' | 'name'> {
  readonly endedMs: number
  readonly bytes: number
}

/** Which segments may go, oldest first: those beyond their days, and those beyond the size in all, but none of the last 30 days for its size. */
export function expired(segments: readonly Aged[], settings: Pick<LedgerSettings, 'keepDays' | 'keepBytesMax'>, nowMs: number): Aged[] {
  const keepBytesMax = settings.keepBytesMax ?? LIMITS.ledgerKeepBytesMax
  let bytes = segments.reduce((sum, s) => sum + s.bytes, 0)
  const gone: Aged[] = []
  for (const segment of segments) {
    const ageDays = (nowMs - segment.endedMs) / DAY_MS
    // Only from the front: a ledger with a hole could not be verified.
    if (ageDays <= settings.keepDays && !(bytes > keepBytesMax && ageDays > LIMITS.ledgerKeepDaysMin)) break
    gone.push(segment)
    bytes -= segment.bytes
  }
  return gone
}

/** Compresses finished segments and removes those past their time, in the background and one at a time. */
export class Upkeep {
  readonly #parts: UpkeepParts
  readonly #stop = new AbortController()
  #running: Promise<void> | null = null
  #again = false
  #timer: NodeJS.Timeout | null = null

  constructor(parts: UpkeepParts) {
    this.#parts = parts
  }

  /** Once settling has read the old segments; until then they stay as they are. */
  start(): void {
    if (this.#stop.signal.aborted) return
    this.#timer = setInterval(() => this.run(), LIMITS.ledgerUpkeepMs).unref()
    this.run()
  }

  run(): void {
    if (this.#stop.signal.aborted || !this.#timer) return
    this.#again = this.#running !== null
    this.#running ??= this.#round().finally(() => {
      this.#running = null
      if (this.#again) this.run()
    })
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    if (this.#timer) clearInterval(this.#timer)
    await this.#running
  }

  async #round(): Promise<void> {
    const { file, log } = this.#parts
    try {
      const dir = dirname(file)
      const stem = stemOf(file)
      removeLeftovers(readdirSync(dir).flatMap((e) => (e.startsWith(`${stem}-`) && e.endsWith('.gz.tmp') ? [join(dir, e)] : [])))
      for (const { path, gz, broken } of rotatedSegments(file)) {
        // A broken segment stays as the fault left it: somebody may have to look at it.
        if (this.#parts.compress && !gz && !broken) await compressSegment(path, this.#stop.signal)
      }
      await this.#retain()
    } catch (error) {
      if (!this.#stop.signal.aborted)
        log.warn({ err: reasonOf(error) }, 'the upkeep of finished ledger segments failed and will be tried again')
    }
  }

  async #retain(): Promise<void> {
    const { file, clock, settings, stillRead, announce, log } = this.#parts
    const segments = rotatedSegments(file)
    // A segment ended when the next one began; the last of them ended too lately to matter.
    const aged = segments.slice(0, -1).map(({ path, name }, i) => ({
      path,
      name,
      endedMs: segments[i + 1]?.openedMs ?? clock.nowMs(),
      bytes: statSync(path).size,
    }))
    const free = aged.findIndex((segment) => stillRead(segment.name))
    const gone = expired(free === -1 ? aged : aged.slice(0, free), settings(), clock.nowMs())
    const perLine = Math.max(1, Math.floor(NAMES_CHARS_MAX / Math.max(1, ...gone.map((s) => s.name.length + 1))))
    for (let i = 0; i < gone.length; i += perLine) {
      const some = gone.slice(i, i + perLine)
      await announce(`removed: ${some.map((s) => s.name).join(' ')}`)
      for (const { path } of some) await unlink(path)
      log.info({ segments: some.map((s) => s.name) }, 'ledger segments past their time were removed')
    }
  }
}
