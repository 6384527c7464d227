import type { Generated } from 'kysely'

/** Columns are named as in SQL; times are integer milliseconds, truth values 0 or 1, lists JSON text, so that every dialect stores them alike. */
export interface Database {
  users: UsersTable
  keys: KeysTable
  key_use: KeyUseTable
  rotations: RotationsTable
  endpoints: EndpointsTable
  models: ModelsTable
  model_endpoints: ModelEndpointsTable
  credits: CreditsTable
  projections: ProjectionsTable
  usage_days: UsageDaysTable
  log_days: LogDaysTable
}

export interface UsersTable {
  id: string
  tenant: string
  name: string
  email: string | null
  organisation: string | null
  /** Millionths; null is not billed. Only ever changed by adding to it, so that credits and the projection's charges cannot undo each other. */
  balance_micro: number | null
  rate: string | null
  concurrency: Generated<number>
  tokens_per_minute: number | null
  budget_day_micro: number | null
  budget_month_micro: number | null
  created_ms: number
  disabled_ms: number | null
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
  tokens_per_minute: number | null
  budget_day_micro: number | null
  budget_month_micro: number | null
  /** The models it may use, as a list; null is all of them. */
  models: string | null
  /** The networks it may be used from, as a list; null is all of them. */
  networks: string | null
  /** 1 where prompts and answers are kept. */
  log_content: Generated<number>
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

export interface EndpointsTable {
  id: string
  tenant: string
  name: string
  url: string
  dialect: string
  /** The protocols it speaks, as a list, where they are not those of its dialect. */
  speaks: string | null
  /** The provider's own key, sealed; the row's id is bound into it. */
  sealed_key: string | null
  rpm: number | null
  per_day: number | null
  tokens_per_minute: number | null
  budget_day_micro: number | null
  budget_month_micro: number | null
  concurrency: number
  priority: number
  abort: string
  /** `allow` where a caller may name what the backend fetches. */
  remote: string
  discover: number
  created_ms: number
  disabled_ms: number | null
  deleted_ms: number | null
}

export interface ModelsTable {
  id: string
  tenant: string
  /** The public id. */
  name: string
  capability: string
  unit: string
  price_in_micro: number
  price_out_micro: number
  rpm: number | null
  per_day: number | null
  tokens_per_minute: number | null
  budget_day_micro: number | null
  budget_month_micro: number | null
  concurrency: number
  /** The public id of the model that serves when none of its own endpoints can. */
  fallback: string | null
  options: string
  created_ms: number
  disabled_ms: number | null
  deleted_ms: number | null
}

export interface ModelEndpointsTable {
  model_id: string
  /** An endpoint's id, or `builtin:<service>`. */
  endpoint: string
  /** The model's name there; null where the backend has no models to choose from. */
  upstream: string | null
  position: number
}

export interface CreditsTable {
  id: string
  user_id: string
  amount_micro: number
  time_ms: number
  note: string
}

/** How far a projection has read the ledger: the last line that it holds, and where that ends. */
export interface ProjectionsTable {
  name: string
  segment: string
  /** Of the segment, up to the end of that line. */
  bytes: number
  seq: number
  /** Of that line: the next one is chained to it, or it is another ledger. */
  hash: string
}

export interface UsageDaysTable {
  /** UTC, `2026-11-21`. */
  day: string
  user_id: string
  key_id: string
  model: string
  endpoint: string
  requests: number
  /** Of a key that was recognised; without model and endpoint. */
  refused: number
  tokens_in: number
  tokens_out: number
  characters: number
  images: number
  milliseconds: number
  cost_micro: number
}

/** Which days have a table of their own, and of what. */
export interface LogDaysTable {
  day: string
  kind: 'requests' | 'contents'
}
