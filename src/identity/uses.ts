import { LIMITS, reasonOf } from '../kernel/index.ts'
import type { IdentityLog } from './log.ts'
import type { KeyRecord } from './record.ts'
import type { KeyStore } from './store.ts'

/** When keys were last used: noted in memory on every request, written at most once a minute. */
export class UseLog {
  #unsaved: KeyRecord[] = []
  readonly #store: Pick<KeyStore, 'saveUses'>
  readonly #log: IdentityLog
  readonly #timer: NodeJS.Timeout

  constructor(store: Pick<KeyStore, 'saveUses'>, log: IdentityLog) {
    this.#store = store
    this.#log = log
    this.#timer = setInterval(() => void this.flush(), LIMITS.lastUsedFlushMs).unref()
  }

  note(record: KeyRecord, nowMs: number): void {
    record.usedMs = nowMs
    if (record.useUnsaved) return
    record.useUnsaved = true
    this.#unsaved.push(record)
  }

  /** Never fails: a last use that cannot be written is kept for the next time, and is not worth a request. */
  async flush(): Promise<void> {
    const used = this.#unsaved
    if (used.length === 0) return
    this.#unsaved = []
    for (const record of used) record.useUnsaved = false
    try {
      await this.#store.saveUses(used.map((record) => ({ id: record.fields.id, usedMs: record.usedMs })))
    } catch (thrown) {
      this.#log.warn({ reason: reasonOf(thrown) }, 'last uses of keys could not be written')
      for (const record of used) this.note(record, record.usedMs)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }
}
