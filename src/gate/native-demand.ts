import { BUILTIN, type EndpointRef, type Model, type Models, type Route, type Service } from '../catalog/index.ts'
import type { Units } from '../contract/index.ts'
import { expectedTokens, type ReadBody } from '../dialects/index.ts'
import { type Allowance, clip, GatewayError, type KeyPrincipal, LIMITS, NO_PRICE, namesModel, own, withoutKeys } from '../kernel/index.ts'
import type { Visit } from './visit.ts'

/** What a request of one of the gate's own faces is going to use, and of which model there. */
interface Wish {
  readonly upstream: string | null
  readonly least: Units
  readonly most: Units
}

type Wishes = (visit: Visit, read: ReadBody | null) => Wish

const NOTHING: Units = Object.freeze({})
const BYTES_PER_SECOND = 16_000 // of sound, as most files have it

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const countOf = (value: unknown): number => (typeof value === 'number' && value >= 1 ? Math.floor(value) : 1)

const tokens =
  (kind: 'generates' | 'embeds'): Wishes =>
  ({ model }, read) => ({ upstream: model, ...(read === null ? { least: NOTHING, most: NOTHING } : expectedTokens(read, kind)) })

const speech: Wishes = ({ fields: { text, model } }) => {
  const units = { characters: textOf(text).length }
  return { upstream: textOf(model) || null, least: units, most: units }
}

const images: Wishes = ({ fields }) => {
  const { override_settings: settings, batch_size: batch, n_iter: turns } = fields
  const checkpoint =
    typeof settings === 'object' && settings !== null && 'sd_model_checkpoint' in settings ? settings.sd_model_checkpoint : ''
  return { upstream: textOf(checkpoint) || null, least: NOTHING, most: { images: countOf(batch) * countOf(turns) } }
}

const transcript: Wishes = ({ envelope }) => {
  const units = { seconds: Math.ceil(Math.max(0, envelope.headers.contentLength) / BYTES_PER_SECOND) }
  return { upstream: null, least: units, most: units }
}

/** By what a route does, and what it may: lists and management use nothing. */
const WISHES: Readonly<Record<string, Wishes>> = {
  'raw text ollama': tokens('generates'),
  'raw embedding ollama': tokens('embeds'),
  'speech speech json': speech,
  'image image json': images,
  'simple-image image json': images,
  'transcribe transcription stream': transcript,
}

/** Judges which model a request asks for, and says what it is going to use. */
export type NativeDemand = (visit: Visit, read: ReadBody | null) => void

/**
 * The faces of the gate's own services know nothing of models, yet what is served there is the same as over /v1: a key that may use some models only, a limit
 * and a price must hold whichever way a request comes. Null for routes that use nothing.
 */
export function nativeDemand(service: Service, route: Route, models: Pick<Models, 'at'>): NativeDemand | null {
  const wishes = Object.hasOwn(BUILTIN, service.name) ? own(WISHES, `${route.operation} ${route.right} ${route.body}`) : undefined
  if (wishes === undefined) return null
  const ref: EndpointRef = `builtin:${service.name}`
  return (visit, read) => {
    const { principal } = visit
    if (principal?.kind !== 'key') return
    const key = principal as KeyPrincipal // what a principal of this kind is
    const { upstream, least, most } = wishes(visit, read)
    const model = models.at(ref, upstream)
    if (!mayUse(key, model, upstream)) throw noSuchModel(upstream)
    if (!counts(key.limits) && !counts(key.owner.limits) && !isBound(model)) return
    visit.price = model?.price ?? NO_PRICE
    visit.demand = { model: model ?? null, price: visit.price, least, most }
  }
}

function mayUse({ models }: KeyPrincipal, model: Model | undefined, upstream: string | null): boolean {
  if (model !== undefined && !model.active) return false
  if (models === null) return true
  const name = model?.name ?? upstream
  return name !== null && namesModel(models, name)
}

const counts = ({ tokensPerMinute, budgetDayMicro, budgetMonthMicro }: Allowance): boolean =>
  tokensPerMinute !== null || budgetDayMicro !== null || budgetMonthMicro !== null

const isBound = (model: Model | undefined): boolean =>
  model !== undefined && (model.price.inMicro > 0 || model.price.outMicro > 0 || model.limits.rates.length > 0 || counts(model.limits))

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
