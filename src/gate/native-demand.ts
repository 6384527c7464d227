import { BUILTIN, type EndpointRef, type Model, type Models, type Route, type Service } from '../catalog/index.ts'
import type { Units } from '../contract/index.ts'
import { expectedTokens, heardSeconds, type ReadBody, spokenCharacters, usualModelOf } from '../dialects/index.ts'
import { type Allowance, clip, GatewayError, type KeyPrincipal, LIMITS, NO_PRICE, namesModel, own, withoutKeys } from '../kernel/index.ts'
import type { Demand, Visit } from './visit.ts'

interface Uses {
  readonly least: Units
  readonly most: Units
}

/** How a route of the gate's own faces says which model it asks for, in its backend's words, and what it is going to use of it. */
interface Wishes {
  readonly asks: (visit: Visit, service: Service) => string | null
  /** Only asked where something depends on it. Null uses nothing. */
  readonly uses: (visit: Visit, read: ReadBody | null) => Uses | null
}

const NOTHING: Units = Object.freeze({})
/** Reserved for sound whose length nobody has announced. */
const SECONDS_UNANNOUNCED = 60

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const countOf = (value: unknown): number => (typeof value === 'number' && value >= 1 ? Math.floor(value) : 1)

const tokens = (kind: 'generates' | 'embeds'): Wishes => ({
  asks: ({ model }) => model,
  uses: (_visit, read) => (read === null ? null : expectedTokens(read, kind)),
})

const looks: Wishes = { asks: ({ model }) => model, uses: () => null }

const speech: Wishes = {
  asks: ({ fields: { model } }, { dialect }) => textOf(model) || usualModelOf(dialect, 'speech'),
  uses({ fields: { text } }) {
    const units = spokenCharacters(textOf(text))
    return { least: units, most: units }
  },
}

const images: Wishes = {
  asks({ fields: { override_settings: settings } }) {
    const checkpoint =
      typeof settings === 'object' && settings !== null && 'sd_model_checkpoint' in settings ? settings.sd_model_checkpoint : ''
    return textOf(checkpoint) || null
  },
  uses: ({ fields: { batch_size: batch, n_iter: turns } }) => ({ least: NOTHING, most: { images: countOf(batch) * countOf(turns) } }),
}

const transcripts: Wishes = {
  asks: ({ model }, { dialect }) => model || usualModelOf(dialect, 'transcription'),
  uses({ envelope: { headers } }) {
    const units = headers.contentLength > 0 ? heardSeconds(headers.contentLength) : { seconds: SECONDS_UNANNOUNCED }
    return { least: units, most: units }
  },
}

/** By the path of what passes, and by the operation of what is translated. Lists and management use nothing, and ask for no model. */
const WISHES: Readonly<Record<string, Wishes>> = {
  '/api/generate': tokens('generates'),
  '/api/chat': tokens('generates'),
  '/api/embed': tokens('embeds'),
  '/api/embeddings': tokens('embeds'),
  '/api/show': looks,
  speech,
  image: images,
  'simple-image': images,
  transcribe: transcripts,
}

const wishesOf = (service: Service, { operation, upstream }: Route): Wishes | undefined =>
  Object.hasOwn(BUILTIN, service.name) ? own(WISHES, operation === 'raw' ? upstream : operation) : undefined

/** Whose endpoint a route's requests are counted at; null where it asks for no model. */
export const endpointOf = (service: Service, route: Route): EndpointRef | null =>
  wishesOf(service, route) === undefined ? null : `builtin:${service.name}`

/** Whether a model may be asked for there, by whatever name. */
export type MayAsk = (key: KeyPrincipal, upstream: string) => boolean

export const mayAskAt =
  (service: Service, models: Pick<Models, 'at'>): MayAsk =>
  (key, upstream) =>
    mayUse(key, models.at(`builtin:${service.name}`, upstream), upstream)

/** Finds the model that a request asks for, throws where its key may not use it, and says what it is going to use; null where nothing depends on that. */
export type NativeDemand = (visit: Visit, read: ReadBody | null) => Demand | null

/**
 * The faces of the gate's own services know nothing of models, yet what is served there is the same as over /v1: a key that may use some models only, a limit
 * and a price must hold whichever way a request comes. Null for routes that ask for none.
 */
export function nativeDemand(service: Service, route: Route, models: Pick<Models, 'at'>): NativeDemand | null {
  const wishes = wishesOf(service, route)
  if (wishes === undefined) return null
  const ref: EndpointRef = `builtin:${service.name}`
  return (visit, read) => {
    const { principal } = visit
    if (principal?.kind !== 'key') return null
    const key = principal as KeyPrincipal // what a principal of this kind is
    const upstream = wishes.asks(visit, service)
    const model = models.at(ref, upstream)
    visit.model = upstream ?? ''
    visit.found = model ?? null
    if (!mayUse(key, model, upstream)) throw noSuchModel(upstream)
    if (!counts(key.limits) && !counts(key.owner.limits) && !isBound(model)) return null
    const uses = wishes.uses(visit, read)
    return uses && { model: model ?? null, price: model?.price ?? NO_PRICE, ...uses }
  }
}

/** A form tells its model where its options stand, and it is read when the intent was written: which model it is can be told before only where there is one. */
export const isKnownBefore = ({ dialect }: Service, { operation }: Route): boolean =>
  operation !== 'transcribe' || usualModelOf(dialect, 'transcription') === null

function mayUse({ models }: KeyPrincipal, model: Model | undefined, upstream: string | null): boolean {
  if (model !== undefined && !model.active) return false
  if (models === null) return true
  const name = model?.name ?? upstream
  return name !== null && namesModel(models, name)
}

const counts = ({ tokensPerMinute, budgetDayMicro, budgetMonthMicro }: Allowance): boolean =>
  tokensPerMinute !== null || budgetDayMicro !== null || budgetMonthMicro !== null

const isBound = (model: Model | undefined): boolean =>
  model !== undefined &&
  (model.price.inMicro > 0 ||
    model.price.outMicro > 0 ||
    model.limits.rates.length > 0 ||
    model.limits.concurrency > 0 ||
    counts(model.limits))

function noSuchModel(upstream: string | null): GatewayError {
  const named =
    upstream === null
      ? 'This key may use none of the models here'
      : `There is no model "${clip(withoutKeys(upstream), LIMITS.modelCharsMax)}"`
  return new GatewayError('MODEL_NOT_FOUND', {
    detail: `${named}; GET /v1/models lists those that it may use`,
    reason: 'no such model for this key',
  })
}
