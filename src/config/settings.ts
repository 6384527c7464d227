import { BUILTIN, DIALECTS, parseRouteLine } from '../catalog/index.ts'
import { LIMITS, own } from '../kernel/index.ts'
import * as v from './values.ts'

/** One row per setting: its place in portcullis.yaml, its variable, how it is read and what it is when nobody says. */
export interface Setting {
  readonly key: string
  readonly env: string
  readonly read: v.Parser<unknown>
  readonly fallback: unknown
  /** A fault when nobody says; the fallback then only stands in for it. */
  readonly required?: boolean
  /** Taken at start only; a reload that changes it says so and keeps the old. */
  readonly fixed?: true
  /** Faults within a value that could be read, one for each of its lines. */
  readonly faultsIn?: (value: unknown) => readonly string[]
}

const MiB = 1024 * 1024

export const SETTINGS: readonly Setting[] = [
  { key: 'server.host', env: 'HOST', read: v.text, fallback: '127.0.0.1', fixed: true },
  { key: 'server.port', env: 'PORT', read: v.integer(0, 65_535), fallback: 8080, fixed: true },
  {
    key: 'server.connections_per_address',
    env: 'CONNECTIONS_PER_ADDRESS',
    read: v.integer(1, 100_000),
    fallback: LIMITS.connectionsPerAddressMax,
  },
  { key: 'data_dir', env: 'DATA_DIR', read: v.text, fallback: null, fixed: true },
  { key: 'log_level', env: 'LOG_LEVEL', read: v.logLevel, fallback: 'info' },
  { key: 'api_keys_file', env: 'API_KEYS_FILE', read: v.optionalText, fallback: null },
  { key: 'trusted_proxies', env: 'TRUSTED_PROXIES', read: v.networks, fallback: [] },
  { key: 'cors_origins', env: 'CORS_ORIGINS', read: v.origins, fallback: [] },
  { key: 'heartbeat', env: 'HEARTBEAT', read: v.durationOrOff, fallback: LIMITS.heartbeatMs },
  { key: 'discovery', env: 'DISCOVERY', read: v.flag, fallback: true },
  { key: 'open_lists', env: 'OPEN_LISTS', read: v.flag, fallback: true },
  { key: 'audit.file', env: 'AUDIT_LOG_FILE', read: v.text, fallback: 'logs/audit.log', fixed: true },
  { key: 'audit.sync', env: 'AUDIT_SYNC', read: v.oneOf('sync', 'write'), fallback: 'sync' },
  { key: 'audit.rotate_mib', env: 'AUDIT_ROTATE_MIB', read: v.integer(1, 4_096), fallback: LIMITS.ledgerRotateMiB },
  { key: 'audit.keep_days', env: 'AUDIT_KEEP_DAYS', read: v.integer(1, 36_500), fallback: LIMITS.ledgerKeepDays },
  { key: 'usage.keep_days', env: 'USAGE_KEEP_DAYS', read: v.integer(1, 3_650), fallback: LIMITS.usageLogDays },
  { key: 'usage.content_max', env: 'USAGE_CONTENT_MAX', read: v.sizeUpTo(4 * MiB), fallback: LIMITS.usageContentBytesMax },
  { key: 'usage.content_keep_days', env: 'USAGE_CONTENT_KEEP_DAYS', read: v.integer(1, 3_650), fallback: LIMITS.usageContentDays },
  { key: 'usage.content_total_max', env: 'USAGE_CONTENT_TOTAL_MAX', read: v.size, fallback: LIMITS.usageContentTotalBytesMax },
]

/** The variables whose names people already type; all others are made of the service's name and the key. */
const NAMED_VARIABLES: Readonly<Record<string, string>> = { CHAT_URL: 'OLLAMA_URL' }

/** `first_byte` of service `my-rerank` is MY_RERANK_FIRST_BYTE. */
export function serviceVariable(service: string, key: string): string {
  const name = `${service}_${key.split('.').at(-1)}`.toUpperCase().replaceAll('-', '_')
  const long = key.startsWith('auth.') ? `${service}_${key.replace('.', '_')}`.toUpperCase().replaceAll('-', '_') : name
  return own(NAMED_VARIABLES, long) ?? long
}

/** The block below `services.<name>`; a built-in service has its own defaults for the same block. */
export function serviceSettings(name: string): readonly Setting[] {
  const builtin = own(BUILTIN, name)
  const row = (key: string, read: v.Parser<unknown>, fallback: unknown): Setting => ({
    key: `services.${name}.${key}`,
    env: serviceVariable(name, key),
    read,
    fallback,
  })
  const rows = [
    row('enabled', v.flag, true),
    row('prefix', v.prefix, `/${name}`),
    { ...row('url', v.httpUrl, builtin?.url ?? null), required: builtin === undefined },
    row('dialect', v.oneOf(...(builtin?.dialects ?? DIALECTS.filter((dialect) => dialect === 'plain'))), builtin?.dialect ?? 'plain'),
    row('deadlines.first_byte', v.duration, builtin?.firstByteMs ?? LIMITS.plainFirstByteMsMax),
    row('deadlines.idle', v.duration, LIMITS.idleMsMax),
    row('deadlines.total', v.duration, LIMITS.totalMsMax),
    row('body_max', v.size, builtin?.bodyBytesMax ?? 32 * MiB),
    row('concurrency', v.integer(0, 100_000), builtin?.concurrency ?? 0),
    row('auth.header', v.headerName, null),
    row('auth.value_file', v.optionalText, null),
  ]
  if (name === 'chat') rows.push(row('cloud_models', v.flag, false))
  return builtin === undefined ? [...rows, { ...row('routes', v.lines, []), faultsIn: routeFaults }] : rows
}

const routeFaults = (lines: unknown): readonly string[] =>
  (lines as readonly string[]).map(parseRouteLine).filter((parsed) => typeof parsed === 'string') // made by v.lines
