import { BUILTIN, type EndpointRef, type Route, type Service } from '../catalog/index.ts'
import type { Units } from '../contract/index.ts'
import {
  type Audio,
  checkpointOf,
  expectedTokens,
  heardSeconds,
  modelsBeside,
  PLAIN_BYTES_PER_SECOND,
  type ReadBody,
  spokenCharacters,
  usualModelOf,
} from '../dialects/index.ts'
import { type KeyPrincipal, NO_PRICE, own } from '../kernel/index.ts'
import { counts, isBound, isManyNamed, mayUse, type NativeModels, NativeNames } from './native-names.ts'
import type { Demand, Visit } from './visit.ts'

/** A field that names a model, and the name. */
type Named = ReturnType<typeof modelsBeside>[number]

interface Uses {
  readonly least: Units
  readonly most: Units
}

/** How a route of the gate's own faces says which model it asks for, in its backend's words, and what it is going to use of it. */
interface Wishes {
  readonly asks: (visit: Visit) => string | null
  /** What the backend is asked for where nothing is named. */
  readonly usual?: 'speech' | 'transcription'
  /** How a model can be named, for whoever has to. */
  readonly where: string
  /** Models that are to work beside it. */
  readonly beside?: (visit: Visit) => readonly Named[]
  /** Only asked where something depends on it. Null uses nothing. */
  readonly uses: (visit: Visit, read: ReadBody | null, audio: Audio | null) => Uses | null
}

const NOTHING: Units = Object.freeze({})
/** Reserved for sound whose length nobody has announced. */
const SECONDS_UNANNOUNCED = 60

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const countOf = (value: unknown): number => (typeof value === 'number' && value >= 1 ? Math.floor(value) : 1)

const AS_MODEL = 'name one as "model"'

const tokens = (kind: 'generates' | 'embeds'): Wishes => ({
  asks: ({ model }) => model,
  where: AS_MODEL,
  uses: (_visit, read) => (read === null ? null : expectedTokens(read, kind)),
})

const looks: Wishes = { asks: ({ model }) => model, where: AS_MODEL, uses: () => null }

const speech: Wishes = {
  asks: ({ fields: { model } }) => textOf(model) || null,
  usual: 'speech',
  where: AS_MODEL,
  uses({ fields: { text } }) {
    const units = spokenCharacters(textOf(text))
    return { least: units, most: units }
  },
}

const images: Wishes = {
  asks: ({ fields }) => checkpointOf(fields),
  where: 'name one as "override_settings.sd_model_checkpoint"',
  beside: ({ fields }) => modelsBeside(fields),
  uses: ({ fields: { batch_size: batch, n_iter: turns } }) => ({ least: NOTHING, most: { images: countOf(batch) * countOf(turns) } }),
}

const simpleImages: Wishes = {
  asks: () => null,
  where: 'this route cannot name one, so ask /generate with "override_settings.sd_model_checkpoint"',
  uses: () => ({ least: NOTHING, most: { images: 1 } }),
}

const transcripts: Wishes = {
  asks: ({ model }) => model || null,
  usual: 'transcription',
  where: AS_MODEL,
  uses({ envelope: { headers } }, _read, audio) {
    const bytes = audio?.size ?? headers.contentLength
    // Before the first bytes of a recording tell what it is, only what it has in any case is asked for.
    const units = bytes > 0 ? heardSeconds(bytes, audio?.bytesPerSecond ?? PLAIN_BYTES_PER_SECOND) : { seconds: SECONDS_UNANNOUNCED }
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
  'simple-image': simpleImages,
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
  (service: Service, models: NativeModels): MayAsk =>
  (key, upstream) =>
    mayUse(key, models.at(`builtin:${service.name}`, upstream), upstream)

/** Finds the model that a request asks for, throws where its key may not use it, and says what it is going to use; null where nothing depends on that. */
export type NativeDemand = (visit: Visit, read: ReadBody | null, audio?: Audio) => Demand | null

/**
 * The faces of the gate's own services know nothing of models, yet what is served there is the same as over /v1: a key that may use some models only, a limit
 * and a price must hold whichever way a request comes. Null for routes that ask for none.
 */
export function nativeDemand(service: Service, route: Route, models: NativeModels): NativeDemand | null {
  const wishes = wishesOf(service, route)
  if (wishes === undefined) return null
  const names = new NativeNames(service, route.right, models)
  const { asks, where, beside, uses } = wishes
  const usual = wishes.usual === undefined ? null : usualModelOf(service.dialect, wishes.usual)
  return (visit, read, audio) => {
    const { principal } = visit
    if (principal?.kind !== 'key') return null
    const key = principal as KeyPrincipal // what a principal of this kind is
    const named = asks(visit)
    visit.model = named ?? usual ?? ''
    const first = names.asked(key, named, { usual, where })
    const { model, upstream } = first
    visit.model = upstream ?? ''
    visit.found = model ?? null
    if (beside !== undefined && names.isJudged(key)) for (const { field, name } of beside(visit)) names.beside(key, name, { first, field })
    if (!counts(key.limits) && !counts(key.owner.limits) && !(model !== undefined && isBound(model))) return null
    const used = uses(visit, read, audio ?? null)
    return used && { model: model ?? null, price: model?.price ?? NO_PRICE, ...used }
  }
}

/** What a request that named no model was found to ask for, for a backend that has to be told. */
export function foundName({ found }: Visit, { name, dialect }: Service): string | null {
  if (!isManyNamed(dialect)) return null
  return found?.places.find(({ endpoint }) => endpoint.ref === `builtin:${name}`)?.upstream ?? null
}

/** A form tells its model where its options stand, and it is read when the intent was written: which model it is can be told before only where there is one. */
export const isKnownBefore = ({ dialect }: Service, { operation }: Route): boolean =>
  operation !== 'transcribe' || usualModelOf(dialect, 'transcription') === null
