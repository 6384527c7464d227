export { type FileLock, lockFile } from './lock.ts'
export { acquireOwner, DataDirTaken, type Owner, type OwnerInfo, type OwnerOptions } from './owner.ts'
export type {
  CreditsTable,
  Database,
  EndpointsTable,
  KeysTable,
  KeyUseTable,
  LogDaysTable,
  ModelEndpointsTable,
  ModelsTable,
  ProjectionsTable,
  RotationsTable,
  UsageDaysTable,
  UsersTable,
} from './schema.ts'
export { openBeside, openStore, type Store, type StoreBeside, type StoreDialect } from './sqlite.ts'
