import type { Readable } from 'node:stream'
import { type Clock, LIMITS, reasonOf } from '../kernel/index.ts'
import type { FileRead, Malformed, Report } from './document.ts'
import { iso, isoOrNull } from './iso.ts'
import { chunksOf, fileBytes, upTo } from './read/chunks.ts'
import type { Input } from './read/inputs.ts'
import { tellLine } from './read/line.ts'
import { eachLine } from './read/lines.ts'
import type { Told } from './read/told.ts'
import type { Sighting } from './sighting.ts'
import { Totals } from './summary/totals.ts'
import { Traffic } from './summary/traffic.ts'
import { Unfinished } from './summary/unfinished.ts'
import { Users } from './summary/users.ts'
import { Watch } from './threats/watch.ts'

export interface AnalyseOptions {
  readonly clock: Clock
  readonly stdin: Readable
  /** Only what happened within so many hours before now. */
  readonly hours?: number
  readonly onProgress?: (bytesDone: number, lines: number) => void
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const LEDGER_HEAD = '{"v":1,"time":"'
const LEDGER_TIME_AT = LEDGER_HEAD.length
const QUOTE = 0x22

/** Reads logs once, from the first line to the last, and says what is in them. Memory does not grow with their size. */
export async function analyse(inputs: readonly Input[], options: AnalyseOptions): Promise<Report> {
  const nowMs = options.clock.nowMs()
  const fromMs = options.hours === undefined ? Number.NEGATIVE_INFINITY : nowMs - options.hours * HOUR_MS
  const analysis = new Analysis(inputs, fromMs)
  let bytesDone = 0
  for (const [file, input] of inputs.entries()) {
    analysis.open(file)
    try {
      const bytes = chunksOf(input.path === null ? options.stdin : fileBytes(input.path), (n) => {
        bytesDone += n
        options.onProgress?.(bytesDone, analysis.linesRead)
      })
      await eachLine(upTo(input.bytesMax, bytes), analysis)
    } catch (error) {
      analysis.fault(reasonOf(error))
    }
  }
  return analysis.report(nowMs, options.hours ?? null)
}

class Analysis {
  readonly #inputs: readonly Input[]
  readonly #fromMs: number
  readonly #learnFromMs: number
  readonly #learnFrom: string
  readonly #totals = new Totals()
  readonly #traffic = new Traffic()
  readonly #users = new Users()
  readonly #unfinished = new Unfinished()
  readonly #watch: Watch
  readonly #files: { lines: number; malformed: number; fault: string | null }[] = []
  readonly #malformed: Malformed[] = []
  readonly #place = { file: 0, line: 0 }
  #read = 0
  #inRange = 0
  #malformedCount = 0
  #passedOn = 0

  constructor(inputs: readonly Input[], fromMs: number) {
    this.#inputs = inputs
    this.#fromMs = fromMs
    this.#learnFromMs = fromMs - LIMITS.reportHabitDaysMax * DAY_MS
    this.#learnFrom = fromMs > 0 ? new Date(this.#learnFromMs).toISOString() : ''
    this.#watch = new Watch(fromMs)
  }

  get linesRead(): number {
    return this.#read
  }

  open(file: number): void {
    this.#place.file = file
    this.#files[file] = { lines: 0, malformed: 0, fault: null }
  }

  fault(why: string): void {
    const file = this.#files[this.#place.file]
    if (file) file.fault = why
  }

  line(bytes: Buffer, start: number, end: number, number: number): void {
    this.#place.line = number
    this.#count()
    if (!this.#isLongPast(bytes, start)) this.#take(tellLine(bytes, start, end))
  }

  tooLong(number: number): void {
    this.#place.line = number
    this.#count()
    this.#blame(`a line longer than ${LIMITS.reportLineBytesMax} bytes`)
  }

  report(nowMs: number, hours: number | null): Report {
    const files = this.#inputs.map(({ name }, i): FileRead => ({ name, ...(this.#files[i] ?? { lines: 0, malformed: 0, fault: null }) }))
    const fileName = (file: number): string => this.#inputs[file]?.name ?? '?'
    return {
      report: {
        version: 1,
        made_at: iso(nowMs),
        hours,
        from: isoOrNull(this.#totals.firstMs),
        to: isoOrNull(this.#totals.lastMs),
        files,
        notes: files.flatMap(({ name, fault }) => (fault === null ? [] : [`${name} could not be read to its end: ${fault}`])),
      },
      summary: {
        lines: {
          read: this.#read,
          in_range: this.#inRange,
          malformed: this.#malformedCount,
          passed_on: this.#passedOn,
          malformed_shown: this.#malformed,
        },
        ...this.#totals.result(),
        ...this.#traffic.result(),
        unfinished: this.#unfinished.result(fileName),
      },
      ...this.#watch.result(fileName),
      users: this.#users.result(),
    }
  }

  /** A ledger line from before anything that is learnt from need not be parsed: its time stands at a fixed place. */
  #isLongPast(bytes: Buffer, start: number): boolean {
    if (this.#learnFrom === '' || bytes[start + LEDGER_TIME_AT - 1] !== QUOTE) return false
    return (
      bytes.toString('latin1', start, start + LEDGER_TIME_AT) === LEDGER_HEAD &&
      bytes.toString('latin1', start + LEDGER_TIME_AT, start + LEDGER_TIME_AT + this.#learnFrom.length) < this.#learnFrom
    )
  }

  #count(): void {
    this.#read += 1
    const file = this.#files[this.#place.file]
    if (file) file.lines += 1
  }

  #take(told: Told): void {
    if (told.what === 'malformed') {
      this.#blame(told.why)
      return
    }
    if (told.what === 'sightings' && told.atMs >= this.#learnFromMs && told.atMs < this.#fromMs) {
      for (const sighting of told.list) this.#watch.learn(sighting, this.#place)
    }
    if (told.atMs < this.#fromMs) return
    this.#inRange += 1
    if (told.what === 'sightings') for (const sighting of told.list) this.#see(sighting)
    else if (told.what === 'intent') {
      this.#totals.note('intent', '', told.atMs)
      this.#unfinished.begin(told.intent, told.atMs, this.#place)
    } else if (told.what === 'note') this.#totals.note(told.event, told.detail, told.atMs)
    else this.#passedOn += 1
  }

  #see(sighting: Sighting): void {
    if (sighting.request !== '') this.#unfinished.end(sighting.request)
    this.#totals.see(sighting)
    this.#traffic.see(sighting)
    this.#users.see(sighting)
    this.#watch.see(sighting, this.#place)
  }

  #blame(why: string): void {
    this.#malformedCount += 1
    const file = this.#files[this.#place.file]
    if (file) file.malformed += 1
    if (this.#malformed.length >= LIMITS.reportMalformedShownMax) return
    this.#malformed.push({ file: this.#inputs[this.#place.file]?.name ?? '?', line: this.#place.line, why })
  }
}
