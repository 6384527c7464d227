import { type CreateModelBody, type EditModelBody, listModelsAnswer, type ModelView, modelName, modelView } from '../contract/index.ts'
import { holdsKey } from '../kernel/index.ts'
import { type AdminClient, ask } from './key-client.ts'
import type { PagedList } from './paged-list.ts'
import { EXIT, Exit } from './terminal.ts'

const MODELS = '/admin/api/models'

export const modelList = (client: AdminClient): PagedList<ModelView> => ({
  name: 'models',
  page: async (query) => {
    const { models, next } = await ask(client, listModelsAnswer, 'GET', `${MODELS}?${query}`)
    return { items: models, next }
  },
})

export const addModel = (client: AdminClient, body: CreateModelBody): Promise<ModelView> => ask(client, modelView, 'POST', MODELS, body)

export const showModel = (client: AdminClient, name: string): Promise<ModelView> => ask(client, modelView, 'GET', pathOf(name))

export const editModel = (client: AdminClient, name: string, body: EditModelBody): Promise<ModelView> =>
  ask(client, modelView, 'PATCH', pathOf(name), body)

export const deleteModel = (client: AdminClient, name: string): Promise<ModelView> => ask(client, modelView, 'DELETE', pathOf(name))

/** What can be no name is not sent. Slashes of a name stand in the path as they are: the gate refuses escaped ones. */
function pathOf(name: string): string {
  const text = name.trim()
  if (holdsKey(text)) throw new Exit(EXIT.usage, 'This is a key; name the model')
  if (!modelName.safeParse(text).success) throw new Exit(EXIT.negative, 'There is no model of this name')
  return `${MODELS}/${text.split('/').map(encodeURIComponent).join('/')}`
}
