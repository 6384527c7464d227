import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

/** The parts of a Compose service that our rules speak of. */
export interface ComposeService {
  readonly image?: string
  readonly build?: string
  readonly container_name?: string
  readonly user?: string
  readonly privileged?: boolean
  readonly network_mode?: string
  readonly restart?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly security_opt?: readonly string[]
  /** Null passes on what .env says, and nothing where it says nothing. */
  readonly environment?: Readonly<Record<string, string | null>>
  readonly env_file?: readonly string[]
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean }
  readonly profiles?: readonly string[]
  readonly networks?: readonly string[] | Readonly<Record<string, { readonly ipv4_address?: string }>>
  readonly extra_hosts?: readonly string[]
  readonly stop_grace_period?: string
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const root = new URL('../../', import.meta.url)
export const composeText = readFileSync(new URL('docker-compose.yml', root), 'utf8')
/** As it is written, anchors resolved, variables not filled in. */
export const compose = parse(composeText, { merge: true }) as ComposeFile // the schema test says that it is one

/** `${NAME:-value}` as the value that holds when nobody sets NAME. */
export const filled = (text: string): string => text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')

export const variablesOf = (text: string): readonly string[] => [...text.matchAll(/\$\{(\w+)/g)].map(([, name = '']) => name)
