import { LIMITS } from '../kernel/index.ts'

const SHOWN_MAX = 3
/** What is shorter is the start of too many names. */
const START_CHARS_MIN = 3

/**
 * The names that somebody may have meant who wrote this one, closest first: another case, the start of a name, its last part, or a few letters off. The work is
 * bounded whatever is asked of however many names; beyond the bound only starts are compared.
 */
export function closeMatches(wanted: string, names: Iterable<string>, max = SHOWN_MAX): readonly string[] {
  const target = wanted.slice(0, LIMITS.nameCharsMax).toLowerCase()
  const ruler = new Ruler(target)
  const found: { readonly name: string; readonly far: number }[] = []
  for (const name of names) {
    const far = farness(target, name.toLowerCase(), ruler)
    if (far !== null) found.push({ name, far })
  }
  const closest = found.reduce((least, { far }) => Math.min(least, far), FAR)
  return found
    .filter(({ far }) => far <= closest + 1)
    .sort((a, b) => a.far - b.far || a.name.length - b.name.length || (a.name < b.name ? -1 : 1))
    .slice(0, max)
    .map(({ name }) => name)
}

/** 0 for another case of it, less than a letter for its last part without the tag; a start of it is as good as one letter off; null for what nobody meant. */
function farness(target: string, name: string, ruler: Ruler): number | null {
  if (name === target) return 0
  const tag = name.indexOf(':')
  const stem = name.slice(name.lastIndexOf('/', tag === -1 ? name.length : tag) + 1, tag === -1 ? name.length : tag)
  if (stem === target) return 0.5
  if (target.length >= START_CHARS_MIN && name.startsWith(target)) return 1
  const far = ruler.distance(name) ?? ruler.distance(stem)
  if (far !== null) return far
  return stem.length >= START_CHARS_MIN && target.startsWith(stem) ? OTHER_TAG : null
}

/** The same name with another tag. */
const OTHER_TAG = 3

/** How many letters a name is off; null when they are more than a slip of the fingers. */
class Ruler {
  readonly #target: string
  readonly #farMax: number
  #stepsLeft: number = LIMITS.closeMatchStepsMax
  /** The rows of the last letter and of the one before it. */
  #last: number[] = []
  #lastButOne: number[] = []
  #row: number[] = []

  constructor(target: string) {
    this.#target = target
    this.#farMax = target.length <= 4 ? 1 : target.length <= 8 ? 2 : 3
  }

  distance(name: string): number | null {
    const [target, farMax] = [this.#target, this.#farMax]
    if (Math.abs(name.length - target.length) > farMax || !this.#beginsAlike(name)) return null
    this.#stepsLeft -= target.length * (2 * farMax + 1)
    if (this.#stepsLeft < 0) return null
    this.#last = Array.from({ length: name.length + 1 }, (_zero, at) => at)
    let leastBefore = 0
    for (let i = 1; i <= target.length; i += 1) {
      const least = this.#nextRow(name, i)
      // A swap of two letters jumps over a row.
      if (least > farMax && leastBefore > farMax) return null
      leastBefore = least
    }
    const far = this.#last[name.length] ?? farMax + 1
    return far <= farMax ? far : null
  }

  /** The row for the first `i` letters, only as far from the diagonal as can matter; answers its least. Two letters the wrong way round are one slip. */
  #nextRow(name: string, i: number): number {
    const [from, to] = [Math.max(1, i - this.#farMax), Math.min(name.length, i + this.#farMax)]
    const row = this.#row
    row[from - 1] = from === 1 ? i : FAR
    let least = row[from - 1] ?? FAR
    for (let j = from; j <= to; j += 1) {
      const other = this.#target[i - 1] === name[j - 1] ? 0 : 1
      let far = Math.min((this.#last[j] ?? FAR) + 1, (row[j - 1] ?? FAR) + 1, (this.#last[j - 1] ?? FAR) + other)
      if (i > 1 && j > 1 && this.#target[i - 1] === name[j - 2] && this.#target[i - 2] === name[j - 1]) {
        far = Math.min(far, (this.#lastButOne[j - 2] ?? FAR) + 1)
      }
      row[j] = far
      if (far < least) least = far
    }
    row[to + 1] = FAR
    this.#row = this.#lastButOne
    this.#lastButOne = this.#last
    this.#last = row
    return least
  }

  /** A cheap look that spares most names the table: who mistypes a name mistypes rarely both of its first letters. */
  #beginsAlike(name: string): boolean {
    const [a, b] = [this.#target[0], this.#target[1]]
    return name[0] === a || name[1] === b || name[0] === b || name[1] === a
  }
}

const FAR = 1_000
