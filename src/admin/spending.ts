import { formatMicro } from '../kernel/index.ts'
import type { Spent } from '../limits/index.ts'
import type { Usage } from '../usage/index.ts'

/** What keys and users have spent lately. */
export interface Spending {
  /** Resolves when what the ledger has is counted; at once where the gateway runs, which counts along. */
  ready(): Promise<void>
  /** On this UTC day and in this month. */
  of(kind: 'key' | 'user', id: string): { readonly dayMicro: number; readonly monthMicro: number }
}

export interface SpendingParts {
  readonly usage: Pick<Usage, 'caughtUp' | 'spentThisMonth'>
  readonly spent: Pick<Spent, 'load' | 'of'>
  /** Not so for a command that has the house to itself: what a process that was killed has left uncounted is counted before anything is told. */
  readonly countsAlong: boolean
}

export function spendingOf({ usage, spent, countsAlong }: SpendingParts): Spending {
  let ready: Promise<void> | null = countsAlong ? Promise.resolve() : null
  const count = async (): Promise<void> => {
    await usage.caughtUp()
    spent.load(await usage.spentThisMonth())
  }
  return {
    ready() {
      ready ??= count()
      return ready
    },
    of: (kind, id) => spent.of(kind, id),
  }
}

export function presentSpent(spending: Spending, kind: 'key' | 'user', id: string): { spent_day: string; spent_month: string } {
  const { dayMicro, monthMicro } = spending.of(kind, id)
  return { spent_day: formatMicro(dayMicro), spent_month: formatMicro(monthMicro) }
}
