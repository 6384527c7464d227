import { Readable } from 'node:stream'
import type { Balancer, Endpoint, Model, Models, Place, Protocol, Verdict } from '../catalog/index.ts'
import type { Plan } from '../dialects/index.ts'
import { asGatewayError } from '../http/index.ts'
import { GatewayError, LIMITS, NO_LIMITS } from '../kernel/index.ts'
import type { Limits } from '../limits/index.ts'
import type { CarriageEnd, Carrier, LifeWords } from './carry/index.ts'
import type { Visit } from './visit.ts'

/** What a request asks of a model, in nobody's language. */
export interface Ask {
  readonly model: Model
  readonly protocol: Protocol
  /** The plan for one of the places where a model is served. It throws what that place cannot do. */
  readonly planAt: (place: Place, model: Model) => Plan
  /** For streams: what their caller is told while nothing comes. */
  readonly life: LifeWords | null
}

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

/** A body that streams in has been read by whoever was asked first. */
const canBeSentAgain = ({ request: { body } }: Plan): boolean => !(body instanceof Readable) || !body.readableDidRead

interface Attempt {
  readonly end: CarriageEnd
  /** Whether another endpoint may be asked. */
  readonly goesOn: boolean
}

/** The endpoints asked for one request, one after another. */
class Attempts {
  readonly #visit: Visit
  readonly #ask: Ask
  readonly #parts: ToModelParts
  // Lists, because nearly always one endpoint is tried and none passed over.
  readonly #tried: Endpoint[] = []
  readonly #passed: (readonly [name: string, why: string])[] = []
  #waitMs = 0

  constructor(visit: Visit, ask: Ask, parts: ToModelParts) {
    this.#visit = visit
    this.#ask = ask
    this.#parts = parts
  }

  async run(): Promise<CarriageEnd> {
    let end: CarriageEnd | null = null
    let model: Model | undefined = this.#ask.model
    for (let models = 1; model !== undefined && models <= LIMITS.fallbacksMax; models += 1) {
      const attempt = await this.#tryAllOf(model)
      end = attempt?.end ?? end
      if (attempt?.goesOn === false) break
      model = model.fallback === null ? undefined : this.#parts.models.find(model.fallback)
      if (model !== undefined) this.#passed.push(['then', `model ${model.name}`])
    }
    if (this.#passed.length > 0) this.#visit.passedOver = this.#passed.map(([name, why]) => `${name}: ${why}`).join('; ')
    return end ?? refusedEnd(this.#nobodyLeft())
  }

  /** The last attempt; null when there was none. */
  async #tryAllOf(model: Model): Promise<Attempt | null> {
    let last: Attempt | null = null
    for (;;) {
      const { place, waitMs } = this.#parts.balancer.next(model.places, this.#ask.protocol, this.#tried, this.#passOver)
      if (waitMs > 0) this.#waitMs = waitMs
      if (place === null) return last
      this.#tried.push(place.endpoint)
      last = await this.#tryAt(place, model)
      if (!last.goesOn) return last
      this.#visit.leaveEndpoint()
      this.#passOver(place.endpoint, last.end.error?.code ?? last.end.ended)
    }
  }

  async #tryAt(place: Place, model: Model): Promise<Attempt> {
    const { endpoint } = place
    // A model's own rates stand instead of its endpoint's.
    const hold = this.#parts.limits.atEndpoint(endpoint.name, model.limits.rates.length > 0 ? NO_LIMITS : endpoint.limits)
    if (hold === null) return { end: refusedEnd(rateUsedUp(endpoint)), goesOn: true }
    this.#visit.enterEndpoint(endpoint.name, model.price, hold)
    try {
      // From the choice of an endpoint to its being counted as busy there is no turn for others, or they would all choose the same.
      return await this.#carry(endpoint, this.#ask.planAt(place, model))
    } catch (thrown) {
      return { end: refusedEnd(asGatewayError(thrown)), goesOn: thrown instanceof GatewayError }
    }
  }

  async #carry(endpoint: Endpoint, plan: Plan): Promise<Attempt> {
    const { balancer, carrier } = this.#parts
    balancer.begun(endpoint)
    const end = await carrier.carry(this.#visit, endpoint, plan)
    balancer.ended(endpoint, verdictOf(end, this.#visit.principal?.id ?? ''))
    return { end, goesOn: end.tell !== undefined && NOT_ACTED_ON.has(end.tell.code) && canBeSentAgain(plan) }
  }

  readonly #passOver = ({ name }: Endpoint, why: string): void => {
    if (!this.#passed.some(([passed]) => passed === name)) this.#passed.push([name, why])
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

const RATE_RETRY_S = '5'
const rateUsedUp = ({ name }: Endpoint): GatewayError =>
  new GatewayError('RATE_LIMITED', {
    detail: `The rate of endpoint ${name} is used up`,
    reason: `endpoint ${name}: rate used up`,
    headers: { 'retry-after': RATE_RETRY_S },
  })

const refusedEnd = (error: GatewayError): CarriageEnd => ({ ended: 'refused', status: error.status, bytesOut: 0, error, tell: error })
