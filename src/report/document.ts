import type { Spread } from './count/histogram.ts'
import type { Count } from './count/tally.ts'
import type { Threat } from './threats/threat.ts'

/** The report as a value: what `--json` prints, and what the text and the page are drawn from. Times are ISO 8601, UTC. */
export interface Report {
  readonly report: {
    readonly version: 1
    readonly made_at: string
    readonly hours: number | null
    readonly from: string | null
    readonly to: string | null
    readonly files: readonly FileRead[]
    readonly notes: readonly string[]
  }
  readonly summary: Summary
  /** More than `threats` holds where somebody has filled the log. */
  readonly threats_total: number
  readonly threats: readonly Threat[]
  readonly users: readonly UserRow[]
}

export interface FileRead {
  readonly name: string
  readonly lines: number
  readonly malformed: number
  /** Why reading stopped before its end, if it did. */
  readonly fault: string | null
}

export interface Malformed {
  readonly file: string
  readonly line: number
  readonly why: string
}

/** Names with their counts, the busiest first. `distinct` is a lower bound where `exact` is false. */
export interface Ranking {
  readonly distinct: number
  readonly exact: boolean
  readonly top: readonly Count[]
}

export interface AddressRow {
  readonly address: string
  readonly requests: number
  readonly denied: number
  readonly first: string
  readonly last: string
}

export interface Summary {
  readonly lines: {
    readonly read: number
    readonly in_range: number
    readonly malformed: number
    /** Requests in the front's log that reached the gate, and so stand in the ledger. */
    readonly passed_on: number
    readonly malformed_shown: readonly Malformed[]
  }
  readonly requests: {
    readonly total: number
    readonly served: number
    readonly failed: number
    readonly refused: number
    readonly denied: number
  }
  readonly events: readonly Count[]
  readonly methods: readonly Count[]
  readonly endpoints: Ranking
  readonly addresses: { readonly distinct: number; readonly exact: boolean; readonly top: readonly AddressRow[] }
  readonly authorised: { readonly total: number; readonly by_user: Ranking; readonly by_service: readonly Count[] }
  readonly denied: {
    readonly total: number
    readonly by_address: readonly AddressRow[]
    readonly by_endpoint: readonly Count[]
    readonly by_reason: readonly Count[]
  }
  readonly errors: readonly ErrorRow[]
  readonly slowest_routes: readonly (Spread & { readonly endpoint: string })[]
  readonly services: readonly ServiceRow[]
  readonly models: readonly ModelRow[]
  readonly endings: readonly Count[]
  readonly unfinished: { readonly count: number; readonly exact: boolean; readonly shown: readonly UnfinishedRow[] }
  readonly old_secrets: readonly OldSecretRow[]
  readonly lifecycle: readonly Count[]
  readonly timeline: {
    readonly width_ms: number
    readonly buckets: readonly { at: string; served: number; failed: number; refused: number; denied: number }[]
  }
}

export interface ErrorRow {
  readonly service: string
  readonly status: number
  readonly code: string
  readonly count: number
}

export interface ServiceRow {
  readonly service: string
  readonly requests: number
  readonly served: number
  readonly bytes_in: number
  readonly bytes_out: number
  readonly units: Readonly<Record<string, number>>
  /** Requests whose units the gate had to estimate. */
  readonly estimated: number
  readonly first_byte: Spread | null
}

export interface ModelRow {
  readonly model: string
  readonly requests: number
  readonly units: Readonly<Record<string, number>>
}

export interface UnfinishedRow {
  readonly request: string
  readonly time: string
  readonly user: string
  readonly key: string
  readonly address: string
  readonly endpoint: string
  readonly file: string
  readonly line: number
}

export interface OldSecretRow {
  readonly key: string
  readonly user: string
  readonly count: number
  readonly last: string
}

export interface UserRow {
  readonly user: string
  readonly first: string
  readonly last: string
  readonly requests: number
  readonly failed: number
  readonly refused: number
  readonly denied: number
  readonly units: Readonly<Record<string, number>>
  readonly bytes_in: number
  readonly bytes_out: number
  readonly services: readonly Count[]
  readonly endpoints: readonly Count[]
  readonly addresses: Ranking
  readonly keys: readonly string[]
}
