import { LIMITS } from '../../kernel/index.ts'
import { type AddressCount, Addresses } from '../count/addresses.ts'
import { Tally } from '../count/tally.ts'
import { Timeline } from '../count/timeline.ts'
import type { AddressRow, Ranking, Summary } from '../document.ts'
import { iso } from '../iso.ts'
import { endpointOf, type Sighting } from '../sighting.ts'

const SHOWN = LIMITS.reportRowsShownMax

/** The counts that the first analyser had: events, methods, endpoints, addresses, who was let in and who was turned away. */
export class Totals {
  readonly #events = new Tally(LIMITS.reportNamesMax)
  readonly #methods = new Tally(LIMITS.reportPerSubjectMax)
  readonly #endpoints = new Tally(LIMITS.reportEndpointsMax)
  readonly #addresses = new Addresses(LIMITS.reportAddressesMax)
  readonly #users = new Tally(LIMITS.reportUsersMax)
  readonly #services = new Tally(LIMITS.reportNamesMax)
  readonly #deniedEndpoints = new Tally(LIMITS.reportEndpointsMax)
  readonly #deniedReasons = new Tally(LIMITS.reportNamesMax)
  readonly #lifecycle = new Tally(LIMITS.reportNamesMax)
  readonly #timeline = new Timeline()
  readonly #verdicts = { served: 0, failed: 0, refused: 0, denied: 0 }
  #firstMs = Number.POSITIVE_INFINITY
  #lastMs = Number.NEGATIVE_INFINITY

  /** A line that is no request of its own. */
  note(event: string, detail: string, atMs: number): void {
    this.#events.add(event)
    if (detail !== '') this.#lifecycle.add(detail)
    this.#stretch(atMs, atMs)
  }

  see(s: Sighting): void {
    const { count } = s
    const denied = s.verdict === 'denied'
    if (s.firstOfLine) this.#events.add(s.event)
    this.#stretch(s.sinceMs, s.atMs)
    this.#verdicts[s.verdict] += count
    this.#timeline.add(s.atMs, s.verdict, count)
    if (s.method !== '') this.#methods.add(s.method, count)
    const endpoint = endpointOf(s)
    this.#endpoints.add(endpoint, count)
    if (s.address !== '') this.#addresses.see(s.address, count, denied, s.sinceMs, s.atMs)
    if (denied) {
      this.#deniedEndpoints.add(endpoint, count)
      this.#deniedReasons.add(reasonOfDenial(s), count)
    } else if (s.recognised && s.event !== 'refused' && s.event !== 'refused_summary') {
      this.#users.add(s.user || s.key, count)
      this.#services.add(s.service, count)
    }
  }

  get firstMs(): number {
    return this.#firstMs
  }

  get lastMs(): number {
    return this.#lastMs
  }

  result(): Pick<
    Summary,
    'requests' | 'events' | 'methods' | 'endpoints' | 'addresses' | 'authorised' | 'denied' | 'lifecycle' | 'timeline'
  > {
    const { served, failed, refused, denied } = this.#verdicts
    return {
      requests: { total: served + failed + refused + denied, served, failed, refused, denied },
      events: this.#events.top(SHOWN),
      methods: this.#methods.top(SHOWN),
      endpoints: ranking(this.#endpoints),
      addresses: {
        distinct: this.#addresses.distinct,
        exact: this.#addresses.exact,
        top: this.#addresses.top(SHOWN, 'requests').map(addressRow),
      },
      authorised: { total: this.#users.total, by_user: ranking(this.#users), by_service: this.#services.top(SHOWN) },
      denied: {
        total: denied,
        by_address: this.#addresses.top(SHOWN, 'denied').map(addressRow),
        by_endpoint: this.#deniedEndpoints.top(SHOWN),
        by_reason: this.#deniedReasons.top(SHOWN),
      },
      lifecycle: this.#lifecycle.top(SHOWN),
      timeline: {
        width_ms: this.#timeline.widthMs,
        buckets: this.#timeline.buckets().map(({ atMs, ...counts }) => ({ at: iso(atMs), ...counts })),
      },
    }
  }

  #stretch(sinceMs: number, atMs: number): void {
    if (sinceMs < this.#firstMs) this.#firstMs = sinceMs
    if (atMs > this.#lastMs) this.#lastMs = atMs
  }
}

const reasonOfDenial = ({ offence, reason, code }: Sighting): string =>
  offence === 'keyless' ? 'no key' : reason || code || (offence === 'sign_in' ? 'bad key' : offence)

export const ranking = (tally: Tally): Ranking => ({ distinct: tally.size, exact: tally.exact, top: tally.top(SHOWN) })

const addressRow = ({ address, requests, denied, firstMs, lastMs }: AddressCount): AddressRow => ({
  address,
  requests,
  denied,
  first: iso(firstMs),
  last: iso(lastMs),
})
