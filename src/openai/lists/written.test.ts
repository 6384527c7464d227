import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CatalogHouse, openCatalogHouse } from '../../../test/support/catalog-house.ts'
import { speechIn, voicesIn } from './written.ts'

let house: CatalogHouse
beforeEach(async () => {
  house = await openCatalogHouse()
})
afterEach(() => house.close())

describe('the lists that anybody may ask for', () => {
  it('are written once, until the models change', async () => {
    await house.endpoint({ name: 'gpu' })
    await house.model({ name: 'text', at: ['gpu'] })
    await house.model({ name: 'voice', capability: 'speech', at: ['gpu'] })
    const first = speechIn(house.catalog.list())
    expect(JSON.parse(String(first))).toEqual({ models: [{ id: 'voice' }] })
    expect(speechIn(house.catalog.list())).toBe(first)
    await house.catalog.manage.models.edit('voice', { name: 'other' })
    expect(JSON.parse(String(speechIn(house.catalog.list())))).toEqual({ models: [{ id: 'other' }] })
  })

  it('are written again when the voices were asked for again', () => {
    const voices = [{ id: 'Anna', name: 'Anna, of Berlin', language: 'de' }]
    const first = voicesIn(voices)
    expect(JSON.parse(String(first))).toEqual({ voices: [{ id: 'Anna', name: 'Anna, of Berlin', language: 'de' }] })
    expect(voicesIn(voices)).toBe(first)
    expect(voicesIn([...voices])).not.toBe(first)
  })
})
