import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { adminOf } from '../../../test/support/admin.ts'
import { type CatalogHouse, openCatalogHouse } from '../../../test/support/catalog-house.ts'
import { listModelsAnswer, modelView } from '../../contract/index.ts'

let house: CatalogHouse
let admin: ReturnType<typeof adminOf>
beforeEach(async () => {
  house = await openCatalogHouse()
  admin = adminOf({ models: house.catalog })
})
afterEach(() => house.close())

const add = async (over: object = {}) => {
  const { status, body } = await admin.request('POST', '/admin/api/models', {
    name: 'fast',
    endpoints: [{ endpoint: 'builtin:chat' }],
    ...over,
  })
  expect(status).toBe(201)
  return modelView.strict().parse(body)
}

describe('the model routes', () => {
  it('add, show, list, edit and delete, with slashes in names, and tell the ledger which it was', async () => {
    const said = {
      capability: 'text',
      unit: 'token',
      price_in: '0.15',
      price_out: '0.60',
      rpm: 60,
      fallback: 'small',
      options: { num_ctx: 8_192 },
    }
    const made = await add({ ...said, name: 'org/fast:7b' })
    expect(made).toMatchObject({
      ...said,
      per_day: null,
      endpoints: [{ endpoint: 'builtin:chat', upstream: 'org/fast:7b' }],
      active: true,
      discovered: false,
    })
    expect(await admin.request('GET', '/admin/api/models/org/fast:7b')).toEqual({ status: 200, body: made })
    expect(listModelsAnswer.strict().parse((await admin.request('GET', '/admin/api/models')).body)).toEqual({ models: [made], next: null })
    const edited = await admin.request('PATCH', '/admin/api/models/org/fast:7b', {
      name: 'modèle',
      rpm: null,
      price_in: '0',
      active: false,
    })
    expect(edited).toMatchObject({ status: 200, body: { ...made, name: 'modèle', rpm: null, price_in: '0.00', active: false } })
    expect(await admin.request('DELETE', `/admin/api/models/${encodeURIComponent('modèle')}`)).toMatchObject({ status: 200 })
    expect((await admin.request('GET', '/admin/api/models/org/fast:7b')).status).toBe(404)
    expect(
      admin.ledger.filter(({ after, before }) => after !== '' && after !== before).map(({ before, after }) => [before, after]),
    ).toEqual([
      ['', 'org/fast:7b'],
      ['org/fast:7b', 'modèle rpm=none price_in=0 active=false'],
    ])
  })

  it('show what appeared by itself, and do not change it', async () => {
    house.catalog.setListed('builtin:chat', [{ name: 'llama3.2:latest', upstream: 'llama3.2:latest', capability: 'text' }])
    const shown = modelView.strict().parse((await admin.request('GET', '/admin/api/models/llama3.2:latest')).body)
    expect(shown).toMatchObject({ discovered: true, price_in: '0.00', endpoints: [{ endpoint: 'builtin:chat' }] })
    for (const method of ['PATCH', 'DELETE']) {
      expect((await admin.request(method, '/admin/api/models/llama3.2:latest', method === 'PATCH' ? { rpm: 1 } : undefined)).status).toBe(
        409,
      )
    }
  })

  it('list page by page, those that are on unless all are wanted', async () => {
    for (const name of ['c', 'a', 'b']) await add({ name })
    await admin.request('PATCH', '/admin/api/models/b', { active: false })
    const page = async (query: string) => {
      const { models, next } = listModelsAnswer.parse((await admin.request('GET', `/admin/api/models?${query}`)).body)
      return [models.map(({ name }) => name), next]
    }
    expect(await page('')).toEqual([['a', 'c'], null])
    expect(await page('all=true&limit=2')).toEqual([['a', 'b'], 'b'])
    expect(await page('all=true&limit=2&after=b')).toEqual([['c'], null])
  })

  it('refuse what is no model, without changing anything', async () => {
    await add()
    const at = [{ endpoint: 'builtin:chat' }]
    const refused: readonly (readonly [string, string, object | undefined, number])[] = [
      ['POST', '', { name: 'fast', endpoints: at }, 409],
      ['POST', '', { name: 'a//b', endpoints: at }, 400],
      ['POST', '', { name: '../b', endpoints: at }, 400],
      ['POST', '', { name: 'b', endpoints: [] }, 400],
      ['POST', '', { name: 'b', endpoints: [{ endpoint: 'nobody' }] }, 400],
      ['POST', '', { name: 'b', endpoints: at, price_in: 0.15 }, 400],
      ['POST', '', { name: 'b', endpoints: at, price_in: '-1' }, 400],
      ['POST', '', { name: 'b', endpoints: at, unit: 'hour' }, 400],
      ['POST', '', { name: 'b', endpoints: at, options: [] }, 400],
      ['PATCH', '/fast', { fallback: 'fast' }, 400],
      ['PATCH', '/fats', { rpm: 1 }, 404],
      ['DELETE', '/nobody', undefined, 404],
    ]
    const before = house.catalog.manage.models.list({ all: true })
    for (const [method, path, body, status] of refused) {
      expect([method, path, body, (await admin.request(method, `/admin/api/models${path}`, body)).status]).toEqual([
        method,
        path,
        body,
        status,
      ])
    }
    expect(house.catalog.manage.models.list({ all: true })).toEqual(before)
  })

  it('say which name may have been meant', async () => {
    await add()
    expect((await admin.request('GET', '/admin/api/models/fats')).body).toMatchObject({
      detail: 'There is no model "fats"; did you mean fast?',
    })
  })
})
