export { listSegments } from './names.ts'
export { openLedger } from './open.ts'
export type { Ledger, LedgerHead, LedgerLog, LedgerOptions, LedgerSettings, LedgerState, SyncMode } from './types.ts'
