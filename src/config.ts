import { existsSync, readFileSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BUILTIN, type Service, type ServiceSettings, toService } from './catalog/index.ts'
import { type ConfigDocument, type Fault, readDocument } from './config/document.ts'
import { SETTINGS, type Setting, serviceSettings } from './config/settings.ts'
import type { LogLevel, Parsed } from './config/values.ts'
import { reasonOf } from './kernel/index.ts'
import { readSecretFile } from './secrets/index.ts'

export type { Fault } from './config/document.ts'

/** What the gateway runs by. Made here and nowhere else: no other file reads the environment or portcullis.yaml. */
export interface Config {
  readonly file: string | null
  readonly host: string
  readonly port: number
  readonly connectionsPerAddressMax: number
  readonly dataDir: string
  readonly logLevel: LogLevel
  readonly apiKeysFile: string | null
  readonly trustedProxies: readonly string[]
  readonly corsOrigins: readonly string[]
  /** How long a stream of /v1 may be silent before its caller is told that it lives; 0 never tells. */
  readonly heartbeatMs: number
  /** Whether the models that backends list appear by themselves. */
  readonly discovery: boolean
  /** Whether the lists of voices and speech models are for anybody. */
  readonly openLists: boolean
  readonly audit: { readonly file: string; readonly sync: 'sync' | 'write'; readonly rotateMiB: number; readonly keepDays: number }
  readonly usage: {
    readonly keepDays: number
    readonly contentBytesMax: number
    readonly contentKeepDays: number
    readonly contentTotalBytesMax: number
  }
  readonly services: readonly Service[]
  /** Settings that a reload cannot change, as text, to be compared. */
  readonly fixed: Readonly<Record<string, string>>
}

/** Every fault at once: mending them one by one, a start for each, is what people hate about configuration. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly Fault[]
  constructor(faults: readonly Fault[]) {
    super(faults.map(({ where, what }) => `${where}: ${what}`).join('\n'))
    this.faults = faults
  }
}

type Environment = Readonly<Record<string, string | undefined>>

/** The package's own root: relative paths mean the same wherever the command is run from. */
export const PACKAGE_ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Environment beats file beats default. */
export function loadConfig(env: Environment = process.env): Config {
  const faults: Fault[] = []
  const file = configFile(env)
  const document = readFile(file, env, faults)
  const source: Source = { env, document, faults, covered: faults, wrong: new Set() }
  const read = <T>(setting: Setting): T => readSetting(setting, source) as T // each row's parser makes its type
  const general = Object.fromEntries(SETTINGS.map((setting) => [setting.key, read(setting)]))
  const names = serviceNames(document, faults)
  const services = names.map((name) => readService(name, read, source))
  nameUnknownKeys(document, names, faults)
  refuseSharedPrefixes(services, faults)
  refuseSharedVariables(names, faults)
  if (faults.length > 0) throw new ConfigError(faults)
  return {
    file: document === null ? null : file,
    host: general['server.host'] as string, // the rows of SETTINGS make these types; the table is tested against this object
    port: general['server.port'] as number,
    connectionsPerAddressMax: general['server.connections_per_address'] as number,
    dataDir: general.data_dir === null ? defaultDataDir(env) : fromRoot(general.data_dir as string),
    logLevel: general.log_level as LogLevel,
    apiKeysFile: general.api_keys_file === null ? null : fromRoot(general.api_keys_file as string),
    trustedProxies: general.trusted_proxies as readonly string[],
    corsOrigins: general.cors_origins as readonly string[],
    heartbeatMs: general.heartbeat as number,
    discovery: general.discovery as boolean,
    openLists: general.open_lists as boolean,
    audit: {
      file: fromRoot(general['audit.file'] as string),
      sync: general['audit.sync'] as 'sync' | 'write',
      rotateMiB: general['audit.rotate_mib'] as number,
      keepDays: general['audit.keep_days'] as number,
    },
    usage: {
      keepDays: general['usage.keep_days'] as number,
      contentBytesMax: general['usage.content_max'] as number,
      contentKeepDays: general['usage.content_keep_days'] as number,
      contentTotalBytesMax: general['usage.content_total_max'] as number,
    },
    services: services.map(toService),
    fixed: Object.fromEntries(SETTINGS.filter(({ fixed }) => fixed).map(({ key }) => [key, String(general[key])])),
  }
}

