export * from './keys.ts'
export * from './ledger.ts'
