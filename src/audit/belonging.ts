import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { shellWord } from '../files/index.ts'
import { reasonOf } from '../kernel/index.ts'
import { readHead, type SegmentHead } from './heads.ts'
import { pathFileOf, publicKeyIn, sealFileOf } from './keys.ts'
import { scanLines } from './lines.ts'
import { listSegments, rotatedSegments, stemOf } from './names.ts'
import { parseSeal, textOf } from './record.ts'
import type { LedgerLog } from './types.ts'

/** A ledger and the data directory that is to sign it. */
export interface Pair {
  readonly file: string
  readonly keyDir: string
}

/**
 * Throws, and has changed nothing, unless this data directory and this ledger belong together. Another directory's key would end the ledger's segment
 * and sign on, and the ledger's own key could verify neither part; another ledger under this key would overwrite the one seal that vouches for the first.
 */
export async function assertBelonging(pair: Pair): Promise<void> {
  // Whoever is to make the directory says better what is wrong with that.
  if (statSync(pair.keyDir, { throwIfNoEntry: false })?.isDirectory() === false) return
  const remembered = rememberedIn(pair.keyDir)
  // Before the key: whoever wrote a segment has had its key before.
  const head = await newestHead(pair.file)
  const key = head && publicKeyIn(pair.keyDir)
  if (head && head.open.public_key !== key) throw new Error(strangersLedger(pair, head, key, remembered))
  if (remembered === null || placeOf(remembered) === placeOf(pair.file)) return
  if (!(await movedHere(pair, remembered))) throw new Error(secondLedger(pair, remembered))
}

/** The data directory remembers its ledger from now on. That it cannot is no reason to keep the gate shut: the next start tries again. */
export function rememberPlace({ file, keyDir }: Pair, log: LedgerLog): void {
  const place = placeOf(file)
  if (rememberedIn(keyDir) === place) return
  const path = pathFileOf(keyDir)
  const temporary = `${path}.tmp`
  try {
    rmSync(temporary, { force: true })
    const fd = openSync(temporary, 'wx', 0o600)
    try {
      writeFileSync(fd, `${place}\n`)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    log.warn({ err: reasonOf(error), file: path }, 'which ledger this data directory keeps could not be remembered')
  }
}

function rememberedIn(keyDir: string): string | null {
  const file = pathFileOf(keyDir)
  const place = existsSync(file) ? readFileSync(file, 'utf8').replace(/\n$/, '') : ''
  return place === '' ? null : place
}

/** Segments and lock stand beside the path's last name, so all before that is resolved, as far as it exists. */
function placeOf(file: string): string {
  const path = resolve(file)
  return join(realFolder(dirname(path)), basename(path))
}

function realFolder(path: string): string {
  if (existsSync(path)) return realpathSync(path)
  const parent = dirname(path)
  return parent === path ? path : join(realFolder(parent), basename(path))
}

const isGone = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** Of the newest segment that can be read: a crash may have left an active file without its open record, or none, and strangers' files have none either. */
async function newestHead(file: string): Promise<SegmentHead | null> {
  const active = await readHead(file).catch((error: unknown) => {
    if (isGone(error)) return null
    throw error
  })
  if (active) return active
  for (const { path } of rotatedSegments(file).reverse()) {
    const head = await readHead(path).catch(() => null)
    if (head) return head
  }
  return null
}

/** Whether what was at the remembered place is here now. Without a seal to look for, nothing is lost if nothing is left there. */
async function movedHere({ file, keyDir }: Pair, remembered: string): Promise<boolean> {
  const kept = sealFileOf(keyDir)
  if (!existsSync(kept)) return !hasFiles(remembered)
  return holdsSeal(file, readFileSync(kept, 'latin1').trim())
}

function hasFiles(file: string): boolean {
  try {
    return listSegments(file).length > 0
  } catch {
    // A folder that cannot be looked into may hold all of them.
    return true
  }
}

async function holdsSeal(file: string, line: string): Promise<boolean> {
  const seal = parseSeal(line)
  if (!seal) return false
  let found = false
  for (const path of listSegments(file).reverse()) {
    const head = await readHead(path).catch(() => null)
    if (head?.open.segment !== seal.segment) continue
    const visit = (bytes: Buffer, start: number, end: number): boolean => {
      if (start === end) return true
      found = textOf(bytes, start, end) === line
      return false
    }
    // What cannot be read to that place does not hold it.
    await scanLines(head.path, visit, { from: seal.offset }).catch(() => undefined)
    if (found) return true
  }
  return false
}

/** The command that takes a ledger's segments elsewhere; its lock is no part of it. */
function moving(file: string, folder: string): string {
  const stem = shellWord(join(dirname(file), stemOf(file)))
  const segments = file.endsWith('.log') ? `${stem}[.-]*log*` : `${shellWord(file)} ${stem}-*.log*`
  return `mkdir -p ${shellWord(folder)} && mv ${segments} ${shellWord(folder)}`
}

function strangersLedger({ file, keyDir }: Pair, { path }: SegmentHead, key: string | null, remembered: string | null): string {
  const signer = key === null ? 'and the directory has none' : "than the directory's ledger.key"
  const own = remembered !== null && placeOf(remembered) === placeOf(file)
  return [
    `the ledger ${file} and the data directory ${keyDir} do not belong together: ${path} is signed by another key, ${signer}. Nothing was changed.`,
    own
      ? 'The directory kept this ledger until its ledger.key was lost or replaced: put that back from a backup.'
      : `Set AUDIT_LOG_FILE to ${remembered ?? 'a file of its own'}, or DATA_DIR to the directory that has the key of this ledger.`,
    `Only if that key is lost for good, move the old files away, and a new ledger begins: ${moving(file, join(dirname(file), 'old'))}`,
  ].join('\n')
}

function secondLedger({ file, keyDir }: Pair, remembered: string): string {
  const gone = hasFiles(remembered) ? '' : ' (which has no files there any more)'
  return [
    `the data directory ${keyDir} keeps the ledger ${remembered}${gone}, and ${file} is another one: it does not hold the latest seal of that ledger. Nothing was changed.`,
    `Set AUDIT_LOG_FILE to ${remembered}, or move its files to the new place: ${moving(remembered, dirname(file))}`,
    `To begin another ledger on purpose, copy ${sealFileOf(keyDir)} to where you keep the old one, then: rm ${shellWord(pathFileOf(keyDir))}`,
  ].join('\n')
}
