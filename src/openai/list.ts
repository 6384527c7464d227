import type { Model, Models } from '../catalog/index.ts'
import { jsonAnswer } from '../gate/index.ts'
import { CAPABILITIES, isKey, mayUse, type Principal } from '../kernel/index.ts'
import { noSuchModel } from './find-model.ts'

const present = ({ name, createdMs, places }: Model) => ({
  id: name,
  object: 'model',
  created: Math.floor(createdMs / 1_000),
  owned_by: places[0]?.endpoint.name ?? 'portcullis',
})

/** Of a model, which never changes: an edit puts another in its place. */
const TEXTS = new WeakMap<Model, string>()

function textOf(model: Model): string {
  let text = TEXTS.get(model)
  if (text === undefined) {
    text = JSON.stringify(present(model))
    TEXTS.set(model, text)
  }
  return text
}

/** The lists of one state of the models, by the rights of the keys that have asked for it and are bound to no models: those are few. */
interface Lists {
  readonly version: number
  readonly byRights: Map<string, Buffer>
}

const LISTS = new WeakMap<Models, Lists>()

/** `GET /v1/models`: those that the key may use, by name. Ten thousand of them are written once, and not for every caller. */
export function listModels(models: Models, principal: Principal | null) {
  const answer = jsonAnswer(200, null)
  if (!isKey(principal) || principal.models !== null) return { ...answer, body: listFor(models, principal) }
  let lists = LISTS.get(models)
  if (lists?.version !== models.version) {
    lists = { version: models.version, byRights: new Map() }
    LISTS.set(models, lists)
  }
  const rights = CAPABILITIES.filter((capability) => principal.rights.has(capability)).join()
  let body = lists.byRights.get(rights)
  if (body === undefined) {
    body = listFor(models, principal)
    lists.byRights.set(rights, body)
  }
  return { ...answer, body }
}

function listFor(models: Models, principal: Principal | null): Buffer {
  const texts: string[] = []
  for (const model of models.list()) if (mayUse(principal, model)) texts.push(textOf(model))
  return Buffer.from(`{"object":"list","data":[${texts.join(',')}]}\n`)
}

/** `GET /v1/models/{id}`. */
export function showModel(models: Models, principal: Principal | null, name: string) {
  const model = models.find(name)
  if (model === undefined || !mayUse(principal, model)) throw noSuchModel(models, principal, name)
  return jsonAnswer(200, present(model))
}