/**
 * Where data and ledger are, for commands that need no more. A wrong value elsewhere in the file must not keep a ledger from being verified; but when
 * the file cannot be understood, or names something that may be one of these two misspelled, the default would be another ledger than the person's.
 */
export function loadPaths(env: Environment = process.env): { ledgerFile: string; dataDir: string } {
  const faults: Fault[] = []
  const document = readFile(configFile(env), env, faults)
  // What the environment covers cannot lead astray here; the whole check names it.
  const source: Source = { env, document, faults, covered: [], wrong: new Set() }
  const read = (key: string): string | null => {
    const setting = SETTINGS.find((one) => one.key === key)
    return setting === undefined ? null : (readSetting(setting, source) as string | null) // both rows are texts
  }
  const dataDir = read('data_dir')
  const ledgerFile = read('audit.file')
  nameUnknownKeys(document, [], faults, (key) => !key.startsWith('services.'))
  // Whoever mends the file is told all that is wrong with it, and not only what these two settings met.
  if (faults.length > 0) loadConfig(env)
  return {
    ledgerFile: fromRoot(ledgerFile ?? 'logs/audit.log'),
    dataDir: dataDir === null ? defaultDataDir(env) : fromRoot(dataDir),
  }
}

export const hostName = (): string => hostname()

const fromRoot = (path: string): string => (isAbsolute(path) ? path : resolve(PACKAGE_ROOT, path))

const configFile = (env: Environment): string => fromRoot(env.PORTCULLIS_CONFIG ?? 'portcullis.yaml')

const defaultDataDir = (env: Environment): string => join(env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'portcullis')

function readFile(file: string, env: Environment, faults: Fault[]): ConfigDocument | null {
  if (!existsSync(file)) {
    if (env.PORTCULLIS_CONFIG !== undefined) faults.push({ where: 'PORTCULLIS_CONFIG', what: `there is no file ${file}` })
    return null
  }
  try {
    const document = readDocument(file, readFileSync(file, 'utf8'))
    faults.push(...document.faults)
    return document.faults.length > 0 ? null : document
  } catch (error) {
    faults.push({ where: file, what: `cannot be read: ${reasonOf(error)}` })
    return null
  }
}

const whereOf = (key: string, document: ConfigDocument | null): string => {
  const line = document?.lineOf(key)
  return document === null || line === null || line === undefined ? key : `${document.name}:${line} ${key}`
}

/** Where settings are read from, and what is found wrong on the way. */
interface Source {
  readonly env: Environment
  readonly document: ConfigDocument | null
  readonly faults: Fault[]
  /** Faults of the file where a variable stands before it: they come to light on the day the variable goes. */
  readonly covered: Fault[]
  /** Keys whose value could not be taken, so that no second fault is made of the first. */
  readonly wrong: Set<string>
}

function readSetting(setting: Setting, source: Source): unknown {
  const { env, document, faults, covered, wrong } = source
  const { key } = setting
  const fromEnv = env[setting.env]
  const fromFile = document?.get(key)
  const here = whereOf(key, document)
  const file = fromFile === undefined ? null : tryValue(setting, fromFile, here, fromEnv === undefined ? faults : covered)
  const taken = fromEnv === undefined ? file : tryValue(setting, fromEnv, setting.env, faults)
  if (taken !== null && 'value' in taken) return taken.value
  if (taken !== null) wrong.add(key)
  else if (setting.required) faults.push({ where: here, what: 'is missing' })
  return setting.fallback
}

function tryValue(setting: Setting, raw: unknown, where: string, faults: Fault[]): Parsed<unknown> {
  const parsed = setting.read(raw)
  if ('wrong' in parsed) faults.push({ where, what: `${parsed.wrong}${shown(setting, raw)}` })
  else for (const what of setting.faultsIn?.(parsed.value) ?? []) faults.push({ where, what })
  return parsed
}

/** A faulty value, so that it is found; but not where it may be a credential in the wrong place. Faults are printed, logged and recorded. */
function shown({ key }: Setting, raw: unknown): string {
  if (key.includes('.auth.')) return ' (it is not repeated, in case it is the credential itself)'
  const text = JSON.stringify(raw) ?? String(raw)
  return ` (it is ${text.replaceAll(/\/\/[^/?#"]*@/g, '//…@').replaceAll(/[?#][^"]*/g, '?…')})`
}

