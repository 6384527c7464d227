import type { LedgerPlace } from '../audit/index.ts'
import type { Progress } from './project/follower.ts'
import type { ContentsTable } from './tables.ts'
import type { CrashedCharge, LoggedRequest, RequestPage, RequestsWanted, SpentRow, Summary, SummaryWanted } from './types.ts'

/** What the main thread and the one that keeps the accounts say to each other. */

/** Each question with what is asked and what is answered. */
export interface Questions {
  caughtUp: { asked: null; answer: Progress }
  summary: { asked: SummaryWanted; answer: Summary }
  requests: { asked: RequestsWanted; answer: RequestPage }
  request: { asked: string; answer: { readonly request: LoggedRequest; readonly content: ContentsTable | null } | null }
  spent: { asked: string; answer: readonly SpentRow[] }
  skip: { asked: LedgerPlace; answer: LedgerPlace | null }
}

export type Question = keyof Questions

export interface Bounds {
  readonly logFirstDay: string
  readonly countsFirstDay: string
  readonly contentFirstDay: string
  readonly contentTotalBytesMax: number
}

export type Order =
  | { readonly order: 'follow'; readonly head: LedgerPlace }
  /** `head`: what is acknowledged by now, which the answer shall count if it can. */
  | { readonly order: 'ask'; readonly id: number; readonly question: Question; readonly asked: unknown; readonly head: LedgerPlace | null }
  | { readonly order: 'keep'; readonly row: ContentsTable }
  | { readonly order: 'tidy'; readonly bounds: Bounds }
  | { readonly order: 'stop' }

export type Word =
  | { readonly word: 'progress'; readonly progress: Progress; readonly crashed: readonly CrashedCharge[] }
  | { readonly word: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly word: 'failed'; readonly id: number; readonly reason: string }
  | { readonly word: 'kept'; readonly bytes: number }
  | { readonly word: 'log'; readonly level: 'info' | 'warn' | 'error'; readonly fields: object; readonly message: string }

export interface WorkerData {
  readonly storeFile: string
  readonly ledgerFile: string
  readonly bounds: Bounds
}
