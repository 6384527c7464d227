import { LIMITS } from '../../kernel/index.ts'
import { Amounts } from '../count/amounts.ts'
import { Book } from '../count/book.ts'
import { Few } from '../count/few.ts'
import { Tally } from '../count/tally.ts'
import type { UserRow } from '../document.ts'
import { iso } from '../iso.ts'
import { endpointOf, type Sighting } from '../sighting.ts'
import { ranking } from './totals.ts'

interface User {
  firstMs: number
  lastMs: number
  requests: number
  failed: number
  refused: number
  denied: number
  bytesIn: number
  bytesOut: number
  readonly units: Amounts
  readonly services: Tally
  readonly endpoints: Tally
  readonly addresses: Tally
  readonly keys: Few
}

const PER_USER = LIMITS.reportPerSubjectMax

const newUser = (): User => ({
  firstMs: Number.POSITIVE_INFINITY,
  lastMs: 0,
  requests: 0,
  failed: 0,
  refused: 0,
  denied: 0,
  bytesIn: 0,
  bytesOut: 0,
  units: new Amounts(),
  services: new Tally(PER_USER),
  endpoints: new Tally(PER_USER),
  addresses: new Tally(PER_USER),
  keys: new Few(),
})

/** Who used what, from where and when. Only callers the gate recognised: a name on a refused sign-in is a claim. */
export class Users {
  readonly #users = new Book<User>(LIMITS.reportUsersMax, newUser, (user) => user.requests)

  see(s: Sighting): void {
    if (!s.recognised || s.user === '') return
    const user = this.#users.of(s.user)
    user.requests += s.count
    if (s.verdict !== 'served') user[s.verdict] += s.count
    if (s.sinceMs < user.firstMs) user.firstMs = s.sinceMs
    if (s.atMs > user.lastMs) user.lastMs = s.atMs
    user.bytesIn += s.bytesIn
    user.bytesOut += s.bytesOut
    if (s.units !== null) user.units.add(s.units)
    if (s.service !== '') user.services.add(s.service, s.count)
    user.endpoints.add(endpointOf(s), s.count)
    if (s.address !== '') user.addresses.add(s.address, s.count)
    if (s.key !== '') user.keys.add(s.key)
  }

  result(): UserRow[] {
    return this.#users.top(LIMITS.reportUsersMax).map(([user, u]) => ({
      user,
      first: iso(u.firstMs),
      last: iso(u.lastMs),
      requests: u.requests,
      failed: u.failed,
      refused: u.refused,
      denied: u.denied,
      units: u.units.toRecord(),
      bytes_in: u.bytesIn,
      bytes_out: u.bytesOut,
      services: u.services.top(PER_USER),
      endpoints: u.endpoints.top(PER_USER),
      addresses: ranking(u.addresses),
      keys: u.keys.list,
    }))
  }
}
