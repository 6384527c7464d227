/** Columns are named as in SQL; times are integer milliseconds, truth values 0 or 1, lists JSON text, so that every dialect stores them alike. */
export interface Database {
  users: UsersTable
  keys: KeysTable
  key_use: KeyUseTable
  rotations: RotationsTable
}

export interface UsersTable {
  id: string
  tenant: string
  name: string
  created_ms: number
  deleted_ms: number | null
}

export interface KeysTable {
  id: string
  tenant: string
  user_id: string
  secret_phc: string
  old_secret_phc: string | null
  old_secret_until_ms: number | null
  rights: string
  description: string
  rate: string | null
  concurrency: number
  created_ms: number
  expires_ms: number | null
  disabled_ms: number | null
  rotated_ms: number | null
  deleted_ms: number | null
  legacy: number
  /** Which file an imported key came from; a later import of the same file may disable it. */
  legacy_source: string | null
  /** HMAC-SHA256 of a legacy key under the lookup pepper; null for keys of our own format, which are found by their id. */
  lookup_hmac: string | null
  /** The key id inside the text of a legacy key that was rotated into our format; the row's own id stays what the ledger has named it. */
  alias: string | null
}

/** Apart from `keys`, because it changes every minute and they change by a person's hand. */
export interface KeyUseTable {
  key_id: string
  last_used_ms: number
}

export interface RotationsTable {
  id: string
  key_id: string
  idempotency_key: string | null
  rotated_ms: number
  old_secret_until_ms: number
}
