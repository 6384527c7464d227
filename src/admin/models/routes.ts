import { Hono } from 'hono'
import type { ModelCatalog, ModelInfo } from '../../catalog/index.ts'
import { createModelInput, editModelInput, modelName } from '../../contract/index.ts'
import { type OwnerAnswer, type OwnerGuard, readInput } from '../../gate/index.ts'
import { withChanges } from '../changes.ts'
import { changed, made, ok, pageWanted, reads, type Target, whenLoaded, writes } from '../policy.ts'
import { presentModel, presentModels } from './present.ts'

export interface ModelRouteParts {
  readonly models: Pick<ModelCatalog, 'manage' | 'load'>
  readonly guard: OwnerGuard
}

/** Names hold slashes, which stand in the path as they are. */
const ONE = '/models/:name{.+}'

/** Management of models, to be mounted under /admin/api. */
export function modelRoutes({ models: catalog, guard: admit }: ModelRouteParts): Hono {
  const { models } = catalog.manage
  const guard = whenLoaded(catalog, admit)
  return new Hono()
    .get(
      '/models',
      guard(reads('/models'), async (c) => ok(presentModels(models.list(pageWanted(c))))),
    )
    .get(
      ONE,
      guard(reads(ONE, targetOf), async (c) => ok(presentModel(models.show(nameOf(c))))),
    )
    .post(
      '/models',
      guard(writes('/models'), async (_c, _principal, body) => {
        const model = await models.create(readInput(createModelInput, body))
        return made(presentModel(model), model.name)
      }),
    )
    .patch(
      ONE,
      guard(writes(ONE, targetOf), async (c, _principal, body) =>
        changedModel(await models.edit(nameOf(c), readInput(editModelInput, body)), body),
      ),
    )
    .delete(
      ONE,
      guard(reads(ONE, targetOf), async (c) => changedModel(await models.delete(nameOf(c)))),
    )
}

const nameOf: Target = (c) => c.req.param('name') ?? ''
/** What is no name is refused later, but the intent is written before that. */
const targetOf: Target = (c) => (modelName.safeParse(nameOf(c)).success ? nameOf(c) : '[not a model]')

const changedModel = (model: ModelInfo, body: unknown = null): OwnerAnswer => changed(presentModel(model), withChanges(model.name, body))
