import type { Model, Models } from '../catalog/index.ts'
import { jsonAnswer } from '../gate/index.ts'
import { mayUse, type Principal } from '../kernel/index.ts'
import { allowedTo } from './allowed.ts'
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

/** Of a list of `allowedTo`, which lives until the models change. */
const LISTS = new WeakMap<readonly Model[], Buffer>()

/** `GET /v1/models`: those that the key may use, by name. Ten thousand of them are written once, and not for every caller. */
export function listModels(models: Models, principal: Principal | null) {
  const allowed = allowedTo(models, principal)
  let body = LISTS.get(allowed)
  if (body === undefined) {
    body = Buffer.from(`{"object":"list","data":[${allowed.map(textOf).join()}]}\n`)
    LISTS.set(allowed, body)
  }
  return { ...jsonAnswer(200, null), body }
}

/** `GET /v1/models/{id}`. */
export function showModel(models: Models, principal: Principal | null, name: string) {
  const model = models.find(name)
  if (model === undefined || !mayUse(principal, model)) throw noSuchModel(models, principal, name)
  return jsonAnswer(200, present(model))
}
