import type { LedgerPlace } from '../audit/index.ts'

export interface UsageLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** How long things are kept, and how much of them. May change while the gateway runs (SIGHUP). */
export interface Retention {
  /** Days of the request log. */
  readonly keepDays: number
  readonly contentKeepDays: number
  /** Of a prompt, and of an answer; what is longer is cut. */
  readonly contentBytesMax: number
  /** Of all that is kept. */
  readonly contentTotalBytesMax: number
}

/** Closes contents under a key that is not in the store; `aad` is bound to them and must be told again. */
export interface ContentSealer {
  seal(bytes: Buffer, aad: string): Buffer
  open(sealed: Buffer, aad: string): Buffer
}

/** What was used, by whatever it is counted. */
export interface Counts {
  readonly requests: number
  readonly refused: number
  readonly tokensIn: number
  readonly tokensOut: number
  readonly characters: number
  readonly images: number
  readonly milliseconds: number
  readonly costMicro: number
}

export type SummaryBy = 'user' | 'key' | 'model' | 'endpoint' | 'day'

export interface SummaryWanted {
  readonly by: SummaryBy
  /** UTC days, both included. */
  readonly from: string
  readonly to: string
  /** By cost, the most first, when absent. */
  readonly order?: 'cost' | 'id'
  /** In the order of ids: those behind this one. */
  readonly after?: string
}

export interface SummaryRow extends Counts {
  /** The id of a user or key, the name of a model or endpoint, a day; empty where the ledger names none. */
  readonly id: string
  /** What people call it. */
  readonly name: string
  /** Whose key it is. */
  readonly user: string | null
}

export interface Summary {
  readonly rows: readonly SummaryRow[]
  /** Rows that are not among them; they are in the total. */
  readonly more: number
  readonly total: Counts
}

/** What one user, key, model or endpoint has cost on this UTC day and in this month. */
export interface SpentRow {
  readonly kind: 'user' | 'key' | 'model' | 'endpoint'
  readonly id: string
  readonly dayMicro: number
  readonly monthMicro: number
}

/** What a request cost that a crash had left open, and that was settled after this process began to count. */
export interface CrashedCharge {
  readonly user: string
  readonly key: string
  readonly model: string
  readonly endpoint: string
  readonly costMicro: number
}

export interface RequestsWanted {
  readonly limit: number
  /** The `next` of the page before. */
  readonly before?: string
  /** Name or id. */
  readonly user?: string
  readonly key?: string
  readonly model?: string
}

export interface LoggedRequest {
  readonly seq: number
  readonly timeMs: number
  readonly request: string
  readonly userId: string
  /** Its name then. */
  readonly user: string
  readonly key: string
  readonly model: string
  readonly endpoint: string
  readonly service: string
  readonly route: string
  readonly status: number
  readonly code: string
  readonly units: Readonly<Record<string, number>>
  readonly costMicro: number
  readonly estimated: boolean
  readonly firstByteMs: number | null
  readonly totalMs: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly ended: string
}

export interface RequestPage {
  /** Newest first. */
  readonly requests: readonly LoggedRequest[]
  readonly next: string | null
}

/** What was sent and answered, as far as it was kept. */
export interface Content {
  readonly prompt: Buffer
  readonly answer: Buffer
  /** Their whole lengths. */
  readonly promptBytes: number
  readonly answerBytes: number
}

export interface KeptContent extends Pick<Content, 'prompt' | 'answer'> {
  readonly request: string
  readonly atMs: number
  /** Where the caller has cut them already. */
  readonly promptBytes?: number
  readonly answerBytes?: number
}

export interface FoundRequest {
  readonly request: LoggedRequest
  readonly content: Content | null
  /** Why what was kept cannot be read. */
  readonly contentFault: string | null
}

export interface UsageState {
  /** False while the ledger cannot be followed, or its thread is down. */
  readonly ok: boolean
  /** The last line that is in the accounts; null before it was looked. */
  readonly seq: number | null
  /** The ledger's lines that are not. */
  readonly behind: number
  /** The longest time that nobody else could write to the store, since the start. */
  readonly longestTransactionMs: number
  readonly lastError: string | null
}

export interface Usage {
  /** Of a prompt or an answer that is to be kept; whoever gathers one need not gather more. */
  readonly contentBytesMax: number
  /** All lines acknowledged by now are in the accounts; or why they are not is in the log. */
  caughtUp(): Promise<void>
  /** The same within a bound; rejects with STORE_UNAVAILABLE where that cannot be. For whoever must not go on without them. */
  upToDate(): Promise<void>
  /** From now on follows by itself, and tells of what is settled for requests of a process that crashed. */
  follow(onCrashed?: (charge: CrashedCharge) => void): void
  spentThisMonth(): Promise<readonly SpentRow[]>
  summary(wanted: SummaryWanted): Promise<Summary>
  requests(wanted: RequestsWanted): Promise<RequestPage>
  request(id: string): Promise<FoundRequest | null>
  /** Seals and keeps what a request held. Never waits, and gives up rather than fill the memory. */
  keepContent(content: KeptContent): void
  /** Leaves out what cannot be read of the ledger, and goes on from its present end. A person decides that; see docs/usage.md. */
  skip(): Promise<{ readonly from: LedgerPlace | null; readonly to: LedgerPlace }>
  reconfigure(retention: Retention): void
  /** For the ledger's retention: true until every line of this segment is in the accounts. */
  stillReads(segment: string): boolean
  state(): UsageState
  close(): Promise<void>
}
