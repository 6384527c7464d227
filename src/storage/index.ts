export { type FileLock, lockFile } from './lock.ts'
export { acquireOwner, DataDirTaken, type Owner, type OwnerInfo, type OwnerOptions } from './owner.ts'
export type {
  CreditsTable,
  Database,
  EndpointsTable,
  KeysTable,
  KeyUseTable,
  ModelEndpointsTable,
  ModelsTable,
  RotationsTable,
  UsageDaysTable,
  UsersTable,
} from './schema.ts'
export { openStore, type Store, type StoreDialect } from './sqlite.ts'
