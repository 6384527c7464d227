import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CatalogHouse, openCatalogHouse } from '../../test/support/catalog-house.ts'
import { keyOf } from '../../test/support/limits.ts'
import type { Models } from '../catalog/index.ts'
import { CAPABILITIES, GatewayError, type KeyPrincipal } from '../kernel/index.ts'
import { findImageModel, findModel } from './find-model.ts'

let house: CatalogHouse
let lists = 0
/** Whoever goes through all models asks for them. */
let models: Models
beforeEach(async () => {
  house = await openCatalogHouse()
  lists = 0
  models = Object.assign(Object.create(house.catalog), {
    list: () => {
      lists += 1
      return house.catalog.list()
    },
  })
  await house.endpoint({ name: 'gpu' })
  for (const name of ['org/llama', 'org/mistral', 'other/llama']) await house.model({ name, at: ['gpu'] })
  for (const name of ['picture', 'sketch']) await house.model({ name, capability: 'image', at: ['gpu'] })
})
afterEach(() => house.close())

const keyWith = (names: readonly string[] | null): KeyPrincipal => ({ ...keyOf('a'), rights: new Set(CAPABILITIES), models: names })
const all = keyWith(null)
const thrown = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return error instanceof GatewayError ? error.detail : String(error)
  }
  return 'nothing'
}

describe('the model that a request names', () => {
  it('is told by its closest names that the key may use', () => {
    const said = (key: KeyPrincipal) => thrown(() => findModel(models, key, 'lama', 'chat'))
    expect(said(all)).toMatch(/did you mean org\/llama, other\/llama\?/)
    expect(said(keyWith(['other/*']))).toMatch(/did you mean other\/llama\?/)
    expect(said(keyWith(['org/mistral']))).toMatch(/GET \/v1\/models/)
  })

  it('is looked for among those of now', async () => {
    const said = () => thrown(() => findModel(models, all, 'qwen', 'chat'))
    expect(said()).toMatch(/There is no model "qwen"; GET/)
    await house.model({ name: 'qwen2', at: ['gpu'] })
    expect(said()).toMatch(/did you mean qwen2\?/)
    await house.catalog.manage.models.edit('qwen2', { active: false })
    expect(said()).toMatch(/There is no model "qwen"; GET/)
  })

  it('is told by those that could, where it cannot', async () => {
    const said = (key: KeyPrincipal) => thrown(() => findModel(models, key, 'org/llama', 'images'))
    expect(said(all)).toMatch(/; picture, sketch could/)
    expect(said(keyWith(['org/*']))).toMatch(/no other model that this key may use does/)
    expect(findImageModel(models, all, undefined, 'images').name).toBe('picture')
    await house.catalog.manage.models.edit('picture', { active: false })
    expect(said(all)).toMatch(/; sketch could/)
    expect(findImageModel(models, all, null, 'images').name).toBe('sketch')
    await house.catalog.manage.endpoints.edit('gpu', { speaks: ['chat'] })
    expect(said(all)).toMatch(/no other model/)
  })

  it('costs one walk through all of them, however often it is not there and whichever keys ask', () => {
    for (let n = 0; n < 50; n += 1) {
      // Each time a list of its own, as every key has one.
      const key = keyWith(['org/*', 'other/llama', 'picture'])
      thrown(() => findModel(models, key, `nothing-${n}`, 'chat'))
      thrown(() => findModel(models, key, 'lama', 'chat'))
      thrown(() => findModel(models, key, 'org/llama', 'images'))
      findImageModel(models, key, '', 'images')
    }
    expect(lists).toBe(1)
  })
})
