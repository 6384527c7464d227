import { type ErrorCode, GatewayError, type GatewayErrorOptions, type KeyId } from '../kernel/index.ts'

/** Why a credential was refused; for the ledger only, the caller gets the same 401 for all of them. */
export type RefusalReason =
  | 'malformed'
  | 'bad_crc'
  | 'unknown_key'
  | 'wrong_secret'
  | 'expired'
  | 'disabled'
  | 'user_disabled'
  | 'wrong_network'
  | 'rotated_out'
  | 'unusable_hash'

/** A refused credential, with the key id it bore, which the ledger may name and the caller must not learn about. */
export class RefusedKey extends GatewayError {
  readonly keyId: KeyId | null

  constructor(code: ErrorCode, keyId: KeyId | null, options: GatewayErrorOptions) {
    super(code, options)
    this.keyId = keyId
  }
}

export const refused = (reason: RefusalReason, keyId: KeyId | null) => new RefusedKey('UNAUTHORIZED', keyId, { reason })

/** The key id that a refused credential bore, where it could be read. */
export function refusedKeyId(thrown: unknown): KeyId | undefined {
  return thrown instanceof RefusedKey ? (thrown.keyId ?? undefined) : undefined
}
