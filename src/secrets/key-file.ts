import { realpathSync } from 'node:fs'
import { LIMITS } from '../kernel/index.ts'
import { readSecretFile, SecretFileFault } from './files.ts'

export interface KeyFile {
  readonly content: string
  /** The same for every way to write its path, so that a second import knows the first. */
  readonly source: string
}

/** An old key file. It holds whole keys, so it is read under the rules of secret files, and it is never written. */
export function readKeyFile(path: string): KeyFile {
  const content = readSecretFile(path, LIMITS.importFileBytesMax, EMPTY).reveal()
  if (content.trim() === '') throw new SecretFileFault(`the secret file ${path} ${EMPTY}`)
  return { content, source: realpathSync(path) }
}

// A file that a failed copy left empty must not disable every key that came from it; one that says that there are none may.
const EMPTY = 'is empty, and an old key file is JSON; where there are no keys it has to say {}'
