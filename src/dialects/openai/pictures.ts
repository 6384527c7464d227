import type { Plan, StreamReader, StreamReport } from '../plan.ts'

/** The pictures that come are paid for, be they fewer or more than were asked for: their answer is counted as it passes. */
export function countedPictures(plan: Plan, wanted: number): Plan {
  const { reader, reshape } = plan
  return {
    ...plan,
    units: { images: wanted },
    ...(reader !== undefined && {
      reader(status: number, contentType: string) {
        const inner = reader(status, contentType)
        return inner && new PicturesReader(inner, wanted)
      },
    }),
    ...(reshape !== undefined && {
      reshape(answer: Parameters<typeof reshape>[0]) {
        const made = reshape(answer)
        const count = new Count(wanted)
        count.add(answer.body)
        return { ...made, units: { ...made.units, images: count.images } }
      },
    }),
  }
}

/** In a text of JSON a quote is escaped, so that no prompt can hold one of these. A stream shows what is half done under the first name, too. */
const NAMES = [
  'b64_json',
  'url',
  'image_generation.completed',
  'image_edit.completed',
  'image_generation.partial_image',
  'image_edit.partial_image',
]
const MARKS = NAMES.map((name) => Buffer.from(`"${name}"`))
const MARK_BYTES_MAX = Math.max(...MARKS.map(({ length }) => length))

class Count {
  readonly #wanted: number
  readonly #found = MARKS.map(() => 0)
  /** The end of what has passed, where a mark may have begun. */
  #tail: Buffer = Buffer.alloc(0)

  constructor(wanted: number) {
    this.#wanted = wanted
  }

  add(chunk: Buffer): void {
    const seam = Buffer.concat([this.#tail, chunk.subarray(0, MARK_BYTES_MAX - 1)])
    for (const [index, mark] of MARKS.entries()) {
      const across = occurrences(seam, mark, (at) => at < this.#tail.length && at + mark.length > this.#tail.length)
      this.#found[index] = (this.#found[index] ?? 0) + across + occurrences(chunk, mark)
    }
    this.#tail = chunk.length < MARK_BYTES_MAX ? seam.subarray(1 - MARK_BYTES_MAX) : chunk.subarray(1 - MARK_BYTES_MAX)
  }

  get images(): number {
    const [base64 = 0, url = 0, made = 0, changed = 0, half = 0, halfChanged = 0] = this.#found
    if (made + changed > 0) return made + changed
    const shown = Math.max(base64, url)
    // Half done is how each of them looked on its way; who leaves before its end has had it made.
    return half + halfChanged > 0 ? Math.min(shown, this.#wanted) : shown
  }
}

function occurrences(bytes: Buffer, mark: Buffer, counts: (at: number) => boolean = () => true): number {
  let found = 0
  for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, at + mark.length)) if (counts(at)) found += 1
  return found
}

class PicturesReader implements StreamReader {
  readonly #inner: StreamReader
  readonly #count: Count

  constructor(inner: StreamReader, wanted: number) {
    this.#inner = inner
    this.#count = new Count(wanted)
  }

  get atBoundary(): boolean {
    return this.#inner.atBoundary ?? false
  }

  get isWhole(): boolean {
    return this.#inner.isWhole ?? false
  }

  chunk(chunk: Buffer): Buffer {
    this.#count.add(chunk)
    return this.#inner.chunk(chunk)
  }

  rest(): Buffer {
    return this.#inner.rest?.() ?? Buffer.alloc(0)
  }

  report(): StreamReport {
    const report = this.#inner.report()
    // Counts say that there was an answer, be it one without a picture.
    if (this.#count.images === 0 && (report.failed || !report.finished)) return report
    return { ...report, units: { ...report.units, images: this.#count.images } }
  }
}
