import {
  type CreateKeyBody,
  type EditKeyBody,
  type ImportKeysAnswer,
  importKeysAnswer,
  type KeyDetail,
  type KeyView,
  type KeyWithSecret,
  keyDetail,
  keyView,
  keyWithSecret,
  type ListKeysAnswer,
  listKeysAnswer,
  type ValidateKeyAnswer,
  validateKeyAnswer,
} from '../contract/index.ts'
import { LIMITS } from '../kernel/index.ts'
import { type KeyFile, readKeyFile, SecretFileFault } from '../secrets/index.ts'
import { type AdminClient, ask } from './key-client.ts'
import { EXIT, Exit } from './terminal.ts'

/** What can be done with keys, for commands and the menu alike. */
const KEYS = '/admin/api/keys'

export interface ListOptions {
  readonly all: boolean
  readonly user?: string
  readonly limit?: number
}

export interface RotateOptions {
  readonly graceSeconds: number
  readonly idempotencyKey?: string
}

export const generateKey = (client: AdminClient, input: CreateKeyBody): Promise<KeyWithSecret> =>
  ask(client, keyWithSecret, 'POST', KEYS, input)

/** Page after page, so that neither the gateway nor this process ever holds all of many keys at once. */
export async function* keyPages(
  client: AdminClient,
  { all, user, limit = Number.POSITIVE_INFINITY }: ListOptions,
): AsyncGenerator<ListKeysAnswer> {
  let left = limit
  for (let after: string | null = ''; after !== null && left > 0; ) {
    const query = new URLSearchParams({ all: String(all), limit: String(Math.min(left, LIMITS.listPageKeysMax)) })
    if (user !== undefined) query.set('user', user)
    if (after !== '') query.set('after', after)
    const page: ListKeysAnswer = await ask(client, listKeysAnswer, 'GET', `${KEYS}?${query}`)
    left -= page.keys.length
    after = page.next
    yield page
  }
}

/** All of them at once, for who picks one. */
export async function listKeys(client: AdminClient, options: ListOptions): Promise<readonly KeyView[]> {
  const keys: KeyView[] = []
  for await (const page of keyPages(client, options)) keys.push(...page.keys)
  return keys
}

export const showKey = (client: AdminClient, id: string): Promise<KeyDetail> => ask(client, keyDetail, 'GET', pathOf(id))

export const editKey = (client: AdminClient, id: string, body: EditKeyBody): Promise<KeyView> =>
  ask(client, keyView, 'PATCH', pathOf(id), body)

export const disableKey = (client: AdminClient, id: string, now: boolean): Promise<KeyView> =>
  ask(client, keyView, 'POST', `${pathOf(id)}/disable`, { now })

export const enableKey = (client: AdminClient, id: string): Promise<KeyView> => ask(client, keyView, 'POST', `${pathOf(id)}/enable`, {})

export const rotateKey = (client: AdminClient, id: string, { graceSeconds, idempotencyKey }: RotateOptions): Promise<KeyWithSecret> =>
  ask(client, keyWithSecret, 'POST', `${pathOf(id)}/rotate`, {
    grace_seconds: graceSeconds,
    ...(idempotencyKey !== undefined && { idempotency_key: idempotencyKey }),
  })

export const validateKey = (client: AdminClient, key: string): Promise<ValidateKeyAnswer> =>
  ask(client, validateKeyAnswer, 'POST', `${KEYS}/validate`, { key })

/** An old key file; one that cannot be used is a fault of the command line. */
export function keyFileAt(path: string): KeyFile {
  try {
    return readKeyFile(path)
  } catch (thrown) {
    if (thrown instanceof SecretFileFault) throw new Exit(EXIT.usage, thrown.message)
    throw thrown
  }
}

export const importKeys = (client: AdminClient, file: KeyFile, rightsFromService: boolean): Promise<ImportKeysAnswer> =>
  ask(client, importKeysAnswer, 'POST', `${KEYS}/import`, { ...file, rights_from_service: rightsFromService })

/** A whole key where an id belongs must not travel in a request line, well-formed or not: only what a key id shows of it is sent. */
function pathOf(id: string): string {
  const text = id.trim()
  const shown = text.startsWith('pcl_') ? text.slice(4, 16) : text.length >= LEGACY_KEY_CHARS_MIN ? text.slice(0, 8) : text
  return `${KEYS}/${encodeURIComponent(shown)}`
}

/** Longer than any key id. */
const LEGACY_KEY_CHARS_MIN = 20

const GRACE = /^(\d{1,6})(s|m|h|d)$/
const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const

/** `24h`, `30m`, `7d`, or `0` for no grace; null when it is none of these. */
export function parseGrace(text: string): number | null {
  if (text.trim() === '0') return 0
  const match = GRACE.exec(text.trim())
  if (!match) return null
  return Number(match[1]) * SECONDS[match[2] as keyof typeof SECONDS] // the expression admits only these four letters
}
