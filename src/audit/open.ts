import { existsSync, mkdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { openLedgerKey } from './keys.ts'
import { FileLedger } from './ledger.ts'
import { GENESIS } from './line.ts'
import type { Ledger, LedgerOptions } from './types.ts'

/** Opens the ledger where the last process left it. */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const { file, clock, log } = options
  const key = openLedgerKey(options.keyDir)
  mkdirSync(dirname(file), { recursive: true, mode: 0o750 })
  if (existsSync(file)) throw new Error('resume')
  const resumed = { point: { hash: GENESIS, seq: -1 }, segment: null, nextNumber: 1, faults: [] }
  const parts = { file, host: options.host ?? hostname(), pid: options.pid ?? process.pid, key, clock, log }
  const ledger = new FileLedger(options, parts, resumed, () => {})
  await ledger.start()
  return ledger
}
