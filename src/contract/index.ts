export * from './issues.ts'
export * from './keys.ts'
export * from './ledger.ts'
export * from './media.ts'
