import type { IntentEntry, LifecycleEntry, OutcomeEntry, RefusedEntry } from '../contract/index.ts'
import type { Clock } from '../kernel/index.ts'

export type SyncMode = 'sync' | 'write'

export interface LedgerLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What may change while the gateway runs (SIGHUP). */
export interface LedgerSettings {
  /** `sync`: an intent is on disk (fdatasync) before it resolves. `write`: it is in the kernel, which survives our death but not the machine's. */
  readonly sync: SyncMode
  readonly rotateMiB: number
  readonly keepDays: number
  readonly keepBytesMax?: number
}

export interface LedgerOptions extends LedgerSettings {
  /** The active segment, such as logs/audit.log; rotated segments stand beside it. */
  readonly file: string
  /** Holds ledger.key, ledger.pub, ledger.seal and ledger.path: not beside the log, so that who can write the log cannot sign it. */
  readonly keyDir: string
  readonly clock: Clock
  readonly log: LedgerLog
  /** Finished segments are gzipped in the background, unless this is false. */
  readonly compress?: boolean
  /** True while somebody still has to read a finished segment, such as a projection: retention then leaves it and what came after it. */
  readonly stillRead?: (segment: string) => boolean
  readonly host?: string
  readonly pid?: number
  /** Called when the ledger becomes writable or stops being so. */
  readonly onState?: (ok: boolean) => void
}

export interface LedgerState {
  readonly ok: boolean
  /** Lines accepted and not yet acknowledged by the disk, outcomes among them. */
  readonly waitingLines: number
  readonly waitingOutcomes: number
  /** Age of the oldest of them. */
  readonly lagMs: number
  readonly segment: string
  /** Sequence of the last acknowledged line; -1 before the first. */
  readonly seq: number
  readonly lastError?: string
}

/** Where the ledger ends, as far as the disk has acknowledged. Kept elsewhere, `seal` proves that nothing before it was cut or changed. */
export interface LedgerHead {
  readonly segment: string
  readonly bytes: number
  readonly seq: number
  readonly hash: string
  /** The latest seal, the line exactly as it stands in the ledger. */
  readonly seal?: string
}

export interface Ledger {
  /** Resolves once the line is durable; rejects with AUDIT_UNAVAILABLE, and then the ledger itself records the refusal. */
  intent(entry: IntentEntry): Promise<void>
  outcome(entry: OutcomeEntry): void
  refused(entry: RefusedEntry): void
  lifecycle(entry: LifecycleEntry): Promise<void>
  state(): LedgerState
  head(): LedgerHead
  seal(): Promise<void>
  reconfigure(settings: LedgerSettings): void
  close(): Promise<void>
}

/** The work behind the ledger: it reads finished segments, and must have ended before the ledger closes. */
export interface Behind {
  rotated(): void
  closing(): Promise<void>
  /** Nothing will be written any more. */
  closed(): void
}
