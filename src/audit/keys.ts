import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createFileOnce, makeFolder, privacyFault } from '../files/index.ts'

export interface LedgerKey {
  /** Raw 32 bytes, base64url: as it stands in open records. */
  readonly publicKey: string
  readonly verifier: KeyObject
  sign(text: string): string
}

export const keyFileOf = (dir: string): string => join(dir, 'ledger.key')
export const publicKeyFileOf = (dir: string): string => join(dir, 'ledger.pub')
export const sealFileOf = (dir: string): string => join(dir, 'ledger.seal')
/** Says which ledger the directory keeps. */
export const pathFileOf = (dir: string): string => join(dir, 'ledger.path')

export function rawPublicKey(key: KeyObject): string {
  const { kty, crv, x } = key.export({ format: 'jwk' })
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string') throw new Error('not an Ed25519 key')
  return x
}

/** The public key of a PEM file's text. */
export function parsePublicKey(pem: string): KeyObject {
  const key = createPublicKey(pem)
  rawPublicKey(key)
  return key
}

export const signedBy = (key: KeyObject, text: string | Buffer, signature: string): boolean =>
  verify(null, typeof text === 'string' ? Buffer.from(text, 'latin1') : text, key, Buffer.from(signature, 'base64url'))

function createKey(dir: string): void {
  const { privateKey } = generateKeyPairSync('ed25519')
  // A key that appeared in between belongs to somebody and must not be overwritten, or its ledger could no longer be continued.
  createFileOnce(keyFileOf(dir), privateKey.export({ format: 'pem', type: 'pkcs8' }), 0o600)
}

function readPrivateKey(file: string): KeyObject {
  const open = privacyFault(file, statSync(file).mode)
  if (open !== null) throw new Error(`the signatures of a ledger prove nothing while ${open}`)
  return createPrivateKey(readFileSync(file))
}

/** As it stands in open records; null while the directory has no key. */
export function publicKeyIn(dir: string): string | null {
  const file = keyFileOf(dir)
  return existsSync(file) ? rawPublicKey(createPublicKey(readPrivateKey(file))) : null
}

/** The ledger's signing key, made on first use. */
export function openLedgerKey(dir: string): LedgerKey {
  makeFolder(dir, 0o700)
  const file = keyFileOf(dir)
  if (!existsSync(file)) createKey(dir)
  const privateKey = readPrivateKey(file)
  const publicKey = createPublicKey(privateKey)
  const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString()
  const publicFile = publicKeyFileOf(dir)
  if (!existsSync(publicFile) || readFileSync(publicFile, 'utf8') !== pem) writeFileSync(publicFile, pem, { mode: 0o644 })
  return {
    publicKey: rawPublicKey(publicKey),
    verifier: publicKey,
    sign: (text) => sign(null, Buffer.from(text, 'latin1'), privateKey).toString('base64url'),
  }
}
