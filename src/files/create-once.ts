import { randomBytes } from 'node:crypto'
import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a file with its whole content, or leaves the one that is there; false then. A process that ends on the way leaves no file under the
 * name: an empty key would be taken for the key ever after. A link, unlike a rename, never overwrites what somebody else has just made.
 */
export function createFileOnce(path: string, bytes: Buffer | string, mode: number): boolean {
  const fresh = `${path}.new-${randomBytes(6).toString('hex')}`
  try {
    writeFresh(fresh, bytes, mode)
    linkSync(fresh, path)
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST') return false
    throw thrown
  } finally {
    rmSync(fresh, { force: true })
  }
  syncFolder(dirname(path))
  return true
}

function writeFresh(fresh: string, bytes: Buffer | string, mode: number): void {
  const fd = openSync(fresh, 'wx', 0o600)
  try {
    writeFileSync(fd, bytes)
    fchmodSync(fd, mode)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** The name must last as surely as the content. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
