import type { Balancer, Endpoint, Model, Models, Place, Verdict } from '../catalog/index.ts'
import type { Plan } from '../dialects/index.ts'
import { asGatewayError } from '../http/index.ts'
import { type Allowance, GatewayError, LIMITS, mayUse, NO_LIMITS } from '../kernel/index.ts'
import type { Limits } from '../limits/index.ts'
import type { Ask } from './ask.ts'
import { expectedOf } from './bill.ts'
import type { CarriageEnd, Carrier } from './carry/index.ts'
import type { Visit } from './visit.ts'

export interface ToModelParts {
  readonly carrier: Carrier
  readonly balancer: Balancer
  readonly models: Pick<Models, 'find'>
  readonly limits: Pick<Limits, 'atEndpoint'>
}

/** Carries a request to one of the endpoints of its model, and to another where it cannot have been acted on. */
export type ToModel = (visit: Visit, ask: Ask) => Promise<CarriageEnd>

export function createToModel(parts: ToModelParts): ToModel {
  return (visit, ask) => {
    const attempts = new Attempts(visit, ask, parts)
    return ask.life === null ? attempts.run() : parts.carrier.keepAlive(visit, ask.life, () => attempts.run())
  }
}

/** Nothing was done there, and the caller was told nothing: only then may another be asked, or a generation could be made twice. */
const NOT_ACTED_ON: ReadonlySet<string> = new Set(['UPSTREAM_UNREACHABLE', 'UPSTREAM_BUSY', 'QUEUE_FULL'])
const FAILURES: ReadonlySet<string> = new Set(['UPSTREAM_UNREACHABLE', 'UPSTREAM_DIED', 'UPSTREAM_TIMEOUT', 'UPSTREAM_REFUSED'])

function verdictOf({ error, firstByteMs }: CarriageEnd, caller: string): Verdict {
  if (error !== undefined && FAILURES.has(error.code)) return { caller, isUnreachable: error.code === 'UPSTREAM_UNREACHABLE' }
  return firstByteMs === undefined || error?.code === 'UPSTREAM_BUSY' ? 'undecided' : 'served'
}

interface Attempt {
  readonly end: CarriageEnd
  /** Whether another endpoint may be asked. */
  readonly goesOn: boolean
}

type Passed = readonly [name: string, why: string]
const NOTHING: readonly never[] = Object.freeze([])

/** The endpoints asked for one request, one after another. */
class Attempts {
  readonly #visit: Visit
  readonly #ask: Ask
  readonly #parts: ToModelParts
  // Nearly always one endpoint is tried and none passed over, so these are lists, and made when something is put into them.
  #tried: readonly Endpoint[] = NOTHING
  #models: readonly Model[] = NOTHING
  #unreachable: readonly Endpoint[] = NOTHING
  #passed: readonly Passed[] = NOTHING
  #waitMs = 0

  constructor(visit: Visit, ask: Ask, parts: ToModelParts) {
    this.#visit = visit
    this.#ask = ask
    this.#parts = parts
  }

