import type { EditKeyInput } from '../contract/index.ts'
import { GatewayError, newKeyId, Secret } from '../kernel/index.ts'
import { editKey } from './edits.ts'
import { BLANK_KEY, enterKey } from './entering.ts'
import { findKey } from './finding.ts'
import { keyIdOf, LEGACY_KEY_PATTERN, mintKey } from './format.ts'
import type { House } from './house.ts'
import { type ImportOptions, type ImportReport, importLegacy } from './import.ts'
import { infoOf, type KeyInfo, type KeyWithSecret } from './info.ts'
import { type KeyFilter, type KeyList, listKeys } from './listing.ts'
import type { KeyRecord } from './record.ts'
import type { RefusalReason } from './refusal.ts'
import { type RotateOptions, Rotations } from './rotations.ts'
import { disableKey, enableKey } from './states.ts'
import { userNamed } from './users/naming.ts'
import { allowanceColumns, parseRights, type Reach, reachColumns, type Spending } from './wishes.ts'

export interface NewKeyInput extends Spending, Reach {
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
  readonly reason: RefusalReason | null
  readonly key: KeyInfo | null
}

/** Key management, whoever asks for it. Every method answers after the store has it; all but `list` want the keys loaded. `idOrStart` is what `findKey` understands. */
export interface KeyService {
  create(input: NewKeyInput): Promise<KeyWithSecret>
  list(filter?: KeyFilter): Promise<KeyList>
  show(idOrStart: string): KeyInfo
  /** Changes what was said, and leaves the secret and the rest as they are. */
  edit(idOrStart: string, input: EditKeyInput): Promise<KeyInfo>
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
    edit: async (idOrStart, input) => editKey(house, findKey(house.ring, idOrStart), input),
    disable: async (idOrStart, options = {}) => disableKey(house, findKey(house.ring, idOrStart), options.now ?? false),
    enable: async (idOrStart) => enableKey(house, findKey(house.ring, idOrStart)),
    rotate: async (idOrStart, options) => rotations.rotate(findKey(house.ring, idOrStart), options),
    validate: (keyOrId) => validateKey(house, keyOrId.trim()),
    importLegacy: (content, options) => importLegacy(house, content, options),
  }
}

async function createKey(house: House, input: NewKeyInput): Promise<KeyWithSecret> {
  const rights = JSON.stringify(parseRights(input.rights))
  const columns = { ...allowanceColumns(input), ...reachColumns(input) }
  let id = newKeyId()
  while (house.ring.isTaken(id)) id = newKeyId()
  const apiKey = mintKey(id)
  const secretPhc = await house.hasher.hash(apiKey)
  return house.inTurn(async () => {
    const createdMs = house.clock.nowMs()
    const user = await userNamed(house, input.user, createdMs)
    if (user.disabledMs !== null) {
      throw new GatewayError('CONFLICT', { detail: `The user ${user.name} is disabled, and so would the key be; enable the user first` })
    }
    const row = {
      ...BLANK_KEY,
      ...columns,
      id,
      user_id: user.id,
      secret_phc: secretPhc,
      rights,
      description: input.description,
      concurrency: input.concurrency,
      created_ms: createdMs,
      expires_ms: input.expiresMs,
    }
    return { key: infoOf(await enterKey(house, user, row, apiKey), createdMs), apiKey: new Secret(apiKey) }
  })
}

async function validateKey(house: House, text: string): Promise<KeyVerdict> {
  const nowMs = house.clock.nowMs()
  if (keyIdOf(text) === null && !house.ring.legacy(text)) {
    const byId = recordNamed(house, text)
    if (byId) {
      const reason = byId.faultOf(byId.current, nowMs)
      return { valid: reason === null, reason, key: infoOf(byId, nowMs) }
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
