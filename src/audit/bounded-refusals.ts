import type { RefusedEntry } from '../contract/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { isoTime, type RefusedSample, type RefusedSummaryEntry } from './line.ts'

/** Of whom a summary speaks; its address may become that of everyone. */
export type Counted = Pick<RefusedSummaryEntry, 'tenant' | 'kind' | 'user' | 'key' | 'address'>

/** One sort of caller: whose refusals share a bound, and how many of them are written. */
export interface Sort {
  readonly eachPerMinute: number
  readonly allPerMinute: number
  readonly subjectsMax: number
  /** Summaries per round; what is beyond shares the line of `*`. */
  readonly summariesMax: number
  subjectOf(entry: RefusedEntry): string
  /** What is counted together in one line. */
  heapOf(entry: RefusedEntry, subject: string): string
  counted(entry: RefusedEntry, subject: string): Counted
  sampleOf(entry: RefusedEntry): RefusedSample
}

export const EVERYONE = '*'

interface Window {
  startMs: number
  count: number
}

interface Summary {
  about: Counted
  count: number
  readonly firstMs: number
  lastMs: number
  readonly samples: RefusedSample[]
}

const MINUTE_MS = 60_000

/** Refusals of one sort of caller. Both tables are bounded, because callers choose how much goes into them. */
export class BoundedRefusals {
  readonly #sort: Sort
  readonly #windows = new Map<string, Window>()
  readonly #all: Window = { startMs: Number.NEGATIVE_INFINITY, count: 0 }
  #pending = new Map<string, Summary>()

  constructor(sort: Sort) {
    this.#sort = sort
  }

  /** False when the refusal was only counted, and will come out of `drain`. */
  admit(entry: RefusedEntry, nowMs: number): boolean {
    const subject = this.#sort.subjectOf(entry)
    const window = this.#window(subject, nowMs)
    restart(this.#all, nowMs)
    if (window && window.count < this.#sort.eachPerMinute && this.#all.count < this.#sort.allPerMinute) {
      window.count += 1
      this.#all.count += 1
      return true
    }
    this.#count(entry, window ? subject : EVERYONE, nowMs)
    return false
  }

  count(entry: RefusedEntry, nowMs: number): void {
    this.#count(entry, this.#sort.subjectOf(entry), nowMs)
  }

  /** The summaries of the round that ends now; also forgets subjects whose minute is over. */
  drain(nowMs: number): RefusedSummaryEntry[] {
    for (const [subject, window] of this.#windows) if (nowMs - window.startMs >= MINUTE_MS) this.#windows.delete(subject)
    const round = [...this.#pending.values()]
    this.#pending = new Map()
    return round.map(({ about, count, firstMs, lastMs, samples }) => ({
      ...about,
      count,
      first: isoTime(firstMs),
      last: isoTime(lastMs),
      samples,
    }))
  }

  #count(entry: RefusedEntry, subject: string, nowMs: number): void {
    const summary = this.#summary(entry, subject, nowMs)
    summary.count += 1
    summary.lastMs = nowMs
    if (summary.samples.length < LIMITS.refusalSamplesMax) addSample(summary.samples, this.#sort.sampleOf(entry))
  }

  #window(subject: string, nowMs: number): Window | null {
    const known = this.#windows.get(subject)
    if (known) {
      restart(known, nowMs)
      return known
    }
    if (this.#windows.size >= this.#sort.subjectsMax) return null
    const window = { startMs: nowMs, count: 0 }
    this.#windows.set(subject, window)
    return window
  }

  #summary(entry: RefusedEntry, subject: string, nowMs: number): Summary {
    const { heapOf, counted, summariesMax } = this.#sort
    const heap = subject === EVERYONE ? EVERYONE : heapOf(entry, subject)
    const known = this.#pending.get(heap)
    if (known) {
      const { address } = known.about
      if (address !== EVERYONE && address !== counted(entry, subject).address) known.about = { ...known.about, address: EVERYONE }
      return known
    }
    if (heap !== EVERYONE && this.#pending.size >= summariesMax) return this.#summary(entry, EVERYONE, nowMs)
    const about = counted(entry, subject)
    const summary: Summary = { about, count: 0, firstMs: nowMs, lastMs: nowMs, samples: [] }
    this.#pending.set(heap, summary)
    return summary
  }
}

function restart(window: Window, nowMs: number): void {
  // A clock set back must not leave a window open for ever.
  if (nowMs - window.startMs < MINUTE_MS && nowMs >= window.startMs) return
  window.startMs = nowMs
  window.count = 0
}

function addSample(samples: RefusedSample[], sample: RefusedSample): void {
  const same = (s: RefusedSample): boolean =>
    s.code === sample.code &&
    s.reason === sample.reason &&
    s.key === sample.key &&
    s.method === sample.method &&
    s.route === sample.route &&
    s.service === sample.service &&
    s.path === sample.path
  if (!samples.some(same)) samples.push(sample)
}
