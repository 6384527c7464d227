import { createHash } from 'node:crypto'
import type { Random } from './random.ts'

/** A segment's file as lines (the last element is empty when it ends with a newline). */
export type Segments = readonly (readonly string[])[]

export interface Forgery {
  readonly what: string
  readonly segments: Segments
  /** True when the forger made later hashes anew, so that only a seal can show it, and only within its reach. */
  readonly rehashed?: boolean
  /** True when a whole file went, or what is missing is the end of everything. */
  readonly whole?: boolean
}

interface Place {
  readonly segment: number
  readonly at: number
}

const HASH = ',"hash":"'
const hashOf = (line: string): string => line.slice(-66, -2)

/** Makes the hashes of all lines from one on anew, as somebody without the key can. */
function rehash(lines: readonly string[], from: number): string[] {
  const done = [...lines]
  let previous = hashOf(lines.slice(0, from).findLast((line) => line !== '') ?? '')
  for (let i = from; i < done.length; i += 1) {
    const line = done[i] ?? ''
    if (line === '') continue
    const body = line.slice(0, line.lastIndexOf(HASH))
    previous = createHash('sha256').update(previous).update(body).digest('hex')
    done[i] = `${body}${HASH}${previous}"}`
  }
  return done
}

/** Structural attacks on a ledger by somebody who can write its files but has no key. */
export class Forger {
  readonly #random: Random
  readonly #original: Segments

  constructor(original: Segments, random: Random) {
    this.#original = original
    this.#random = random
  }

  any(): Forgery {
    const [what, make] = this.#random.of(FORGERIES)
    return { what, ...make(this, this.#random) }
  }

  /** The segments with one of them changed. */
  change(segment: number, edit: (lines: string[]) => string[]): Segments {
    return this.#original.map((lines, i) => (i === segment ? edit([...lines]) : lines))
  }

  /** A line that is not empty, not a segment's first, and is followed by another in its segment. */
  place(): Place {
    for (;;) {
      const segment = this.#random.int(0, this.#original.length - 1)
      const lines = this.#original[segment] ?? []
      const at = this.#random.int(1, lines.length - 3)
      if (lines[at] !== '' && lines.slice(at + 1).some((line) => line !== '')) return { segment, at }
    }
  }

  entry(): Place {
    for (;;) {
      const place = this.place()
      if (this.line(place).includes('"user":"ada"')) return place
    }
  }

  line({ segment, at }: Place): string {
    return this.#original[segment]?.[at] ?? ''
  }

  get segments(): Segments {
    return this.#original
  }
}

type Make = (forger: Forger, random: Random) => Omit<Forgery, 'what'>

const ended = (lines: string[]): string[] => (lines.at(-1) === '' ? lines : [...lines, ''])
const edited = (line: string): string => line.replace('"user":"ada"', '"user":"eve"')

const FORGERIES: readonly (readonly [string, Make])[] = [
  ['a field edited', (f) => at(f, f.entry(), (lines, i) => lines.with(i, edited(lines[i] ?? '')))],
  [
    'a field edited, its own hash made anew',
    (f) =>
      at(f, f.entry(), (lines, i) => {
        const one = rehash([...lines.slice(0, i), edited(lines[i] ?? '')], i)
        return lines.with(i, one[i] ?? '')
      }),
  ],
  [
    'a field edited, all hashes of its segment made anew',
    (f) => ({ ...at(f, f.entry(), (lines, i) => rehash(lines.with(i, edited(lines[i] ?? '')), i)), rehashed: true }),
  ],
  [
    'a line deleted, all hashes of its segment made anew',
    (f) => ({ ...at(f, f.place(), (lines, i) => rehash(lines.toSpliced(i, 1), i)), rehashed: true }),
  ],
  ['a line deleted', (f) => at(f, f.place(), (lines, i) => lines.toSpliced(i, 1))],
  ['lines deleted', (f, random) => at(f, f.place(), (lines, i) => ended(lines.toSpliced(i, random.int(2, 40))))],
  ['a line repeated', (f) => at(f, f.place(), (lines, i) => lines.toSpliced(i, 0, lines[i] ?? ''))],
  [
    'two lines swapped',
    (f) =>
      at(f, f.place(), (lines, i) =>
        swap(
          lines,
          i,
          lines.findIndex((line, k) => k > i && line !== ''),
        ),
      ),
  ],
  ['a line moved to the end', (f) => at(f, f.place(), (lines, i) => [...lines.toSpliced(i, 1).slice(0, -1), lines[i] ?? '', ''])],
  ['a line of elsewhere inserted', (f) => at(f, f.place(), (lines, i) => lines.toSpliced(i, 0, f.line(f.place())))],
  [
    'an invented line inserted',
    (f) => at(f, f.place(), (lines, i) => lines.toSpliced(i, 0, edited(lines[i] ?? '').replace(/[0-9a-f]{64}"\}$/, `${'0'.repeat(64)}"}`))),
  ],
  ['rubbish inserted', (f, random) => at(f, f.place(), (lines, i) => lines.toSpliced(i, 0, random.base62(random.int(1, 400))))],
  ['a line cut short', (f, random) => at(f, f.place(), (lines, i) => lines.with(i, (lines[i] ?? '').slice(0, random.int(1, 90))))],
  ['the end of a segment cut off', (f) => at(f, f.place(), (lines, i) => [...lines.slice(0, i), ''])],
  ['an empty line inserted', (f) => ({ ...at(f, f.place(), (lines, i) => lines.toSpliced(i, 0, '')), rehashed: true })],
  [
    'an empty line deleted',
    (f, random) => {
      // Not the one before a segment's last line: it is the separator of the last seal itself, which that seal is not of.
      const all = f.segments.flatMap((lines, segment) => {
        const last = lines.findLastIndex((line) => line !== '')
        return lines.flatMap((line, i) => (line === '' && i < last - 1 ? [{ segment, at: i }] : []))
      })
      return { ...at(f, random.of(all), (lines, i) => lines.toSpliced(i, 1)), rehashed: true }
    },
  ],
  ['a segment deleted', (f, random) => ({ segments: f.change(random.int(0, f.segments.length - 1), () => []), whole: true })],
  [
    'a segment replaced by a copy of its neighbour',
    (f, random) => {
      const i = random.int(1, f.segments.length - 1)
      return { segments: f.change(i, () => [...(f.segments[i - 1] ?? [])]), whole: true }
    },
  ],
  [
    'the ledger cut off at an earlier seal',
    (f) => {
      const { segment, at: i } = f.place()
      const end = (f.segments[segment] ?? []).findLastIndex((line, k) => k <= i && line.includes('"event":"seal"'))
      const cut = end > 0 ? [...(f.segments[segment] ?? []).slice(0, end + 1), ''] : (f.segments[segment] ?? []).slice(0, 1).concat('')
      return { segments: f.segments.map((lines, k) => (k < segment ? lines : k === segment ? cut : [])), whole: true }
    },
  ],
]

function at(forger: Forger, { segment, at: i }: Place, edit: (lines: string[], at: number) => string[]): Omit<Forgery, 'what'> {
  return { segments: forger.change(segment, (lines) => edit(lines, i)) }
}

const swap = (lines: readonly string[], i: number, k: number): string[] => lines.with(i, lines[k] ?? '').with(k, lines[i] ?? '')
