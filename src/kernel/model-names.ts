/** A list of names as it is asked thousands of times: for each model that there is, by each caller who wants to see them. */
class Names {
  readonly #whole: ReadonlySet<string>
  /** What those that end in `*` begin with: sorted, and none of them the beginning of another, so that at most one can be meant. */
  readonly #starts: readonly string[]
  /** Alike for lists that hold the same. */
  readonly text: string

  constructor(names: readonly string[]) {
    const starts: string[] = []
    for (const start of names.flatMap((name) => (name.endsWith('*') ? [name.slice(0, -1)] : [])).sort()) {
      const last = starts.at(-1)
      if (last === undefined || !start.startsWith(last)) starts.push(start)
    }
    this.#starts = starts
    const whole = names.filter((name) => !name.endsWith('*') && !this.#begins(name)).sort()
    this.#whole = new Set(whole)
    this.text = JSON.stringify([...starts.map((start) => `${start}*`), ...this.#whole])
  }

  holds(model: string): boolean {
    return this.#whole.has(model) || this.#begins(model)
  }

  /** The only start that it can have is the last one that does not stand behind it. */
  #begins(model: string): boolean {
    let [low, high] = [0, this.#starts.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#starts[middle] ?? '') <= model) low = middle + 1
      else high = middle
    }
    const start = this.#starts[low - 1]
    return start !== undefined && model.startsWith(start)
  }
}

/** By the list, which never changes: an edit of a key puts another in its place. */
const READ = new WeakMap<readonly string[], Names>()

function read(names: readonly string[]): Names {
  let known = READ.get(names)
  if (known === undefined) {
    known = new Names(names)
    READ.set(names, known)
  }
  return known
}

/** Whether a list of names holds this one; `llama*` holds all that begin so, and null holds every name. */
export const namesModel = (names: readonly string[] | null, model: string): boolean => names === null || read(names).holds(model)

/** The same text for lists that hold the same names. */
export const namesText = (names: readonly string[] | null): string => (names === null ? EVERY : read(names).text)

const EVERY = JSON.stringify(['*'])
