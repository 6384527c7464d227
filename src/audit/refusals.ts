import type { RefusedEntry } from '../contract/index.ts'
import { LIMITS, networkOf } from '../kernel/index.ts'
import { BoundedRefusals, EVERYONE, type Sort } from './bounded-refusals.ts'
import { fitting, type RefusedSample, type RefusedSummaryEntry } from './line.ts'

export interface RefusalLimits {
  readonly refusalsPerAddressPerMinute: number
  readonly refusalsPerMinute: number
  readonly refusalsPerKeyPerMinute: number
  readonly refusalsOfKeysPerMinute: number
  readonly refusalAddressesMax: number
  readonly refusalSummariesMax: number
}

const strangers = (limits: RefusalLimits): Sort => ({
  eachPerMinute: limits.refusalsPerAddressPerMinute,
  allPerMinute: limits.refusalsPerMinute,
  subjectsMax: limits.refusalAddressesMax,
  summariesMax: limits.refusalSummariesMax,
  subjectOf: ({ address }) => networkOf(address),
  heapOf: (_entry, network) => network,
  counted: ({ tenant }, address) => ({ tenant, address }),
  sampleOf: ({ code, reason, key, path }) => ({
    ...said(code, reason, path, LIMITS.refusalSampleBytesMax),
    ...(key !== undefined && { key: fitting(key, LIMITS.refusalSampleBytesMax) }),
  }),
})

/** Whoever was recognised, by key; a summary has one code only, since the figures of a key are taken from it. */
const recognised = (limits: RefusalLimits): Sort => ({
  eachPerMinute: limits.refusalsPerKeyPerMinute,
  allPerMinute: limits.refusalsOfKeysPerMinute,
  subjectsMax: limits.refusalAddressesMax,
  summariesMax: limits.refusalSummariesMax,
  subjectOf: ({ tenant, kind, user, key }) => `${tenant} ${kind} ${key ?? user}`,
  heapOf: ({ code }, subject) => `${subject} ${code}`,
  counted: ({ tenant, kind, user, key, address }, subject) => ({
    tenant,
    ...(kind !== undefined && { kind }),
    ...(subject !== EVERYONE && user !== undefined && { user }),
    ...(subject !== EVERYONE && key !== undefined && { key }),
    address: subject === EVERYONE ? EVERYONE : address,
  }),
  // As much as tells one door from another, or a summary would look like a walk through further ones.
  sampleOf: ({ code, reason, path, method, route, service }) => ({
    ...said(code, reason, path, LIMITS.rawPathCharsMax),
    method,
    route,
    service,
  }),
})

function said(code: string, reason: string | undefined, path: string | undefined, pathBytesMax: number): RefusedSample {
  const sample: RefusedSample = { code }
  if (reason !== undefined) sample.reason = fitting(reason, LIMITS.refusalSampleBytesMax)
  if (path !== undefined) sample.path = fitting(path, pathBytesMax)
  return sample
}

/**
 * Keeps callers from filling the disk: refusals are recorded one by one up to a bound per network or key and a bound in all, and counted beyond it.
 * Strangers cannot use up the lines of those who were recognised.
 */
export class Refusals {
  readonly #strangers: BoundedRefusals
  readonly #recognised: BoundedRefusals

  constructor(limits: RefusalLimits = LIMITS) {
    this.#strangers = new BoundedRefusals(strangers(limits))
    this.#recognised = new BoundedRefusals(recognised(limits))
  }

  /** The refusal as it is to be written, in a line of bounded length; null when it was only counted, and will come out of `drain`. */
  admit(entry: RefusedEntry, nowMs: number): RefusedEntry | null {
    return this.#of(entry).admit(entry, nowMs) ? shortened(entry) : null
  }

  /** Counts a refusal that is not to be written, whatever the bounds say. */
  count(entry: RefusedEntry, nowMs: number): void {
    this.#of(entry).count(entry, nowMs)
  }

  drain(nowMs: number): RefusedSummaryEntry[] {
    return [...this.#strangers.drain(nowMs), ...this.#recognised.drain(nowMs)]
  }

  #of({ kind }: RefusedEntry): BoundedRefusals {
    return kind === undefined ? this.#strangers : this.#recognised
  }
}

/** What a caller chose is cut by its bytes: 256 characters of path could be 1,536 of them. */
function shortened(entry: RefusedEntry): RefusedEntry {
  const short = { ...entry }
  if (short.path !== undefined) short.path = fitting(short.path, LIMITS.rawPathCharsMax)
  if (short.agent !== undefined) short.agent = fitting(short.agent, LIMITS.userAgentCharsMax)
  if (short.reason !== undefined) short.reason = fitting(short.reason, LIMITS.userAgentCharsMax)
  return short
}
