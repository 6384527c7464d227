// Whatever a bench started or made ends with it, by its id, even when the bench is interrupted or throws.
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const TMPFS = 0x01021994
const CACHE = fileURLToPath(new URL('../../.cache', import.meta.url))

const pids = new Set()
const directories = new Set()

export const owns = (pid) => void pids.add(pid)
export const disowns = (pid) => void pids.delete(pid)

/** A directory on a real disk: on tmpfs a sync costs nothing, and `AUDIT_SYNC=sync` would look as fast as `write`. */
export function scratch(name) {
  let parent = tmpdir()
  if (statfsSync(parent).type === TMPFS) {
    parent = CACHE
    mkdirSync(parent, { recursive: true })
  }
  const directory = mkdtempSync(join(parent, `portcullis-bench-${name}-`))
  directories.add(directory)
  return directory
}

export function discard(directory) {
  directories.delete(directory)
  rmSync(directory, { recursive: true, force: true })
}

function endAll() {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }
  for (const directory of directories) discard(directory)
}

process.once('exit', endAll)
for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.once(signal, () => process.exit(status))
}
