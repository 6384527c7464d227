import { setImmediate } from 'node:timers/promises'
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
const bytes = async (key = all) => (await listModels(house.catalog, key)).body
const list = async (key = all) => {
  const { body, headers } = await listModels(house.catalog, key)
  expect(headers['content-type']).toMatch(/^application\/json/)
  return JSON.parse(String(body)) as { object: string; data: { id: string; owned_by: string }[] }
}
const ids = async (key = all) => (await list(key)).data.map(({ id }) => id)

describe('the list of models', () => {
  beforeEach(async () => {
    await house.endpoint({ name: 'gpu' })
    for (const name of ['a', 'org/b', 'c']) await house.model({ name, at: ['gpu'] })
    await house.model({ name: 'voice', capability: 'speech', at: ['gpu'] })
  })

  it('is that of the key, by its rights and by the models that it names', async () => {
    expect(await list()).toMatchObject({ object: 'list', data: [{ id: 'a', object: 'model', owned_by: 'gpu' }, {}, {}, {}] })
    for (let again = 0; again < 2; again += 1) {
      expect(await ids()).toEqual(['a', 'c', 'org/b', 'voice'])
      expect(await ids(keyWith(['speech']))).toEqual(['voice'])
      expect(await ids(keyWith(['text', 'observe', 'manage:chat']))).toEqual(['a', 'c', 'org/b'])
      expect(await ids(keyWith(['text', 'speech'], ['org/*', 'voice']))).toEqual(['org/b', 'voice'])
      expect(await ids(keyWith([]))).toEqual([])
      expect((await list({ ...keyWith([]), models: [] })).data).toEqual([])
    }
    expect(JSON.parse(String((await listModels(house.catalog, null)).body))).toEqual({ object: 'list', data: [] })
  })

  it('is the same bytes for keys that may use the same, and for no other', async () => {
    const first = await bytes(keyWith(['text', 'speech'], ['org/*', 'voice']))
    expect(await bytes(keyWith(['speech', 'observe', 'text'], ['voice', 'org/*', 'org/b']))).toBe(first)
    expect(await bytes(keyWith(['text', 'speech'], ['org/*']))).not.toBe(first)
    expect(await bytes(keyWith(['speech'], ['org/*', 'voice']))).not.toBe(first)
    expect(await bytes({ ...all, models: ['*'] })).toBe(await bytes(all))
  })

  it('is kept for as many kinds of keys as there is room for, those that asked last', async () => {
    const nth = (n: number) => bytes(keyWith(['text'], ['a', `key-${n}*`]))
    const [first, second] = [await nth(0), await nth(1)]
    for (let n = 2; n < 64; n += 1) await nth(n)
    expect(await nth(0)).toBe(first)
    await nth(64)
    expect(await nth(0)).toBe(first)
    expect(await nth(1)).not.toBe(second)
    expect(String(await nth(1))).toBe(String(second))
  })

  it('is another after every change of a model or of its endpoint', async () => {
    const { models, endpoints } = house.catalog.manage
    const seen = [JSON.stringify(await list())]
    const isAnother = async () => {
      const text = JSON.stringify(await list())
      expect(text).not.toBe(seen.at(-1))
      seen.push(text)
    }
    await models.edit('a', { active: false })
    await isAnother()
    await models.edit('org/b', { name: 'org/d' })
    await isAnother()
    await models.delete('voice')
    await isAnother()
    await endpoints.edit('gpu', { name: 'gpu2' })
    await isAnother()
    await house.model({ name: 'new', at: ['gpu2'] })
    await isAnother()
    house.catalog.setListed('builtin:chat', [{ name: 'found', upstream: 'found', capability: 'text' }])
    await isAnother()
    house.configure({ CHAT_ENABLED: 'false' })
    await isAnother()
    await endpoints.delete('gpu2')
    await isAnother()
  })

  it('of ten thousand is written once, with turns for others', async () => {
    const listed = Array.from({ length: 10_000 }, (_none, n) => ({
      name: `org/found-${n}`,
      upstream: `found-${n}`,
      capability: 'text' as const,
    }))
    house.catalog.setListed('builtin:chat', listed)
    const [first, same, turns] = await Promise.all([bytes(), bytes(), turnsOf(bytes)])
    expect(same).toBe(first)
    expect(turns).toBeGreaterThanOrEqual(10)
    expect(await ids()).toHaveLength(10_004)
    const timed = async (key = all): Promise<number> => {
      const startedMs = performance.now()
      for (let n = 0; n < 20; n += 1) await listModels(house.catalog, key)
      return (performance.now() - startedMs) / 20
    }
    const [whole, bound] = [await timed(), await timed(keyWith(['text'], ['org/*']))]
    process.stdout.write(`10,000 models: ${whole.toFixed(3)} ms to list them, ${bound.toFixed(2)} ms for a key that names some\n`)
    expect(whole).toBeLessThan(1)
    expect(bound).toBeLessThan(10)
  })
})

/** How many turns others had until the work was done. */
async function turnsOf(work: () => Promise<unknown>): Promise<number> {
  let [turns, done] = [0, false]
  const working = work().finally(() => {
    done = true
  })
  while (!done) {
    await setImmediate()
    turns += 1
  }
  await working
  return turns
}
