import { LIMITS } from '../../kernel/index.ts'
import { Amounts } from '../count/amounts.ts'
import { Book } from '../count/book.ts'
import { Histogram } from '../count/histogram.ts'
import { Tally } from '../count/tally.ts'
import type { ErrorRow, ModelRow, OldSecretRow, ServiceRow, Summary } from '../document.ts'
import { iso } from '../iso.ts'
import { endpointOf, type Sighting } from '../sighting.ts'

const SHOWN = LIMITS.reportRowsShownMax

interface Service {
  requests: number
  served: number
  bytesIn: number
  bytesOut: number
  estimated: number
  readonly units: Amounts
  readonly firstByte: Histogram
}

interface Model {
  requests: number
  readonly units: Amounts
}

interface ErrorCount {
  readonly service: string
  readonly status: number
  readonly code: string
  count: number
}

/** What was carried: errors, durations, units, bytes, and how requests ended. */
export class Traffic {
  readonly #errors = new Map<string, ErrorCount>()
  readonly #routes = new Book(
    LIMITS.reportRoutesMax,
    () => new Histogram(),
    (h) => h.count,
  )
  readonly #services = new Book<Service>(
    LIMITS.reportPerSubjectMax,
    () => ({ requests: 0, served: 0, bytesIn: 0, bytesOut: 0, estimated: 0, units: new Amounts(), firstByte: new Histogram() }),
    (service) => service.requests,
  )
  readonly #models = new Book<Model>(
    LIMITS.reportNamesMax,
    () => ({ requests: 0, units: new Amounts() }),
    (model) => model.requests,
  )
  readonly #oldSecrets = new Book<{ user: string; count: number; lastMs: number }>(
    LIMITS.reportKeysMax,
    () => ({ user: '', count: 0, lastMs: 0 }),
    (old) => old.count,
  )
  readonly #endings = new Tally(LIMITS.reportPerSubjectMax)

  see(s: Sighting): void {
    this.#seeService(s)
    if (s.totalMs >= 0 && s.verdict !== 'denied' && s.verdict !== 'refused') this.#routes.of(endpointOf(s)).add(s.totalMs)
    if (s.ended !== '' && s.event === 'outcome') this.#endings.add(s.ended)
    if (s.status >= 400 || (s.event === 'outcome' && s.status === 0)) this.#seeError(s)
    if (s.model !== '' && s.event === 'outcome') {
      const model = this.#models.of(s.model)
      model.requests += 1
      if (s.units !== null) model.units.add(s.units)
    }
    if (s.oldSecret) {
      const old = this.#oldSecrets.of(s.key)
      old.user = s.user
      old.count += 1
      old.lastMs = Math.max(old.lastMs, s.atMs)
    }
  }

  result(): Pick<Summary, 'errors' | 'slowest_routes' | 'services' | 'models' | 'endings' | 'old_secrets'> {
    const routes = this.#routes.top(SHOWN, (histogram) => histogram.quantile(0.95))
    return {
      errors: [...this.#errors.values()]
        .sort((a, b) => b.count - a.count || (a.service < b.service ? -1 : 1) || a.status - b.status)
        .slice(0, 2 * SHOWN)
        .map(({ service, status, code, count }): ErrorRow => ({ service, status, code, count })),
      slowest_routes: routes.map(([endpoint, histogram]) => ({ endpoint, ...histogram.spread() })),
      services: this.#services.top(SHOWN).map(([service, s]) => serviceRow(service, s)),
      models: this.#models.top(SHOWN).map(([model, m]): ModelRow => ({ model, requests: m.requests, units: m.units.toRecord() })),
      endings: this.#endings.top(SHOWN),
      old_secrets: this.#oldSecrets
        .top(SHOWN)
        .map(([key, old]): OldSecretRow => ({ key, user: old.user, count: old.count, last: iso(old.lastMs) })),
    }
  }

  #seeService(s: Sighting): void {
    const service = this.#services.of(s.service === '' ? 'gate' : s.service)
    service.requests += s.count
    if (s.verdict === 'served') service.served += s.count
    service.bytesIn += s.bytesIn
    service.bytesOut += s.bytesOut
    if (s.estimated) service.estimated += 1
    if (s.units !== null) service.units.add(s.units)
    if (s.firstByteMs >= 0) service.firstByte.add(s.firstByteMs)
  }

  #seeError(s: Sighting): void {
    const name = `${s.service}\t${s.status}\t${s.code}`
    const known = this.#errors.get(name)
    if (known) known.count += s.count
    else if (this.#errors.size < LIMITS.reportNamesMax)
      this.#errors.set(name, { service: s.service === '' ? 'gate' : s.service, status: s.status, code: s.code, count: s.count })
  }
}

const serviceRow = (service: string, s: Service): ServiceRow => ({
  service,
  requests: s.requests,
  served: s.served,
  bytes_in: s.bytesIn,
  bytes_out: s.bytesOut,
  units: s.units.toRecord(),
  estimated: s.estimated,
  first_byte: s.firstByte.count > 0 ? s.firstByte.spread() : null,
})
