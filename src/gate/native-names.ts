import { closeMatches, type DialectName, type EndpointRef, type Model, type Models, type Service } from '../catalog/index.ts'
import { type Allowance, clip, GatewayError, type KeyPrincipal, LIMITS, namesModel, type Right, withoutKeys } from '../kernel/index.ts'

/** What the gate needs of the catalog for the faces of its own services. */
export type NativeModels = Pick<Models, 'at' | 'standing' | 'version'>

/** The model that a request asks for, and its name at the backend; null leaves the choice to the backend. */
export interface Asked {
  readonly model: Model | undefined
  readonly upstream: string | null
}

/** Backends that have one model under several names: AUTOMATIC1111 takes titles, files, hashes and parts of them, speech servers all of OpenAI's names. */
const MANY_NAMED: ReadonlySet<DialectName> = new Set(['a1111', 'openai'])
export const isManyNamed = (dialect: DialectName): boolean => MANY_NAMED.has(dialect)

/** What is meant by a request that names no model, and how it could name one, as a sentence. */
export interface Unnamed {
  readonly usual: string | null
  readonly where: string
}

/**
 * The names of the models at one of the gate's own services. Where one has a price or a limit, or is switched off, a name that the catalog does not know there
 * could be one more of that very model, so it is refused; and a request that names none is for the usual one, or for the only one there is.
 */
export class NativeNames {
  readonly #service: Service
  readonly #capability: Right
  readonly #models: NativeModels
  readonly #ref: EndpointRef
  readonly #isManyNamed: boolean
  #seen = -1
  #standing: readonly Model[] = []
  #isBound = false

  constructor(service: Service, capability: Right, models: NativeModels) {
    this.#service = service
    this.#capability = capability
    this.#models = models
    this.#ref = `builtin:${service.name}`
    this.#isManyNamed = isManyNamed(service.dialect)
  }

  /** Throws where its key may not use it. */
  asked(key: KeyPrincipal, named: string | null, unnamed: Unnamed): Asked {
    const asked = this.#meant(key, named, unnamed)
    if (!mayUse(key, asked.model, asked.upstream)) throw noSuchModel(asked.upstream)
    return asked
  }

