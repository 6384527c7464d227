import { GatewayError, type KeyId, LIMITS, newKeyId, newRotationId, Secret } from '../kernel/index.ts'
import { mintKey } from './format.ts'
import type { House } from './house.ts'
import { infoOf, type KeyWithSecret } from './info.ts'
import { type KeyRecord, SecretSlot } from './record.ts'

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
  readonly #answers = new Map<string, Promise<KeyWithSecret>>()

  constructor(house: House) {
    this.#house = house
  }

  rotate(record: KeyRecord, { graceMs, idempotencyKey }: RotateOptions): Promise<KeyWithSecret> {
    if (idempotencyKey === undefined) return this.#renew(record, graceMs, null)
    const name = `${record.fields.id} ${idempotencyKey}`
    const before = this.#answers.get(name)
    if (before) return before
    // The promise is kept, not its value, so that two of the same rotation at the same time are one.
    const answer = this.#refuseRepeated(record, idempotencyKey).then(() => this.#renew(record, graceMs, idempotencyKey))
    this.#answers.set(name, answer)
    const forget = () => void this.#answers.delete(name)
    answer.then(() => setTimeout(forget, LIMITS.rotationReplayMs).unref(), forget)
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
    const { hasher, inTurn } = this.#house
    // An imported key's id does not fit into our format, so its new text bears another that leads to it, the same for every rotation.
    if (record.fields.lookup !== null) record.alias ??= this.#freeId()
    const apiKey = mintKey(record.alias ?? record.fields.id)
    // Hashed before the turn: under a flood this may wait for a while, and another key may have to be disabled meanwhile.
    const phc = await hasher.hash(apiKey)
    return inTurn(() => this.#replace(record, { apiKey, phc, graceMs, idempotencyKey }))
  }

  async #replace(record: KeyRecord, { apiKey, phc, graceMs, idempotencyKey }: Replacement): Promise<KeyWithSecret> {
    const { store, clock, ring, authenticator } = this.#house
    const rotatedMs = clock.nowMs()
    const oldUntilMs = rotatedMs + graceMs
    const { alias, fields, current } = record
    await store.rotate({ id: newRotationId(), keyId: fields.id, idempotencyKey, rotatedMs, oldUntilMs, phc, oldPhc: current.phc, alias })
    const fresh = new SecretSlot(phc, record)
    authenticator.remember(fresh, apiKey)
    record.rotate(fresh, { rotatedMs, oldUntilMs })
    ring.noteAlias(record)
    return { key: infoOf(record, rotatedMs), apiKey: new Secret(apiKey) }
  }

  #freeId(): KeyId {
    let id = newKeyId()
    while (this.#house.ring.isTaken(id)) id = newKeyId()
    return id
  }
}

interface Replacement {
  readonly apiKey: string
  readonly phc: string
  readonly graceMs: number
  readonly idempotencyKey: string | null
}
