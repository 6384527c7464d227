import { renameSync, writeFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { reasonOf } from '../kernel/index.ts'
import { sealFileOf } from './keys.ts'
import type { LedgerLog } from './types.ts'

/** Keeps the latest seal in the data directory, beside the key and not beside the log: whoever cuts the log has to reach this file too. */
export class SealFile {
  readonly #file: string
  readonly #log: LedgerLog
  #latest = ''
  #written = ''
  #busy = false

  constructor(keyDir: string, log: LedgerLog) {
    this.#file = sealFileOf(keyDir)
    this.#log = log
  }

  offer(line: string): void {
    this.#latest = line
  }

  /** Called once a second: under load there are dozens of seals a second, and only the latest counts. */
  flush(): void {
    const line = this.#latest
    if (this.#busy || line === this.#written) return
    this.#busy = true
    const temporary = `${this.#file}.tmp`
    writeFile(temporary, `${line}\n`, { mode: 0o600 })
      .then(() => rename(temporary, this.#file))
      .then(() => {
        this.#written = line
      })
      .catch((error: unknown) => this.#log.warn({ err: reasonOf(error), file: this.#file }, 'the latest seal could not be kept'))
      .finally(() => {
        this.#busy = false
      })
  }

  flushNow(): void {
    if (this.#latest === this.#written) return
    try {
      const temporary = `${this.#file}.last`
      writeFileSync(temporary, `${this.#latest}\n`, { mode: 0o600 })
      renameSync(temporary, this.#file)
      this.#written = this.#latest
    } catch (error) {
      this.#log.warn({ err: reasonOf(error), file: this.#file }, 'the latest seal could not be kept')
    }
  }
}
