import { randomBytes } from 'node:crypto'
import { type Clock, GatewayError, type KeyId, type KeyPrincipal, reasonOf } from '../kernel/index.ts'
import { type Hasher, UnusableHash } from '../secrets/index.ts'
import { DeniedSecrets } from './denied.ts'
import { createDigest } from './digest.ts'
import { keyFault, keyIdOf, LEGACY_KEY_PATTERN } from './format.ts'
import type { Keyring } from './keyring.ts'
import type { IdentityLog } from './log.ts'
import type { KeyRecord, SecretSlot } from './record.ts'
import { type RefusalReason, RefusedKey, refused } from './refusal.ts'
import { Throttle } from './throttle.ts'
import type { UseLog } from './uses.ts'

export interface AuthenticatorParts {
  readonly ring: Keyring
  readonly hasher: Hasher
  readonly clock: Clock
  readonly log: IdentityLog
  readonly uses: UseLog
}

export interface Examination {
  readonly record: KeyRecord | null
  readonly reason: RefusalReason | null
}

/**
 * Turns a presented key into a principal. The cheapest question that can refuse is asked first: form and checksum, then the key id, then the
 * digests of secrets verified in this process, then the address's conduct, then wrong secrets seen before, and only then argon2.
 */
export class Authenticator {
  readonly #parts: AuthenticatorParts
  readonly #digest = createDigest(randomBytes(32))
  readonly #throttle = new Throttle()
  readonly #denied = new DeniedSecrets()
  readonly #flights = new Map<string, Promise<SecretSlot | null>>()

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts
  }

  stats() {
    return { throttledAddresses: this.#throttle.size, deniedSecrets: this.#denied.size, verifying: this.#flights.size }
  }

  /** Answers at once, without a promise or an allocation, for a key whose secret this process has verified before. */
  authenticate(credential: string, address: string): KeyPrincipal | Promise<KeyPrincipal> {
    const id = keyIdOf(credential)
    const record = id === null ? this.#parts.ring.legacy(credential) : this.#parts.ring.bearing(id)
    if (record !== undefined) {
      const slot = record.slotOf(this.#digest(credential))
      if (slot !== null) return this.#admit(record, slot, address)
    }
    return this.#meetStranger(credential, address, id, record)
  }

  /** What a key is worth, for an administrator who asks: nothing is counted, throttled or marked as used. */
  async examine(credential: string): Promise<Examination> {
    const id = keyIdOf(credential)
    const record = (id === null ? this.#parts.ring.legacy(credential) : this.#parts.ring.bearing(id)) ?? null
    if (record === null) return { record, reason: faultOfStranger(credential, id) }
    try {
      const slot = record.slotOf(this.#digest(credential)) ?? (await this.#verifyOnce(record, credential, 'local'))
      return { record, reason: slot === null ? 'wrong_secret' : record.faultOf(slot, this.#parts.clock.nowMs()) }
    } catch (thrown) {
      if (thrown instanceof UnusableHash) return { record, reason: 'unusable_hash' }
      throw thrown
    }
  }

  /** A secret that was made here a moment ago need not be verified to be known. */
  remember(slot: SecretSlot, credential: string): void {
    slot.verified = Buffer.from(this.#digest(credential))
  }

  #admit(record: KeyRecord, slot: SecretSlot, address: string): KeyPrincipal {
    const nowMs = this.#parts.clock.nowMs()
    const fault = record.faultOf(slot, nowMs)
    if (fault !== null) throw refused(fault, record.fields.id)
    const { networks } = record.fields.terms
    // Asked last, so that the ledger says it only of a secret that is good: somebody elsewhere has it.
    if (networks !== null && !networks.has(address)) throw refused('wrong_network', record.fields.id)
    this.#parts.uses.note(record, nowMs)
    return slot.principal
  }

  #meetStranger(credential: string, address: string, id: KeyId | null, record: KeyRecord | undefined): Promise<KeyPrincipal> {
    const nowMs = this.#parts.clock.monoMs()
    const keyId = record?.fields.id ?? id
    const blockedMs = this.#throttle.blockedMs(address, nowMs)
    if (blockedMs > 0) throw tooManyFailures(keyId, blockedMs)
    if (record === undefined) {
      this.#throttle.fail(address, nowMs)
      throw refused(faultOfStranger(credential, id), keyId)
    }
    if (this.#denied.has(this.#digest(credential).toString('latin1'), record)) {
      this.#throttle.fail(address, nowMs)
      throw refused('wrong_secret', keyId)
    }
    return this.#verify(record, credential, address)
  }

  async #verify(record: KeyRecord, credential: string, address: string): Promise<KeyPrincipal> {
    const keyId = record.fields.id
    let slot: SecretSlot | null
    try {
      slot = await this.#verifyOnce(record, credential, address)
    } catch (thrown) {
      if (thrown instanceof GatewayError) throw new RefusedKey(thrown.code, keyId, { reason: thrown.reason, cause: thrown })
      if (!(thrown instanceof UnusableHash)) throw thrown
      this.#parts.log.error({ key: keyId, reason: reasonOf(thrown) }, 'a key cannot be verified')
      throw refused('unusable_hash', keyId)
    }
    if (slot !== null) return this.#admit(record, slot, address)
    this.#throttle.fail(address, this.#parts.clock.monoMs())
    throw refused('wrong_secret', keyId)
  }

  /** One verification per distinct presented secret, however many callers bring it at the same time. */
  #verifyOnce(record: KeyRecord, credential: string, address: string): Promise<SecretSlot | null> {
    const digest = Buffer.from(this.#digest(credential))
    const name = digest.toString('latin1')
    const running = this.#flights.get(name)
    if (running) return running
    const flight = this.#askArgon(record, credential, address, digest).finally(() => this.#flights.delete(name))
    this.#flights.set(name, flight)
    return flight
  }

  async #askArgon(record: KeyRecord, credential: string, address: string, digest: Buffer): Promise<SecretSlot | null> {
    const nowMs = this.#parts.clock.monoMs()
    // The row may change while argon2 works: the answer belongs to the slots and the version from before.
    const slots = record.slots()
    const { version } = record
    const at = await this.#parts.hasher.verify(
      credential,
      slots.map((slot) => slot.phc),
      {
        keyId: record.fields.id,
        address,
        addressFailures: this.#throttle.failures(address, nowMs),
        keyFailures: record.wrongSecrets(nowMs),
      },
    )
    const slot = slots[at] ?? null
    if (slot !== null) {
      slot.verified = digest
      return slot
    }
    record.noteWrongSecret(nowMs)
    this.#denied.add(digest.toString('latin1'), record, version)
    return null
  }
}

function faultOfStranger(credential: string, id: KeyId | null): RefusalReason {
  if (id !== null || LEGACY_KEY_PATTERN.test(credential)) return 'unknown_key'
  return keyFault(credential)
}

function tooManyFailures(keyId: KeyId | null, blockedMs: number): RefusedKey {
  const seconds = Math.ceil(blockedMs / 1000)
  return new RefusedKey('TOO_MANY_FAILURES', keyId, {
    reason: 'address_throttled',
    detail: `Too many failed keys from this address; try again in ${seconds} s`,
    headers: { 'retry-after': String(seconds) },
  })
}