function serviceNames(document: ConfigDocument | null, faults: Fault[]): readonly string[] {
  const configured = document?.get('services')
  const names = typeof configured === 'object' && configured !== null ? Object.keys(configured) : []
  for (const name of names) {
    if (!/^[a-z][a-z0-9-]{0,31}$/.test(name)) {
      faults.push({
        where: whereOf(`services.${name}`, document),
        what: `"${name}" cannot name a service: want lower case letters, digits and -`,
      })
    }
  }
  return [...new Set([...Object.keys(BUILTIN), ...names])]
}

function readService(name: string, read: <T>(setting: Setting) => T, source: Source): ServiceSettings {
  const { document, faults } = source
  const values = Object.fromEntries(serviceSettings(name).map((setting) => [setting.key.slice(`services.${name}.`.length), read(setting)]))
  const routeLines = (values.routes ?? []) as readonly string[] // made by the row's parser, as all below
  if (!Object.hasOwn(BUILTIN, name) && routeLines.length === 0)
    faults.push({ where: whereOf(`services.${name}`, document), what: 'want routes' })
  return {
    name,
    enabled: values.enabled as boolean,
    prefix: values.prefix as string,
    url: (values.url ?? 'http://127.0.0.1') as string,
    dialect: values.dialect as ServiceSettings['dialect'],
    deadlines: {
      firstByteMs: values['deadlines.first_byte'] as number,
      idleMs: values['deadlines.idle'] as number,
      totalMs: values['deadlines.total'] as number,
    },
    bodyBytesMax: values.body_max as number,
    concurrency: values.concurrency as number,
    auth: readAuth(name, values['auth.header'] as string | null, values['auth.value_file'] as string | null, source),
    allowCloudModels: (values.cloud_models ?? false) as boolean,
    routeLines,
  }
}

function readAuth(name: string, header: string | null, file: string | null, source: Source): ServiceSettings['auth'] {
  const { document, faults, wrong } = source
  const key = `services.${name}.auth.value_file`
  if (file === null) {
    if (header !== null && !wrong.has(key))
      faults.push({ where: whereOf(`services.${name}.auth.header`, document), what: 'want auth.value_file beside auth.header' })
    return null
  }
  try {
    return { header: header ?? 'authorization', value: readSecretFile(fromRoot(file)) }
  } catch (error) {
    const what = reasonOf(error)
    // Whoever writes the secret itself there must not find it in a log; a path that begins as one is no secret.
    const told = /^(?:\/|\.{1,2}\/)/.test(file)
      ? what
      : what.replaceAll(fromRoot(file), '… (not repeated, in case it is the secret itself)')
    faults.push({ where: whereOf(key, document), what: told })
    return null
  }
}

function nameUnknownKeys(
  document: ConfigDocument | null,
  names: readonly string[],
  faults: Fault[],
  looksAt = (_key: string): boolean => true,
): void {
  if (document === null) return
  const known = new Set([...SETTINGS, ...names.flatMap(serviceSettings)].map(({ key }) => key))
  // Keys below a setting are a value of the wrong type, which its parser has named.
  const isKnown = (key: string): boolean => key.split('.').some((_part, at, parts) => known.has(parts.slice(0, at + 1).join('.')))
  for (const key of document.keys()) {
    if (looksAt(key) && !isKnown(key)) faults.push({ where: whereOf(key, document), what: `there is no setting ${key}` })
  }
}

/** A service may not stand in another's place, nor in that of the gate's own routes. */
const RESERVED = new Set(['/health', '/ready', '/status', '/metrics', '/admin', '/console', '/v1'])

function refuseSharedPrefixes(services: readonly ServiceSettings[], faults: Fault[]): void {
  const taken = new Map<string, string>()
  for (const { name, prefix } of services) {
    const other = RESERVED.has(prefix) ? 'the gate itself' : taken.get(prefix)
    if (other !== undefined) faults.push({ where: `services.${name}.prefix`, what: `${prefix} belongs to ${other}` })
    taken.set(prefix, name)
  }
}

/** A service named `ollama` would be read from OLLAMA_URL, which is chat's: one variable then sends two services' requests to one backend. */
function refuseSharedVariables(names: readonly string[], faults: Fault[]): void {
  const taken = new Map<string, string>()
  for (const { key, env } of [...SETTINGS, ...names.flatMap(serviceSettings)]) {
    const other = taken.get(env)
    if (other !== undefined)
      faults.push({ where: key, what: `two settings share the variable ${env}, this and ${other}; choose another name` })
    taken.set(env, key)
  }
}
