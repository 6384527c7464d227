import { DEFAULT_TENANT, GatewayError, LIMITS, newKeyId, parseRate, type Right, rightsOf, Secret } from '../kernel/index.ts'
import { findKey } from './finding.ts'
import { keyIdOf, LEGACY_KEY_PATTERN, mintKey } from './format.ts'
import type { House } from './house.ts'
import { type ImportOptions, type ImportReport, importLegacy } from './import.ts'
import { infoOf, type KeyInfo, type KeyState, type KeyWithSecret, stateOf } from './info.ts'
import { type KeyFilter, type KeyList, listKeys } from './listing.ts'
import type { KeyRecord } from './record.ts'
import type { RefusalReason } from './refusal.ts'
import { type RotateOptions, Rotations } from './rotations.ts'
import { disableKey, enableKey } from './states.ts'

export interface NewKeyInput {
  readonly user: string
  /** Words as people write them: `chat`, `tts`, `all`, `manage:chat`. */
  readonly rights: readonly string[]
  readonly description: string
  readonly expiresMs: number | null
  readonly rate: string | null
  readonly concurrency: number
}

export interface KeyVerdict {
  readonly valid: boolean
  readonly reason: RefusalReason | Exclude<KeyState, 'active'> | null
  readonly key: KeyInfo | null
}

/** Key management, whoever asks for it. Every method answers after the store has it; all but `list` want the keys loaded. `idOrStart` is what `findKey` understands. */
export interface KeyService {
  create(input: NewKeyInput): Promise<KeyWithSecret>
  list(filter?: KeyFilter): Promise<KeyList>
  show(idOrStart: string): KeyInfo
  disable(idOrStart: string, options?: { readonly now?: boolean }): Promise<KeyInfo>
  enable(idOrStart: string): Promise<KeyInfo>
  rotate(idOrStart: string, options: RotateOptions): Promise<KeyWithSecret>
  /** Of a whole key, whether it would be let in; of a key id, only its state. */
  validate(keyOrId: string): Promise<KeyVerdict>
  importLegacy(content: string, options: ImportOptions): Promise<ImportReport>
}

export function createKeyService(house: House): KeyService {
  const rotations = new Rotations(house)
  const now = () => house.clock.nowMs()
  return {
    create: (input) => createKey(house, input),
    list: (filter = {}) => listKeys(house, filter),
    show: (idOrStart) => infoOf(findKey(house.ring, idOrStart), now()),
    disable: async (idOrStart, options = {}) => disableKey(house, findKey(house.ring, idOrStart), options.now ?? false),
    enable: async (idOrStart) => enableKey(house, findKey(house.ring, idOrStart)),
    rotate: async (idOrStart, options) => rotations.rotate(findKey(house.ring, idOrStart), options),
    validate: (keyOrId) => validateKey(house, keyOrId.trim()),
    importLegacy: (content, options) => importLegacy(house, content, options),
  }
}

async function createKey(house: House, input: NewKeyInput): Promise<KeyWithSecret> {
  const rights = parseRights(input.rights)
  refuseHugeRate(input.rate)
  let id = newKeyId()
  while (house.ring.isTaken(id)) id = newKeyId()
  const apiKey = mintKey(id)
  const secretPhc = await house.hasher.hash(apiKey)
  return house.inTurn(async () => {
    const createdMs = house.clock.nowMs()
    const row = {
      id,
      tenant: DEFAULT_TENANT,
      user_id: await house.store.userNamed(DEFAULT_TENANT, input.user, createdMs),
      secret_phc: secretPhc,
      old_secret_phc: null,
      old_secret_until_ms: null,
      rights: JSON.stringify(rights),
      description: input.description,
      rate: input.rate,
      concurrency: input.concurrency,
      created_ms: createdMs,
      expires_ms: input.expiresMs,
      disabled_ms: null,
      rotated_ms: null,
      deleted_ms: null,
      legacy: 0,
      legacy_source: null,
      lookup_hmac: null,
      alias: null,
    }
    await house.store.addKey(row)
    const record = house.maker.recordOf({ ...row, user: input.user, last_used_ms: null })
    house.authenticator.remember(record.current, apiKey)
    house.ring.add(record)
    return { key: infoOf(record, createdMs), apiKey: new Secret(apiKey) }
  })
}

/** The words as rights, without repetition, in the order they were given. */
export function parseRights(words: readonly string[]): readonly Right[] {
  const rights = new Set<Right>()
  for (const word of words) {
    const meant = rightsOf(word)
    if (!meant) {
      throw new GatewayError('BODY_INVALID', {
        detail: `"${word}" is no right; known are chat, tts, image, whisper, all, text, embedding, speech, transcription, observe, manage:<service> and use:<service>`,
      })
    }
    for (const right of meant) rights.add(right)
  }
  if (rights.size === 0) throw new GatewayError('BODY_INVALID', { detail: 'A key needs at least one right' })
  return [...rights]
}

/** An exact window remembers each call in it, so a count that no memory could hold is refused with a way out. */
function refuseHugeRate(text: string | null): void {
  if (text === null) return
  const rate = parseRate(text)
  if (!rate) throw new GatewayError('BODY_INVALID', { detail: `"${text}" is no rate; want 60/m, 1000/h or 5000/d` })
  if (rate.count > LIMITS.rateCountMax) {
    throw new GatewayError('BODY_INVALID', { detail: `A rate counts at most ${LIMITS.rateCountMax} calls; say ${text} in a shorter unit` })
  }
}

async function validateKey(house: House, text: string): Promise<KeyVerdict> {
  const nowMs = house.clock.nowMs()
  if (keyIdOf(text) === null && !house.ring.legacy(text)) {
    const byId = recordNamed(house, text)
    if (byId) {
      const state = stateOf(byId, nowMs)
      return { valid: state === 'active', reason: state === 'active' ? null : state, key: infoOf(byId, nowMs) }
    }
  }
  const { record, reason } = await house.authenticator.examine(text)
  return { valid: reason === null, reason, key: record && infoOf(record, nowMs) }
}

function recordNamed(house: House, text: string): KeyRecord | null {
  // What is as long as a whole key is judged as one, so that a mistyped key is called mistyped and not an unknown id.
  if (text.startsWith('pcl_') || LEGACY_KEY_PATTERN.test(text)) return null
  try {
    return findKey(house.ring, text)
  } catch (thrown) {
    if (thrown instanceof GatewayError && thrown.code === 'NOT_FOUND') return null
    throw thrown
  }
}
