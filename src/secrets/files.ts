import { randomBytes } from 'node:crypto'
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { createFileOnce, makeFolder, privacyFault, shellWord } from '../files/index.ts'
import { LIMITS, Secret } from '../kernel/index.ts'

/** A secret file that cannot be used; its message says how to mend it. */
export class SecretFileFault extends Error {
  override readonly name = 'SecretFileFault'
}

/** The secret in a file, without the newline that editors add. Refuses a file that others on this machine can read. */
export function readSecretFile(path: string, bytesMax: number = LIMITS.secretFileBytesMax, whenEmpty = 'is empty'): Secret {
  const fd = openSecret(path)
  try {
    // The checks are made on the open descriptor: between a check by name and a read the file could be another one.
    const { mode, size, uid } = statOf(fd, path)
    const open = privacyFault(path, mode)
    if (open !== null) throw new SecretFileFault(`the secret file ${open}`)
    const self = process.geteuid?.()
    if (self !== undefined && self !== 0 && uid !== self && uid !== 0) {
      throw new SecretFileFault(`the secret file ${path} belongs to another user (uid ${uid}); run: chown ${self} ${shellWord(path)}`)
    }
    if (size > bytesMax) throw new SecretFileFault(`the secret file ${path} has ${size} bytes; at most ${bytesMax} are read`)
    const text = readFileSync(fd, 'utf8').replace(/[\r\n]+$/, '')
    if (text === '') throw new SecretFileFault(`the secret file ${path} ${whenEmpty}`)
    return new Secret(text)
  } finally {
    closeSync(fd)
  }
}

/** 32 random bytes kept in a file of ours, made at the first start. */
export function loadOrCreateKey(path: string): Buffer {
  createOnce(path)
  const key = Buffer.from(readSecretFile(path).reveal(), 'base64url')
  if (key.length !== 32) throw new SecretFileFault(`the key file ${path} does not hold 32 bytes in base64url; restore it from a backup`)
  return key
}

function createOnce(path: string): void {
  makeFolder(dirname(path), 0o700)
  // Found first, so that a folder nobody may write to any more is no hindrance once the key is there.
  if (existsSync(path)) return
  try {
    createFileOnce(path, `${randomBytes(32).toString('base64url')}\n`, 0o600)
  } catch (thrown) {
    throw new SecretFileFault(`the key file ${path} cannot be made`, { cause: thrown })
  }
}

function openSecret(path: string): number {
  try {
    // A named pipe would hold the whole process until somebody writes to it; opened so, it is found to be no file at once.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (thrown) {
    const why = codeOf(thrown) === 'ENOENT' ? 'does not exist' : 'cannot be opened'
    throw new SecretFileFault(`the secret file ${path} ${why}`, { cause: thrown })
  }
}

function statOf(fd: number, path: string) {
  const stat = fstatSync(fd)
  if (!stat.isFile()) throw new SecretFileFault(`the secret file ${path} is not a regular file`)
  return stat
}

const codeOf = (thrown: unknown) => (thrown instanceof Error && 'code' in thrown ? thrown.code : undefined)
