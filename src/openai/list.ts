import { setImmediate } from 'node:timers/promises'
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

/** Of a list of `allowedTo`, which lives until the models change. */
const LISTS = new WeakMap<readonly Model[], Promise<Buffer>>()

/** `GET /v1/models`: those that the key may use, by name. Ten thousand of them are written once, and not for every caller: in steps, as others have their turn. */
export async function listModels(models: Models, principal: Principal | null) {
  await models.settled()
  const allowed = allowedTo(models, principal)
  let body = LISTS.get(allowed)
  if (body === undefined) {
    body = written(allowed)
    LISTS.set(allowed, body)
  }
  return { ...jsonAnswer(200, null), body: await body }
}

/** Between two turns of the event loop: about 1 ms. */
const WRITTEN_AT_ONCE = 500

async function written(allowed: readonly Model[]): Promise<Buffer> {
  const texts: string[] = []
  let others = 0
  for (const model of allowed) {
    let text = TEXTS.get(model)
    if (text === undefined) {
      text = JSON.stringify(present(model))
      TEXTS.set(model, text)
      others += 1
      if (others % WRITTEN_AT_ONCE === 0) await setImmediate()
    }
    texts.push(text)
  }
  return Buffer.from(`{"object":"list","data":[${texts.join()}]}\n`)
}

/** `GET /v1/models/{id}`. */
export function showModel(models: Models, principal: Principal | null, name: string) {
  const model = models.find(name)
  if (model === undefined || !mayUse(principal, model)) throw noSuchModel(models, principal, name)
  return jsonAnswer(200, present(model))
}
