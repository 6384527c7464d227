import { asKeyId, type KeyId, LIMITS, type Right, rightsOf } from '../kernel/index.ts'
import { BLANK_KEY, enterKey } from './entering.ts'
import type { House } from './house.ts'
import { type LegacyEntry, readLegacyFile, type SkippedEntry } from './legacy.ts'
import { disableKey } from './states.ts'
import { userNamed } from './users/naming.ts'

export interface ImportOptions {
  /** Take each key's `service` as its rights. Without it they get `all`, because the old systems never enforced that text. */
  readonly rightsFromService: boolean
  /** Names the file, so that a later import of it can tell which keys have gone. Without a name nothing is disabled for being gone. */
  readonly source?: string
}

export interface ImportReport {
  readonly imported: readonly { readonly id: KeyId; readonly user: string; readonly rights: readonly Right[] }[]
  readonly disabled: readonly KeyId[]
  readonly unchanged: number
  readonly skipped: readonly SkippedEntry[]
}

type Outcome =
  | { readonly imported: ImportReport['imported'][number] }
  | { readonly disabled: KeyId }
  | { readonly skipped: SkippedEntry }
  | null

/**
 * Takes over the keys of an old key file. Doing it again changes nothing but this: a key that is disabled or gone there is disabled here. It never
 * enables a key, because somebody may have disabled it here, and never writes to the file.
 */
export async function importLegacy(house: House, content: string, options: ImportOptions): Promise<ImportReport> {
  const file = readLegacyFile(content)
  const outcomes: Outcome[] = file.skipped.map((skipped) => ({ skipped }))
  for (const entry of file.entries) outcomes.push(await takeOver(house, entry, options))
  const { source } = options
  if (source !== undefined) outcomes.push(...(await disableGone(house, file.entries, source)))
  return {
    imported: outcomes.flatMap((outcome) => (outcome && 'imported' in outcome ? [outcome.imported] : [])),
    disabled: outcomes.flatMap((outcome) => (outcome && 'disabled' in outcome ? [outcome.disabled] : [])),
    unchanged: outcomes.filter((outcome) => outcome === null).length,
    skipped: outcomes.flatMap((outcome) => (outcome && 'skipped' in outcome ? [outcome.skipped] : [])),
  }
}

/** Null when nothing had to be done. */
async function takeOver(house: House, entry: LegacyEntry, options: ImportOptions): Promise<Outcome> {
  const known = house.ring.legacy(entry.key)
  if (known) {
    if (!entry.disabled || known.disabledMs !== null) return null
    await disableKey(house, known, false)
    return { disabled: known.fields.id }
  }
  const rights = options.rightsFromService ? rightsOfService(entry.service) : (rightsOf('all') ?? [])
  if (rights === null) {
    return { skipped: { entry: `legacy_${entry.key.slice(0, 8)}`, why: `its service "${entry.service}" names no right` } }
  }
  // Hashed outside the turn: a file of thousands of keys takes a while, and a key may have to be disabled meanwhile.
  const phc = await house.hasher.hash(entry.key)
  return house.inTurn(async () =>
    house.ring.legacy(entry.key) ? null : { imported: await addKey(house, entry, rights, phc, options.source) },
  )
}

async function addKey(house: House, entry: LegacyEntry, rights: readonly Right[], phc: string, source: string | undefined) {
  const nowMs = house.clock.nowMs()
  const id = freeLegacyId(house, entry.key)
  const user = await userNamed(house, entry.user, nowMs)
  const row = {
    ...BLANK_KEY,
    id,
    user_id: user.id,
    secret_phc: phc,
    rights: JSON.stringify(rights),
    description: entry.description,
    concurrency: LIMITS.keyConcurrencyDefault,
    created_ms: entry.createdMs ?? nowMs,
    expires_ms: entry.expiresMs,
    disabled_ms: entry.disabled ? nowMs : null,
    legacy: 1,
    legacy_source: source ?? null,
    lookup_hmac: house.ring.lookupOf(entry.key),
  }
  await enterKey(house, user, row, entry.key)
  return { id, user: entry.user, rights }
}

/** `legacy_` and the key's first eight characters; a second key with the same eight gets a number, not more of its characters. */
function freeLegacyId(house: House, key: string): KeyId {
  const plain = `legacy_${key.slice(0, 8)}`
  for (let n = 1; ; n += 1) {
    const id = n === 1 ? plain : `${plain}_${n}`
    if (!house.ring.isTaken(id)) return asKeyId(id)
  }
}

async function disableGone(house: House, entries: readonly LegacyEntry[], source: string): Promise<readonly Outcome[]> {
  const present = new Set(entries.map((entry) => house.ring.legacy(entry.key)))
  const gone = [...house.ring.all()].filter(
    (record) => record.fields.legacySource === source && record.disabledMs === null && !present.has(record),
  )
  const outcomes: Outcome[] = []
  for (const record of gone) {
    await disableKey(house, record, false)
    outcomes.push({ disabled: record.fields.id })
  }
  return outcomes
}

function rightsOfService(service: string): readonly Right[] | null {
  const rights = new Set<Right>()
  for (const word of service.split(/[\s,;]+/).filter((part) => part !== '')) {
    const meant = rightsOf(word === '*' ? 'all' : word)
    if (!meant) return null
    for (const right of meant) rights.add(right)
  }
  return rights.size > 0 ? [...rights] : null
}
