import { readFileSync, statSync } from 'node:fs'
import { own, visible } from '../kernel/index.ts'
import { EXIT, Exit } from './terminal.ts'

interface Places {
  readonly dataDir: string
  readonly ledgerFile: string
}

const AS_OTHER = 'it is closed to this user. Run the command as the user that the gateway runs as'

/** What the system's word means, and what whoever typed the command can do about it. */
const MEANING: Readonly<Record<string, string>> = {
  EACCES: AS_OTHER,
  EPERM: AS_OTHER,
  EISDIR: 'it is a directory, and a file is wanted',
  ENOTDIR: 'a part of this path is a file, and a directory is wanted',
  EROFS: 'its file system is mounted read-only',
  ENOSPC: 'the disk is full',
}

/** The path at which the system said no, with the meaning of that; null for any other error. */
function refusalOf(thrown: unknown, path?: string): string | null {
  if (!(thrown instanceof Error)) return null
  const { code = '', path: its } = thrown as NodeJS.ErrnoException // both are looked up or shown, nothing more
  const meaning = own(MEANING, code)
  const at = path ?? its
  return meaning === undefined || at === undefined ? null : `${visible(at)} cannot be used: ${meaning}.`
}

/** An error of the system at one of the house's own paths, as an end that says which it is and where it was named; any other stays as it is. */
export function explainPlaces(thrown: unknown, { dataDir, ledgerFile }: Places): unknown {
  const refusal = refusalOf(thrown)
  if (refusal === null) return thrown
  const places = `  data    ${dataDir} (DATA_DIR, or data_dir in portcullis.yaml)\n  ledger  ${ledgerFile} (AUDIT_LOG_FILE, or audit.file)`
  return new Exit(EXIT.unavailable, `${refusal}\n${places}`)
}

/** Like existsSync, which says of a path that this user may not look at that it is not there. */
export function isThere(path: string): boolean {
  try {
    statSync(path) // its throwIfNoEntry: false hides ENOTDIR, too, on Node 24
    return true
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return false
    throw unusable(thrown, path)
  }
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    throw unusable(thrown, path)
  }
}

function unusable(thrown: unknown, path: string): unknown {
  const refusal = refusalOf(thrown, path)
  return refusal === null ? thrown : new Exit(EXIT.unavailable, refusal)
}
