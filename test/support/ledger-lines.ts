import { createHash } from 'node:crypto'
import type { IntentEntry, OutcomeEntry, RefusedEntry, RefusedSummaryLine } from '../../src/contract/index.ts'

type SummaryEntry = Pick<RefusedSummaryLine, 'tenant' | 'address' | 'count' | 'first' | 'last' | 'samples'>

/** Ledger lines in the order and with the chain of the real ledger, without seals, at times that a test chooses. */
export class LedgerLines {
  #head = '0'.repeat(64)
  #seq = 0

  intent(atMs: number, about: IntentEntry): string {
    return this.#line(atMs, 'intent', about)
  }

  outcome(atMs: number, entry: OutcomeEntry): string {
    return this.#line(atMs, 'outcome', entry)
  }

  refused(atMs: number, entry: RefusedEntry): string {
    return this.#line(atMs, 'refused', entry)
  }

  summary(atMs: number, entry: SummaryEntry): string {
    return this.#line(atMs, 'refused_summary', entry)
  }

  lifecycle(atMs: number, what: string): string {
    return this.#line(atMs, 'lifecycle', { what })
  }

  #line(atMs: number, event: string, fields: object): string {
    const body = JSON.stringify({ v: 1, time: new Date(atMs).toISOString(), seq: this.#seq, event, ...fields }).slice(0, -1)
    this.#seq += 1
    this.#head = createHash('sha256')
      .update(this.#head + body)
      .digest('hex')
    return `${body},"hash":"${this.#head}"}\n`
  }
}
