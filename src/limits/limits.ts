import type { Clock } from '../kernel/index.ts'
import { AccountBook } from './accounts.ts'
import { Calendar } from './calendar.ts'
import { checkEntry, checkEntryRates } from './checks.ts'
import { checkCall, EndpointCall } from './endpoint-call.ts'
import { Place } from './hold.ts'
import type { Books } from './reservation.ts'
import { SpentBook } from './spent.ts'
import { startSweeper } from './sweeper.ts'
import type { Limits } from './types.ts'
import { KeyUse, sweep, type Use, useOf } from './use.ts'

/** All limits of keys, users, models and endpoints, in memory: what a restart forgets of them and what it does not is told in docs/limits.md. */
export function createLimits({ clock }: { readonly clock: Clock }): Limits {
  const keys = new Map<string, KeyUse>()
  const users = new Map<string, Use>()
  const endpoints = new Map<string, Use>()
  const calendar = new Calendar(clock)
  const books: Books = { clock, calendar, spent: new SpentBook(calendar), accounts: new AccountBook(), models: new Map() }
  function* round(): Generator<void> {
    const nowMs = clock.monoMs()
    for (const uses of [keys, users, books.models, endpoints]) yield* sweep(uses, nowMs)
    yield* books.spent.sweep()
  }
  const sweeper = startSweeper(round)

  return {
    enter(principal) {
      const { id, limits, owner } = principal
      let key = keys.get(id)
      if (key === undefined) {
        key = new KeyUse(useOf(users, owner.id))
        keys.set(id, key)
      } else if (key.user.gone) key.user = useOf(users, owner.id)
      checkEntry(principal, key)
      if (limits.rates.length === 0 && owner.limits.rates.length === 0) return new Place(books, principal, key, null, false)
      const nowMs = clock.monoMs()
      checkEntryRates(principal, key, nowMs)
      if (limits.rates.length > 0) key.countCall(limits.rates, nowMs)
      if (owner.limits.rates.length > 0) key.user.countCall(owner.limits.rates, nowMs)
      return new Place(books, principal, key, nowMs, owner.limits.rates.length > 0)
    },
    atEndpoint(name, limits, demand) {
      const use = useOf(endpoints, name)
      checkCall(books, name, use, limits, demand)
      return new EndpointCall(books, name, use, limits, demand)
    },
    accounts: books.accounts,
    spent: books.spent,
    stats: () => ({
      keys: keys.size,
      users: users.size,
      models: books.models.size,
      endpoints: endpoints.size,
      inFlight: inFlight(keys),
      atModels: inFlight(books.models),
      atEndpoints: inFlight(endpoints),
    }),
    close: () => sweeper.stop(),
  }
}

const inFlight = (uses: ReadonlyMap<string, Use>): number => [...uses.values()].reduce((sum, use) => sum + use.inFlight, 0)
