import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CatalogHouse, openCatalogHouse } from '../../../test/support/catalog-house.ts'

let house: CatalogHouse
beforeAll(async () => {
  house = await openCatalogHouse()
  await house.endpoint({ name: 'gpu' })
  for (let n = 0; n < MODELS; n += 1) await house.model({ name: `m${n}`, at: ['gpu'], rpm: 7, price_in: '0.5', options: { num_ctx: n } })
  await house.catalog.settled()
})
afterAll(() => house.close())

const MODELS = 300
let name = 'gpu'
const rename = async (to: string): Promise<void> => {
  await house.catalog.manage.endpoints.edit(name, { name: to })
  name = to
}

describe('models whose endpoint was changed', () => {
  it('are waited for with turns for others, and are all new then', async () => {
    const before = house.catalog.list()
    await rename('gpu2')
    let [turns, done] = [0, false]
    const waiting = house.catalog.settled().then(() => {
      done = true
    })
    while (!done) {
      await setImmediate()
      turns += 1
    }
    await waiting
    expect(turns).toBeGreaterThanOrEqual(2)
    const after = house.catalog.list()
    expect(after.map(({ places }) => places[0]?.endpoint.name)).toEqual(Array(MODELS).fill('gpu2'))
    expect(after.map((model) => ({ ...model, places: [] }))).toEqual(before.map((model) => ({ ...model, places: [] })))
    expect(after.every((model, at) => Object.isFrozen(model) && model !== before[at])).toBe(true)
  })

  it('are new at once for who does not wait', async () => {
    await rename('gpu3')
    expect(house.catalog.find('m9')?.places[0]?.endpoint.name).toBe('gpu3')
    expect(house.catalog.list().every(({ places }) => places[0]?.endpoint.name === 'gpu3')).toBe(true)
  })

  it('are not waited for without end while changes go on', async () => {
    let waits = true
    await rename('gpu4')
    const waiting = house.catalog.settled().then(() => {
      waits = false
    })
    for (let n = 1; n < 50 && waits; n += 1) await rename(`gpu4-${n}`)
    expect(waits).toBe(false)
    await waiting
  })
})
