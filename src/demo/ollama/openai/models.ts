import { type Call, type Handler, sendJson } from '../../http/serve.ts'
import { findModel } from '../fields.ts'
import type { Library, Model } from '../library.ts'

const entry = (id: string, { modifiedAt }: Model) => ({
  id,
  object: 'model',
  created: Math.floor(Date.parse(modifiedAt) / 1_000),
  owned_by: 'library',
})

/** With no models at all the list is null: a Go slice that nobody made. */
export const listModels =
  (library: Library): Handler =>
  ({ res }) => {
    const data = library.list().map((model) => entry(model.name, model))
    sendJson(res, 200, { object: 'list', data: data.length > 0 ? data : null })
  }

/** The name in `/v1/models/NAME`; null for another path, and for a name with a slash in it, which the real one's router does not match. */
export const modelInPath = (path: string): string | null => /^\/v1\/models\/([^/]+)$/.exec(path)?.[1] ?? null

export const showModel = ({ res }: Call, library: Library, name: string): void => sendJson(res, 200, entry(name, findModel(library, name)))
