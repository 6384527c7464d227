import type { EditKeyInput } from '../contract/index.ts'
import type { House } from './house.ts'
import { infoOf, type KeyInfo } from './info.ts'
import type { KeyRecord } from './record.ts'
import type { KeyChanges } from './store.ts'
import { termsRow } from './terms.ts'
import { allowanceColumns, defined, parseRights, reachColumns } from './wishes.ts'

/**
 * Other terms for the same secret: the next request is judged by them, and no secret has to be verified again. What was not said stays as it is when the
 * turn comes, not as it was when somebody asked.
 */
export async function editKey(house: House, record: KeyRecord, input: EditKeyInput): Promise<KeyInfo> {
  const changes = changesOf(input)
  await house.inTurn(async () => {
    const { fields, expiresMs } = record
    const { description = fields.description, expires_ms = expiresMs, ...others } = changes
    const terms = house.maker.terms.of({ ...termsRow(fields.terms), ...others })
    if (Object.keys(changes).length > 0) await house.store.editKey(fields.id, changes)
    record.edit({ ...fields, terms, description }, expires_ms)
  })
  return infoOf(record, house.clock.nowMs())
}

function changesOf({ rights, description, expires_at, ...input }: EditKeyInput): KeyChanges {
  return {
    ...allowanceColumns(input),
    ...reachColumns(input),
    ...defined<Pick<KeyChanges, 'rights' | 'description' | 'expires_ms'>>({
      rights: rights && JSON.stringify(parseRights(rights)),
      description,
      expires_ms: expires_at === undefined || expires_at === null ? expires_at : Date.parse(expires_at),
    }),
  }
}
