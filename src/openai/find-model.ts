import { closeMatches, type Model, type Models, type Protocol } from '../catalog/index.ts'
import { v1Path } from '../dialects/index.ts'
import { type Capability, clip, GatewayError, LIMITS, mayUse, type Principal, withoutKeys } from '../kernel/index.ts'
import { allowedTo } from './allowed.ts'

const NAMED_MAX = 3

/** The model that a request names, if its key may use it and one of its endpoints speaks the protocol. */
export function findModel(models: Models, principal: Principal | null, name: unknown, protocol: Protocol): Model {
  if (typeof name !== 'string' || name === '') {
    throw new GatewayError('BODY_INVALID', {
      detail: '"model" is missing; GET /v1/models lists those that this key may use',
      hints: { param: 'model' },
    })
  }
  const model = models.find(name)
  if (model === undefined || !mayUse(principal, model)) throw noSuchModel(models, principal, name)
  if (!serves(model, protocol)) throw unsuitable(models, principal, model, protocol)
  return model
}

/** OpenAI's clients may leave the model of a picture out: then it is the one that needs no choice, or the first there is. */
export function findImageModel(models: Models, principal: Principal | null, name: unknown, protocol: Protocol): Model {
  if (name !== undefined && name !== null && name !== '') return findModel(models, principal, name, protocol)
  const all = servingOf(allowedTo(models, principal), protocol)
  return (
    all.find(({ places }) => places.some(({ upstream }) => upstream === null)) ?? all[0] ?? findModel(models, principal, name, protocol)
  )
}

/** What a model of a kind can be asked. Most that write also embed, and their endpoint knows. */
const ASKED: Readonly<Record<Capability, readonly Protocol[]>> = {
  text: ['chat', 'completions', 'responses', 'messages', 'embeddings'],
  embedding: ['embeddings'],
  speech: ['speech'],
  transcription: ['transcriptions', 'translations'],
  image: ['images', 'edits'],
}

/** One whose endpoints are all switched off is not told apart from one whose endpoints cannot be reached. */
export const serves = (model: Model, protocol: Protocol): boolean =>
  ASKED[model.capability].includes(protocol) &&
  (model.places.length === 0 || model.places.some(({ endpoint }) => endpoint.speaks.has(protocol)))

export function noSuchModel(models: Models, principal: Principal | null, name: string): GatewayError {
  const alike = meantOf(allowedTo(models, principal), name)
  const said = clip(withoutKeys(name), LIMITS.modelCharsMax)
  const hint = alike.length > 0 ? `; did you mean ${alike.join(', ')}?` : '; GET /v1/models lists those that this key may use'
  return new GatewayError('MODEL_NOT_FOUND', { detail: `There is no model "${said}"${hint}`, reason: 'no such model for this key' })
}

function unsuitable(models: Models, principal: Principal | null, { name }: Model, protocol: Protocol): GatewayError {
  const others = servingOf(allowedTo(models, principal), protocol).slice(0, NAMED_MAX)
  const who =
    others.length > 0 ? `; ${others.map((other) => other.name).join(', ')} could` : ', and no other model that this key may use does'
  return new GatewayError('MODEL_UNSUITABLE', {
    detail: `The model "${name}" is not served at ${v1Path(protocol)}${who}`,
    reason: `the model is not served for ${protocol}`,
  })
}

/** What was found out about the models that a kind of keys may use. Refusals count for no limit: they must cost little, and most are asked for again. */
interface Known {
  readonly names: readonly string[]
  readonly serving: Map<Protocol, readonly Model[]>
  readonly meant: Map<string, readonly string[]>
}

const KNOWN = new WeakMap<readonly Model[], Known>()

function knownOf(allowed: readonly Model[]): Known {
  let known = KNOWN.get(allowed)
  if (known === undefined) {
    known = { names: allowed.map(({ name }) => name), serving: new Map(), meant: new Map() }
    KNOWN.set(allowed, known)
  }
  return known
}

function servingOf(allowed: readonly Model[], protocol: Protocol): readonly Model[] {
  const { serving } = knownOf(allowed)
  let models = serving.get(protocol)
  if (models === undefined) {
    models = allowed.filter((model) => serves(model, protocol))
    serving.set(protocol, models)
  }
  return models
}

function meantOf(allowed: readonly Model[], name: string): readonly string[] {
  const { names, meant } = knownOf(allowed)
  const known = meant.get(name)
  if (known !== undefined) return known
  const alike = closeMatches(name, names)
  if (name.length > LIMITS.nameCharsMax) return alike
  const [oldest] = meant.keys()
  if (oldest !== undefined && meant.size >= LIMITS.closeMatchesKept) meant.delete(oldest)
  meant.set(name, alike)
  return alike
}
