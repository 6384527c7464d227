import { GatewayError, type KeyId, LIMITS, newKeyId, newRotationId, Secret } from '../kernel/index.ts'
import { mintKey } from './format.ts'
import type { House } from './house.ts'
import { infoOf, type KeyWithSecret } from './info.ts'
import { type KeyRecord, principalOf, SecretSlot } from './record.ts'

export interface RotateOptions {
  /** How long the secret from before stays valid; 0 ends it at once. */
  readonly graceMs: number
  readonly idempotencyKey?: string
}

/**
 * New secrets for the same key. A rotation that is repeated with the same idempotency key, because its answer was lost on the way, is answered
 * alike for ten minutes, from memory only; afterwards, or in another process, the caller learns when it was done and must rotate anew.
 */
export class Rotations {
  readonly #house: House
  readonly #answers = new Map<string, KeyWithSecret>()

  constructor(house: House) {
    this.#house = house
  }

  /** To be called in turn: two of the same rotation at the same time must meet here one after the other. */
  async rotate(record: KeyRecord, { graceMs, idempotencyKey }: RotateOptions): Promise<KeyWithSecret> {
    const name = idempotencyKey === undefined ? null : `${record.fields.id} ${idempotencyKey}`
    const before = name === null ? undefined : this.#answers.get(name)
    if (before) return before
    if (idempotencyKey !== undefined) await this.#refuseRepeated(record, idempotencyKey)
    const answer = await this.#renew(record, graceMs, idempotencyKey ?? null)
    if (name !== null) this.#remember(name, answer)
    return answer
  }

  async #refuseRepeated(record: KeyRecord, idempotencyKey: string): Promise<void> {
    const done = await this.#house.store.rotationOf(record.fields.id, idempotencyKey)
    if (!done) return
    const [at, until] = [new Date(done.rotated_ms).toISOString(), new Date(done.old_secret_until_ms).toISOString()]
    throw new GatewayError('CONFLICT', {
      detail: `Rotation ${done.id} with this idempotency key was done at ${at}; the secret from before it ends at ${until}. Its new key is not kept: rotate again with another idempotency key`,
    })
  }

  async #renew(record: KeyRecord, graceMs: number, idempotencyKey: string | null): Promise<KeyWithSecret> {
    const { hasher, store, clock, ring, authenticator } = this.#house
    const keyId = record.fields.id
    const alias = record.fields.lookup === null ? null : (record.alias ?? this.#freeId())
    const apiKey = mintKey(alias ?? keyId)
    const phc = await hasher.hash(apiKey)
    const rotatedMs = clock.nowMs()
    const oldUntilMs = rotatedMs + graceMs
    const oldPhc = record.current.phc
    await store.rotate({ id: newRotationId(), keyId, idempotencyKey, rotatedMs, oldUntilMs, phc, oldPhc, alias })
    const fresh = new SecretSlot(phc, Number.POSITIVE_INFINITY, principalOf(record.fields, false))
    authenticator.remember(fresh, apiKey)
    record.rotate(fresh, alias, { rotatedMs, oldUntilMs })
    ring.noteAlias(record)
    return { key: infoOf(record, rotatedMs), apiKey: new Secret(apiKey) }
  }

  /** An imported key's id does not fit into our format, so its new text bears another that leads to it. */
  #freeId(): KeyId {
    let id = newKeyId()
    while (this.#house.ring.isTaken(id)) id = newKeyId()
    return id
  }

  #remember(name: string, answer: KeyWithSecret): void {
    this.#answers.set(name, answer)
    setTimeout(() => this.#answers.delete(name), LIMITS.rotationReplayMs).unref()
  }
}
