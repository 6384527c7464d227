import { GatewayError } from '../kernel/index.ts'
import { keyIdOf } from './format.ts'
import type { Keyring } from './keyring.ts'
import type { KeyRecord } from './record.ts'

const PREFIX_CHARS_MIN = 4
const LEGACY_PREFIX = 'legacy_'

/**
 * The key that an administrator means: its id, the start of it where only one key starts so, or a legacy key's eight characters without
 * `legacy_`. A whole key is refused, so that a mistake with the clipboard does not end in the ledger as the target of a change.
 */
export function findKey(ring: Keyring, text: string): KeyRecord {
  if (keyIdOf(text) !== null) {
    throw new GatewayError('BODY_INVALID', { detail: 'This is a whole key; name it by its key id, the twelve characters after pcl_' })
  }
  const wanted = text.startsWith('pcl_') ? text.slice('pcl_'.length) : text
  const exact = ring.get(wanted) ?? ring.get(LEGACY_PREFIX + wanted) ?? ring.bearing(wanted)
  if (exact) return exact
  if (wanted.length < PREFIX_CHARS_MIN) {
    throw new GatewayError('NOT_FOUND', {
      detail: `There is no such key; the start of a key id needs at least ${PREFIX_CHARS_MIN} characters`,
    })
  }
  const found = startingWith(ring, wanted)
  const [only] = found
  if (!only) throw new GatewayError('NOT_FOUND', { detail: 'There is no key with this id' })
  if (found.length > 1) {
    const ids = found.slice(0, 5).map((record) => record.fields.id)
    throw new GatewayError('CONFLICT', { detail: `${found.length} keys start so: ${ids.join(', ')}${found.length > 5 ? ' …' : ''}` })
  }
  return only
}

function startingWith(ring: Keyring, start: string): readonly KeyRecord[] {
  const found: KeyRecord[] = []
  for (const record of ring.all()) {
    const { id, lookup } = record.fields
    if (id.startsWith(start) || (lookup !== null && id.startsWith(start, LEGACY_PREFIX.length))) found.push(record)
  }
  return found
}
