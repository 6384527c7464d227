import type { Model, Models } from '../catalog/index.ts'
import { jsonAnswer } from '../gate/index.ts'
import { mayUse, type Principal } from '../kernel/index.ts'
import { noSuchModel } from './find-model.ts'

const present = ({ name, createdMs, places }: Model) => ({
  id: name,
  object: 'model',
  created: Math.floor(createdMs / 1_000),
  owned_by: places[0]?.endpoint.name ?? 'portcullis',
})

/** `GET /v1/models`: those that the key may use, by name. */
export const listModels = (models: Models, principal: Principal | null) =>
  jsonAnswer(200, {
    object: 'list',
    data: models.list().flatMap((model) => (mayUse(principal, model) ? [present(model)] : [])),
  })

/** `GET /v1/models/{id}`. */
export function showModel(models: Models, principal: Principal | null, name: string) {
  const model = models.find(name)
  if (model === undefined || !mayUse(principal, model)) throw noSuchModel(models, principal, name)
  return jsonAnswer(200, present(model))
}
