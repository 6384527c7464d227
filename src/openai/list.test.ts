import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CatalogHouse, openCatalogHouse } from '../../test/support/catalog-house.ts'
import { keyOf } from '../../test/support/limits.ts'
import type { Right } from '../kernel/index.ts'
import { listModels } from './list.ts'

let house: CatalogHouse
beforeEach(async () => {
  house = await openCatalogHouse()
})
afterEach(() => house.close())

const keyWith = (rights: readonly Right[], models: readonly string[] | null = null) => ({ ...keyOf('a'), rights: new Set(rights), models })
const all = keyWith(['text', 'embedding', 'image', 'speech', 'transcription'])
const list = (key = all) => {
  const { body, headers } = listModels(house.catalog, key)
  expect(headers['content-type']).toMatch(/^application\/json/)
  return JSON.parse(String(body)) as { object: string; data: { id: string; owned_by: string }[] }
}
const ids = (key = all) => list(key).data.map(({ id }) => id)

describe('the list of models', () => {
  beforeEach(async () => {
    await house.endpoint({ name: 'gpu' })
    for (const name of ['a', 'org/b', 'c']) await house.model({ name, at: ['gpu'] })
    await house.model({ name: 'voice', capability: 'speech', at: ['gpu'] })
  })

  it('is that of the key, by its rights and by the models that it names', () => {
    expect(list()).toMatchObject({ object: 'list', data: [{ id: 'a', object: 'model', owned_by: 'gpu' }, {}, {}, {}] })
    for (let again = 0; again < 2; again += 1) {
      expect(ids()).toEqual(['a', 'c', 'org/b', 'voice'])
      expect(ids(keyWith(['speech']))).toEqual(['voice'])
      expect(ids(keyWith(['text', 'observe', 'manage:chat']))).toEqual(['a', 'c', 'org/b'])
      expect(ids(keyWith(['text', 'speech'], ['org/*', 'voice']))).toEqual(['org/b', 'voice'])
      expect(ids(keyWith([]))).toEqual([])
      expect(list({ ...keyWith([]), models: [] }).data).toEqual([])
    }
    expect(JSON.parse(String(listModels(house.catalog, null).body))).toEqual({ object: 'list', data: [] })
  })

  it('is the same bytes for keys that may use the same, and for no other', () => {
    const bytes = (key: typeof all) => listModels(house.catalog, key).body
    const first = bytes(keyWith(['text', 'speech'], ['org/*', 'voice']))
    expect(bytes(keyWith(['speech', 'observe', 'text'], ['voice', 'org/*', 'org/b']))).toBe(first)
    expect(bytes(keyWith(['text', 'speech'], ['org/*']))).not.toBe(first)
    expect(bytes(keyWith(['speech'], ['org/*', 'voice']))).not.toBe(first)
    expect(bytes({ ...all, models: ['*'] })).toBe(bytes(all))
  })

  it('is kept for as many kinds of keys as there is room for, those that asked last', () => {
    const bytes = (n: number) => listModels(house.catalog, keyWith(['text'], ['a', `key-${n}*`])).body
    const [first, second] = [bytes(0), bytes(1)]
    for (let n = 2; n < 64; n += 1) bytes(n)
    expect(bytes(0)).toBe(first)
    bytes(64)
    expect(bytes(0)).toBe(first)
    expect(bytes(1)).not.toBe(second)
    expect(String(bytes(1))).toBe(String(second))
  })

  it('is another after every change of a model or of its endpoint', async () => {
    const { models, endpoints } = house.catalog.manage
    const seen = [JSON.stringify(list())]
    const isAnother = () => {
      const text = JSON.stringify(list())
      expect(text).not.toBe(seen.at(-1))
      seen.push(text)
    }
    await models.edit('a', { active: false })
    isAnother()
    await models.edit('org/b', { name: 'org/d' })
    isAnother()
    await models.delete('voice')
    isAnother()
    await endpoints.edit('gpu', { name: 'gpu2' })
    isAnother()
    await house.model({ name: 'new', at: ['gpu2'] })
    isAnother()
    house.catalog.setListed('builtin:chat', [{ name: 'found', upstream: 'found', capability: 'text' }])
    isAnother()
    house.configure({ CHAT_ENABLED: 'false' })
    isAnother()
    await endpoints.delete('gpu2')
    isAnother()
  })

  it('of ten thousand is written once', () => {
    const listed = Array.from({ length: 10_000 }, (_none, n) => ({
      name: `org/found-${n}`,
      upstream: `found-${n}`,
      capability: 'text' as const,
    }))
    house.catalog.setListed('builtin:chat', listed)
    const timed = (key = all): number => {
      const startedMs = performance.now()
      for (let n = 0; n < 20; n += 1) listModels(house.catalog, key)
      return (performance.now() - startedMs) / 20
    }
    expect(ids()).toHaveLength(10_004)
    const [whole, bound] = [timed(), timed(keyWith(['text'], ['org/*']))]
    process.stdout.write(`10,000 models: ${whole.toFixed(3)} ms to list them, ${bound.toFixed(2)} ms for a key that names some\n`)
    expect(whole).toBeLessThan(1)
    expect(bound).toBeLessThan(10)
  })
})
