import type { RefusedEntry } from '../contract/index.ts'
import { LIMITS, networkOf } from '../kernel/index.ts'
import { fitting, isoTime, type RefusedSample, type RefusedSummaryEntry } from './line.ts'

export interface RefusalLimits {
  readonly refusalsPerAddressPerMinute: number
  readonly refusalsPerMinute: number
  readonly refusalAddressesMax: number
  readonly refusalSummariesMax: number
}

interface Window {
  startMs: number
  count: number
}

interface Summary {
  readonly tenant: string
  readonly address: string
  count: number
  readonly firstMs: number
  lastMs: number
  readonly samples: RefusedSample[]
}

const MINUTE_MS = 60_000
const EVERYONE = '*'

/**
 * Keeps strangers from filling the disk: refusals without a recognised principal are recorded one by one up to a bound per network and a bound in
 * all, and counted beyond it. Both tables are bounded, because the attacker chooses how many addresses there are.
 */
export class Refusals {
  readonly #limits: RefusalLimits
  readonly #windows = new Map<string, Window>()
  readonly #all: Window = { startMs: Number.NEGATIVE_INFINITY, count: 0 }
  #pending = new Map<string, Summary>()

  constructor(limits: RefusalLimits = LIMITS) {
    this.#limits = limits
  }

  /** The refusal as it is to be written, in a line of bounded length; null when it was only counted, and will come out of `drain`. */
  admit(entry: RefusedEntry, nowMs: number): RefusedEntry | null {
    const network = networkOf(entry.address)
    const window = this.#window(network, nowMs)
    restart(this.#all, nowMs)
    if (window && window.count < this.#limits.refusalsPerAddressPerMinute && this.#all.count < this.#limits.refusalsPerMinute) {
      window.count += 1
      this.#all.count += 1
      return shortened(entry)
    }
    this.count(entry, window ? network : EVERYONE, nowMs)
    return null
  }

  /** Counts a refusal into the summary of a network, or of everyone when there are too many networks. */
  count(entry: RefusedEntry, network: string, nowMs: number): void {
    const known = this.#pending.get(network)
    const summary = known ?? this.#open(entry.tenant, this.#pending.size < this.#limits.refusalSummariesMax ? network : EVERYONE, nowMs)
    summary.count += 1
    summary.lastMs = nowMs
    if (summary.samples.length < LIMITS.refusalSamplesMax) addSample(summary.samples, entry)
  }

  get waiting(): boolean {
    return this.#pending.size > 0
  }

  /** The summaries of the round that ends now; also forgets networks whose minute is over. */
  drain(nowMs: number): RefusedSummaryEntry[] {
    for (const [network, window] of this.#windows) if (nowMs - window.startMs >= MINUTE_MS) this.#windows.delete(network)
    const round = [...this.#pending.values()]
    this.#pending = new Map()
    return round.map(({ tenant, address, count, firstMs, lastMs, samples }) => ({
      tenant,
      address,
      count,
      first: isoTime(firstMs),
      last: isoTime(lastMs),
      samples,
    }))
  }

  #window(network: string, nowMs: number): Window | null {
    const known = this.#windows.get(network)
    if (known) {
      restart(known, nowMs)
      return known
    }
    if (this.#windows.size >= this.#limits.refusalAddressesMax) return null
    const window = { startMs: nowMs, count: 0 }
    this.#windows.set(network, window)
    return window
  }

  #open(tenant: string, network: string, nowMs: number): Summary {
    const known = this.#pending.get(network)
    if (known) return known
    const summary: Summary = { tenant, address: network, count: 0, firstMs: nowMs, lastMs: nowMs, samples: [] }
    this.#pending.set(network, summary)
    return summary
  }
}

/** What a stranger chose is cut by its bytes: 256 characters of path could be 1,536 of them. */
function shortened(entry: RefusedEntry): RefusedEntry {
  const short = { ...entry }
  if (short.path !== undefined) short.path = fitting(short.path, LIMITS.rawPathCharsMax)
  if (short.agent !== undefined) short.agent = fitting(short.agent, LIMITS.userAgentCharsMax)
  if (short.reason !== undefined) short.reason = fitting(short.reason, LIMITS.userAgentCharsMax)
  return short
}

function restart(window: Window, nowMs: number): void {
  // A clock set back must not leave a window open for ever.
  if (nowMs - window.startMs < MINUTE_MS && nowMs >= window.startMs) return
  window.startMs = nowMs
  window.count = 0
}

function addSample(samples: RefusedSample[], entry: RefusedEntry): void {
  const sample: RefusedSample = { code: entry.code }
  if (entry.reason !== undefined) sample.reason = fitting(entry.reason, LIMITS.refusalSampleBytesMax)
  if (entry.key !== undefined) sample.key = fitting(entry.key, LIMITS.refusalSampleBytesMax)
  if (entry.path !== undefined) sample.path = fitting(entry.path, LIMITS.refusalSampleBytesMax)
  const same = (s: RefusedSample): boolean =>
    s.code === sample.code && s.reason === sample.reason && s.key === sample.key && s.path === sample.path
  if (!samples.some(same)) samples.push(sample)
}