  async run(): Promise<CarriageEnd> {
    let end: CarriageEnd | null = null
    let model: Model | null = this.#ask.model
    for (let models = 1; model !== null && models <= LIMITS.fallbacksMax; models += 1) {
      const attempt: Attempt | null = await this.#tryAllOf(model)
      end = attempt?.end ?? end
      if (attempt?.goesOn === false) break
      model = this.#fallbackOf(model)
      const refused: CarriageEnd | null = model === null ? null : await this.#enter(model)
      if (refused === null) continue
      end = refused
      break
    }
    if (this.#passed.length > 0) this.#visit.passedOver = this.#passed.map(([name, why]) => `${name}: ${why}`).join('; ')
    return end ?? refusedEnd(this.#nobodyLeft())
  }

  /** Whoever edits a model is not asked who may use another; a key gets no model by a detour. */
  #fallbackOf(before: Model): Model | null {
    const model = before.fallback === null ? undefined : this.#parts.models.find(before.fallback)
    this.#models = [...this.#models, before]
    if (model === undefined || this.#models.includes(model)) return null
    const may = model.capability === before.capability && mayUse(this.#visit.principal, model)
    this.#passed = [...this.#passed, may ? ['then', `model ${model.name}`] : [`model ${model.name}`, 'not for this key']]
    return may ? model : null
  }

  /** What was reserved for the model before is now for this one, at its limits and its price; null when they allow it. */
  async #enter(model: Model): Promise<CarriageEnd | null> {
    const { demand } = this.#visit
    // Another model may stand at an endpoint that had no room for the one before, but not at one where nobody listens.
    this.#tried = this.#unreachable
    try {
      if (demand !== null) await this.#visit.reserve({ ...demand, model, price: model.price })
      this.#visit.model = model.name
      return null
    } catch (thrown) {
      return refusedEnd(asGatewayError(thrown))
    }
  }

  /** The last attempt, or the one of several whose limits are free again first; null when there was none. */
  async #tryAllOf(model: Model): Promise<Attempt | null> {
    let last: Attempt | null = null
    for (;;) {
      const { place, waitMs } = this.#parts.balancer.next(model.places, this.#ask.protocol, this.#tried, this.#passOver)
      if (waitMs > 0) this.#waitMs = waitMs
      if (place === null) return last
      this.#tried = [...this.#tried, place.endpoint]
      const attempt: Attempt = await this.#tryAt(place, model)
      if (!attempt.goesOn) return attempt
      last = sooner(last, attempt)
      const { error, ended } = attempt.end
      if (error?.code === 'UPSTREAM_UNREACHABLE') this.#unreachable = [...this.#unreachable, place.endpoint]
      this.#visit.leaveEndpoint()
      this.#passOver(place.endpoint, error?.code ?? ended)
    }
  }

  #tryAt(place: Place, model: Model): Promise<Attempt> {
    const { endpoint } = place
    try {
      this.#count(endpoint, model)
      // From the choice of an endpoint to its being counted as busy there is no turn for others, or they would all choose the same.
      return this.#carry(endpoint, this.#ask.planAt(place, model))
    } catch (thrown) {
      return Promise.resolve({ end: refusedEnd(asGatewayError(thrown)), goesOn: thrown instanceof GatewayError })
    }
  }

  /** Its own limits are told like any others, but only by the last endpoint that there is to ask. */
  #count(endpoint: Endpoint, model: Model): void {
    const { demand } = this.#visit
    const hold = this.#parts.limits.atEndpoint(endpoint.name, limitsAt(endpoint, model), demand === null ? undefined : expectedOf(demand))
    this.#visit.enterEndpoint(endpoint.name, model.price, hold)
  }

  #carry(endpoint: Endpoint, plan: Plan): Promise<Attempt> {
    const { balancer, carrier } = this.#parts
    const isTrial = balancer.begun(endpoint)
    this.#visit.onAnswer = () => balancer.answered(endpoint)
    return carrier.carry(this.#visit, endpoint, plan).then((end) => {
      balancer.ended(endpoint, verdictOf(end, this.#visit.principal?.id ?? ''), isTrial)
      return { end, goesOn: end.tell !== undefined && NOT_ACTED_ON.has(end.tell.code) }
    })
  }

  readonly #passOver = (endpoint: Endpoint, why: string): void => {
    const { name } = endpoint
    if (this.#passed.some(([passed, reason]) => passed === name && reason === why)) return
    this.#passed = [...this.#passed, [name, why]]
    this.#parts.balancer.passOver(endpoint, why)
  }

  #nobodyLeft(): GatewayError {
    const { name } = this.#ask.model
    const retryAfter = String(Math.max(1, Math.ceil(this.#waitMs / 1_000)))
    return new GatewayError('UPSTREAM_UNREACHABLE', {
      detail: `None of the endpoints of ${name} can be reached just now`,
      reason: `${name}: no endpoint left`,
      headers: { 'retry-after': retryAfter },
    })
  }
}

const USED_UP: ReadonlySet<string> = new Set(['RATE_LIMITED', 'TOKENS_LIMITED', 'BUDGET_EXHAUSTED'])
const waitOf = ({ end: { error } }: Attempt): number =>
  error !== undefined && USED_UP.has(error.code) ? Number(error.headers['retry-after']) : Number.NaN

/** Nobody should wait for a month because of the one that was asked last. */
const sooner = (before: Attempt | null, now: Attempt): Attempt => (before !== null && waitOf(before) < waitOf(now) ? before : now)

/** A model's own rates stand instead of its endpoint's; tokens and money are limited by both. */
const limitsAt = ({ limits }: Endpoint, model: Model): Allowance =>
  model.limits.rates.length === 0 || limits.rates.length === 0 ? limits : { ...limits, rates: NO_LIMITS.rates }

const refusedEnd = (error: GatewayError): CarriageEnd => ({ ended: 'refused', status: error.status, bytesOut: 0, error, tell: error })
