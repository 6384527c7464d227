import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * `mkdir -p`, by steps. Node's own recursive form never returns where a parent takes no folders and says ENOENT, as /proc does (Node 20),
 * and a gateway that spins on a wrong DATA_DIR tells nobody why.
 */
export function makeFolder(path: string, mode: number): void {
  if (isFolder(path)) return
  const parent = dirname(path)
  if (parent !== path) makeFolder(parent, mode)
  try {
    mkdirSync(path, { mode })
  } catch (thrown) {
    if (!isFolder(path)) throw thrown // somebody else may just have made it
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