  /** A model that works beside the one that was asked for. What it does is counted for that one, so it may have no price or limit of its own. */
  beside(key: KeyPrincipal, named: string, { first, field }: { readonly first: Asked; readonly field: string }): void {
    const model = this.#models.at(this.#ref, named)
    if (!this.#knows(model, named)) throw this.#misspelt(key, named)
    if (!mayUse(key, model, named)) throw noSuchModel(named)
    if (model === undefined || model === first.model || !isBound(model)) return
    throw new GatewayError('POLICY_REFUSED', {
      detail: `${field} names a second model, which has a price or a limit of its own; that needs the right manage:${this.#service.name}`,
      reason: `a second model in ${field}`,
    })
  }

  #meant(key: KeyPrincipal, named: string | null, { usual, where }: Unnamed): Asked {
    const upstream = named ?? usual
    const model = this.#models.at(this.#ref, upstream)
    if (!this.isJudged(key) || this.#knows(model, upstream)) return { model, upstream }
    if (named !== null) throw this.#misspelt(key, named)
    if (!this.#isBound) return { model, upstream }
    const [only, ...others] = this.#known().filter(({ active }) => active)
    if (only === undefined) throw noSuchModel(upstream)
    if (others.length > 0) throw this.#unnamed(key, where)
    return { model: only, upstream: this.#upstreamOf(only) }
  }

  /** Whether only names that the catalog knows there may be said. Keys that manage the service are held to no spelling: they may change what it has. */
  isJudged({ models, rights }: KeyPrincipal): boolean {
    if (!this.#isManyNamed || rights.has(`manage:${this.#service.name}`)) return false
    this.#look()
    return this.#isBound || (this.#takesParts && models !== null)
  }

  /** AUTOMATIC1111 takes any part of a title for it. */
  get #takesParts(): boolean {
    return this.#service.dialect === 'a1111'
  }

  /**
   * Of the names that a speech server lists, several may be the same model; the titles that AUTOMATIC1111 lists are one each, but for that of a checkpoint which
   * somebody configured by a part of it. "Whatever is loaded" may be any of them.
   */
  #knows(model: Model | undefined, upstream: string | null): boolean {
    if (model === undefined) return false
    if (model.id !== null || !this.#isBound) return true
    if (!this.#takesParts || upstream === null) return false
    return !this.#standing.some((other) => other.id !== null && isPartOf(upstream, this.#upstreamOf(other)))
  }

  #known(): readonly Model[] {
    return this.#standing.filter((model) => this.#knows(model, this.#upstreamOf(model)))
  }

  #upstreamOf({ places }: Model): string | null {
    return places.find(({ endpoint }) => endpoint.ref === this.#ref)?.upstream ?? null
  }

  #look(): void {
    const { version } = this.#models
    if (this.#seen === version) return
    this.#seen = version
    this.#standing = this.#models.standing(this.#ref).filter(({ capability }) => capability === this.#capability)
    this.#isBound = this.#standing.some((model) => !model.active || isBound(model))
  }

  #misspelt(key: KeyPrincipal, named: string): GatewayError {
    return new GatewayError('MODEL_NOT_FOUND', {
      detail: `There is no model "${shown(named)}" here by that spelling; want the whole name that it has here${this.#suggested(key, named)}`,
      reason: 'a name that the catalog does not know there',
    })
  }

  #unnamed(key: KeyPrincipal, where: string): GatewayError {
    return new GatewayError('MODEL_NOT_FOUND', {
      detail: `A model must be named here, because there are several, and not all of them free and open; ${where}${this.#suggested(key, '')}`,
      reason: 'no model named, and several to choose from',
    })
  }

  /** Of those that the key may use, the closest, or the first. */
  #suggested(key: KeyPrincipal, named: string): string {
    const names = this.#known().flatMap((model) => {
      const upstream = this.#upstreamOf(model)
      return upstream !== null && mayUse(key, model, upstream) ? [upstream] : []
    })
    const alike = names.filter((name) => named !== '' && name.includes(named))
    const close = alike.length > 0 ? alike : closeMatches(named, names)
    const some = (close.length > 0 ? close : names).slice(0, SUGGESTED_MAX)
    return some.length === 0 ? '; GET /v1/models lists those that this key may use' : `: ${some.map((name) => `"${name}"`).join(', ')}`
  }
}

const SUGGESTED_MAX = 3
const shown = (name: string): string => clip(withoutKeys(name), LIMITS.modelCharsMax)

/** As AUTOMATIC1111 itself looks for a title, which may have another hash by now. */
const isPartOf = (title: string, name: string | null): boolean =>
  name !== null && (title.includes(name) || title.includes(name.replace(/\s*\[[^\]]+\]\s*$/, '')))

export function mayUse({ models }: KeyPrincipal, model: Model | undefined, upstream: string | null): boolean {
  if (model !== undefined && !model.active) return false
  if (models === null) return true
  const name = model?.name ?? upstream
  return name !== null && namesModel(models, name)
}

export const counts = ({ tokensPerMinute, budgetDayMicro, budgetMonthMicro }: Allowance): boolean =>
  tokensPerMinute !== null || budgetDayMicro !== null || budgetMonthMicro !== null

export const isBound = ({ price, limits }: Model): boolean =>
  price.inMicro > 0 || price.outMicro > 0 || limits.rates.length > 0 || limits.concurrency > 0 || counts(limits)

export function noSuchModel(upstream: string | null): GatewayError {
  const named = upstream === null ? 'This key may use none of the models here' : `There is no model "${shown(upstream)}"`
  return new GatewayError('MODEL_NOT_FOUND', {
    detail: `${named}; GET /v1/models lists those that it may use`,
    reason: 'no such model for this key',
  })
}
