import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Ledger, type LedgerOptions, listSegments, openLedger, type VerifyReport, verifyLedger } from '../../src/audit/index.ts'
import type { IntentEntry, OutcomeEntry, RefusedEntry } from '../../src/contract/index.ts'
import { systemClock } from '../../src/kernel/index.ts'

/** A directory for one ledger: `logs/audit.log` and `data/`. */
export interface LedgerPlace {
  readonly dir: string
  readonly file: string
  readonly keyDir: string
  remove(): void
}

export function ledgerPlace(parent = tmpdir()): LedgerPlace {
  const dir = mkdtempSync(join(parent, 'portcullis-ledger-'))
  return {
    dir,
    file: join(dir, 'logs', 'audit.log'),
    keyDir: join(dir, 'data'),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
}

export interface Said {
  readonly level: 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: object
}

/** Opens the ledger of a place; what it logs is kept in `said`. Finished segments stay plain, so that tests can look into them. */
export async function ledgerAt(place: LedgerPlace, options: Partial<LedgerOptions> = {}, said: Said[] = []): Promise<Ledger> {
  const logger = (level: Said['level']) => (fields: object, message: string) => void said.push({ level, message, fields })
  return openLedger({
    file: place.file,
    keyDir: place.keyDir,
    sync: 'write',
    rotateMiB: 64,
    keepDays: 400,
    compress: false,
    clock: systemClock,
    log: { info: logger('info'), warn: logger('warn'), error: logger('error') },
    ...options,
  })
}

export const intentOf = (request: string, more: Partial<IntentEntry> = {}): IntentEntry => ({
  request,
  tenant: 'default',
  kind: 'key',
  user: 'ada',
  key: 'AbCdEfGhIjKl',
  address: '192.0.2.7',
  method: 'POST',
  route: '/chat/api/generate',
  service: 'chat',
  model: 'llama3.2:1b',
  agent: 'curl/8.5.0',
  ...more,
})

export const outcomeOf = (request: string, more: Partial<OutcomeEntry> = {}): OutcomeEntry => ({
  ...intentOf(request),
  status: 200,
  bytes_in: 120,
  bytes_out: 4_096,
  units: { tokens_in: 12, tokens_out: 220 },
  first_byte_ms: 41.25,
  total_ms: 1_204.5,
  ended: 'complete',
  ...more,
})

export const refusalOf = (request: string, more: Partial<RefusedEntry> = {}): RefusedEntry => ({
  request,
  tenant: 'default',
  address: '198.51.100.9',
  method: 'POST',
  route: '/chat/api/generate',
  service: 'chat',
  status: 401,
  code: 'UNAUTHORIZED',
  reason: 'unknown_key',
  path: '/chat/api/generate',
  ...more,
})

/** One request after the other, each with intent and outcome. */
export async function writePairs(ledger: Ledger, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1) {
    const request = `req_${String(n).padStart(8, '0')}`
    await ledger.intent(intentOf(request))
    ledger.outcome(outcomeOf(request))
  }
}

/** Verifies a place's whole ledger with its own public key, and with its latest seal unless another or none is given. */
export function verifyPlace(
  place: LedgerPlace,
  heldSeal: string | null = readFileSync(join(place.keyDir, 'ledger.seal'), 'utf8'),
): Promise<VerifyReport> {
  return verifyLedger(listSegments(place.file), {
    publicKey: readFileSync(join(place.keyDir, 'ledger.pub'), 'utf8'),
    whole: true,
    ...(heldSeal !== null && { heldSeal }),
  })
}

/** The lines of a text that are not empty, as objects. */
export const objectsIn = (text: string): Record<string, unknown>[] =>
  text.split('\n').flatMap((line): Record<string, unknown>[] => (line === '' ? [] : [JSON.parse(line)]))

/** The same of whole files. */
export const linesOf = (...files: readonly string[]): Record<string, unknown>[] =>
  files.flatMap((file) => objectsIn(readFileSync(file, 'utf8')))
