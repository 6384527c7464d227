import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { makeFolder } from '../files/index.ts'
import { reasonOf } from '../kernel/index.ts'
import { assertBelonging, rememberPlace } from './belonging.ts'
import { openLedgerKey } from './keys.ts'
import { FileLedger } from './ledger.ts'
import { lockLedger } from './lock.ts'
import { type Resumed, resume } from './resume.ts'
import { settleCrashed } from './settle.ts'
import type { Ledger, LedgerOptions } from './types.ts'
import { Upkeep } from './upkeep.ts'

/** Opens the ledger where the last process left it; settling its unfinished requests and the upkeep go on behind. */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  makeFolder(dirname(options.file), 0o750)
  const lock = await lockLedger(options.file)
  try {
    return await openLocked(options, () => lock.release())
  } catch (error) {
    lock.release()
    throw error
  }
}

async function openLocked(options: LedgerOptions, closed: () => void): Promise<Ledger> {
  const { file, keyDir, clock, log } = options
  await assertBelonging(options)
  const key = openLedgerKey(keyDir)
  const resumed = await resume({ file, keyDir, key, clock })
  const parts = { file, host: options.host ?? hostname(), pid: options.pid ?? process.pid, key, clock, log }
  const upkeep = new Upkeep({
    file,
    clock,
    log,
    compress: options.compress ?? true,
    stillRead: options.stillRead ?? (() => false),
    settings: () => ledger.settings,
    announce: (detail) => ledger.lifecycle({ what: 'retention', detail }),
  })
  const ledger = new FileLedger(options, parts, resumed, { rotated: () => upkeep.run(), closing: () => background.stop(), closed })
  const background = new Background(ledger, upkeep, options, resumed)
  await ledger.start()
  rememberPlace(options, log)
  for (const detail of resumed.faults) {
    log.warn({ detail }, 'the ledger was not left as it should be')
    ledger.lifecycle({ what: 'fault', detail }).catch(() => undefined)
  }
  background.start()
  return ledger
}

/** What is done for the past while the present goes on. */
class Background {
  readonly #ledger: FileLedger
  readonly #upkeep: Upkeep
  readonly #options: LedgerOptions
  readonly #resumed: Resumed
  readonly #stop = new AbortController()
  #settling: Promise<void> = Promise.resolve()

  constructor(ledger: FileLedger, upkeep: Upkeep, options: LedgerOptions, resumed: Resumed) {
    this.#ledger = ledger
    this.#upkeep = upkeep
    this.#options = options
    this.#resumed = resumed
  }

  start(): void {
    this.#settling = this.#settle().then(() => this.#upkeep.start())
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#settling
    await this.#upkeep.stop()
  }

  async #settle(): Promise<void> {
    const { unsettledFrom: from, point } = this.#resumed
    if (from === undefined) return
    const { log, file } = this.#options
    try {
      const { signal } = this.#stop
      const settled = await settleCrashed({ file, from, to: point.seq, signal, record: (entry) => this.#ledger.outcome(entry) })
      // Written after the outcomes, so that it is acknowledged only when they are.
      if (settled > 0)
        await this.#ledger.lifecycle({ what: 'settled', detail: `${settled} requests that the last process left unfinished` })
      if (!signal.aborted) this.#ledger.settled()
    } catch (error) {
      log.error(
        { err: reasonOf(error) },
        'requests that the last process left unfinished could not all be settled; the next start tries again',
      )
    }
  }
}
