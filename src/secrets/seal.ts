import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { Secret } from '../kernel/index.ts'
import { loadOrCreateKey } from './files.ts'

/**
 * Secrets that the house must be able to read again, so that a hash will not do: AES-256-GCM under a key that lies in a file beside the store. The row that a
 * secret belongs to is authenticated with it, because whoever may write the store could else move one provider's key to an endpoint of his own and have it sent there.
 */
export interface Sealer {
  /** `v1.<iv>.<tag and ciphertext>`, in base64url. `row` is any text that names where it is kept. */
  seal(secret: Secret, row: string): string
  /** Throws a SealBroken for what was changed, was sealed for another row, or with another key file. */
  open(sealed: string, row: string): Secret
  /** The same for bytes: iv, tag, ciphertext. */
  sealBytes(plain: Uint8Array, row: string): Buffer
  openBytes(sealed: Uint8Array, row: string): Buffer
}

/** What is sealed and does not open. Which of the reasons it is cannot be told, so its message says what mends each. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken'
}

const VERSION = 'v1'
const IV_BYTES = 12
const TAG_BYTES = 16
const SEALED = /^v1\.(?<iv>[A-Za-z0-9_-]{16})\.(?<rest>[A-Za-z0-9_-]{22,})$/

/** The key file is made where there is none. */
export function createSealer(keyFilePath: string): Sealer {
  const key = loadOrCreateKey(keyFilePath)

  // Random ivs are safe for 2^32 texts under one key (NIST SP 800-38D, 8.3); a house seals a few hundred of its own and one for each request it keeps.
  const sealBytes: Sealer['sealBytes'] = (plain, row) => {
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(row))
    const text = Buffer.concat([cipher.update(plain), cipher.final()])
    return Buffer.concat([iv, cipher.getAuthTag(), text])
  }

  const openBytes: Sealer['openBytes'] = (sealed, row) => {
    if (sealed.length < IV_BYTES + TAG_BYTES)
      throw new SealBroken(`${row}: what is sealed there was cut short; restore the store from a backup`)
    const [iv, tag, text] = [
      sealed.subarray(0, IV_BYTES),
      sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES),
      sealed.subarray(IV_BYTES + TAG_BYTES),
    ]
    try {
      const cipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(row)).setAuthTag(tag)
      return Buffer.concat([cipher.update(text), cipher.final()])
    } catch (cause) {
      throw new SealBroken(
        `${row}: what is sealed there does not open with the key file ${keyFilePath}. If that file was exchanged or made anew, restore it from a backup; ` +
          'otherwise the store was changed by somebody else, or the secret belongs to another row. Or give the secret again',
        { cause },
      )
    }
  }

  return {
    sealBytes,
    openBytes,
    seal(secret, row) {
      const sealed = sealBytes(Buffer.from(secret.reveal()), row)
      return `${VERSION}.${sealed.toString('base64url', 0, IV_BYTES)}.${sealed.toString('base64url', IV_BYTES)}`
    },
    open(sealed, row) {
      const { iv = '', rest = '' } = SEALED.exec(sealed)?.groups ?? {}
      if (iv === '') throw new SealBroken(`${row}: what stands there is no sealed text of this version; restore the store from a backup`)
      return new Secret(openBytes(Buffer.concat([Buffer.from(iv, 'base64url'), Buffer.from(rest, 'base64url')]), row).toString('utf8'))
    },
  }
}
