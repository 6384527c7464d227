export interface Problem {
  readonly file: string
  /** From 1, empty lines counted, as `sed -n 12p` counts. */
  readonly line: number
  /** Where that line begins, in bytes of the uncompressed file. */
  readonly offset: number
  readonly why: string
}

export interface SegmentReport {
  readonly file: string
  readonly segment: string
  readonly lines: number
  readonly seals: number
  readonly bytes: number
  readonly endLine: number
  /** The newest segment may end within a line, when its process was killed. */
  readonly torn?: { readonly offset: number; readonly bytes: number }
  /** What a failed write left behind: never confirmed to anyone, and recorded anew in the next segment. */
  readonly unacknowledgedBytes?: number
}

export interface Unfinished {
  readonly request: string
  readonly file: string
  readonly line: number
}

export interface VerifyReport {
  /** False when anything was changed, cut or is missing. */
  readonly ok: boolean
  readonly segments: readonly SegmentReport[]
  readonly lines: number
  readonly seals: number
  /** In the order of the ledger; the first is the first bad line. At most 100 are named. */
  readonly problems: readonly Problem[]
  readonly problemCount: number
  /** Requests let through that have no outcome: still running, or cut off by a crash. At most 1,000 are named. */
  readonly unfinished: readonly Unfinished[]
  readonly unfinishedCount: number
  readonly notes: readonly string[]
  /** True when the seal that was kept elsewhere stands in the ledger as it was. */
  readonly heldSealFound?: boolean
  readonly head?: { readonly segment: string; readonly seq: number; readonly hash: string; readonly time: string }
}

export interface VerifyProgress {
  /** 0 to 1. */
  readonly done: number
  readonly lines: number
  readonly file: string
}

const PROBLEMS_MAX = 100

/** Problems in the order of the ledger, whatever the order in which they are found. */
export class Problems {
  readonly #rank: (file: string) => number
  readonly #list: Problem[] = []
  count = 0

  constructor(rank: (file: string) => number) {
    this.#rank = rank
  }

  add(problem: Problem): void {
    this.count += 1
    if (this.#list.length < PROBLEMS_MAX) this.#list.push(problem)
  }

  sorted(): Problem[] {
    return [...this.#list].sort((a, b) => this.#rank(a.file) - this.#rank(b.file) || a.line - b.line)
  }
}
