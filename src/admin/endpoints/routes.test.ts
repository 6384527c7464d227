import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { adminOf } from '../../../test/support/admin.ts'
import { type CatalogHouse, openCatalogHouse } from '../../../test/support/catalog-house.ts'
import { endpointView, listEndpointsAnswer } from '../../contract/index.ts'

let house: CatalogHouse
let admin: ReturnType<typeof adminOf>
beforeEach(async () => {
  house = await openCatalogHouse()
  admin = adminOf({ models: house.catalog })
})
afterEach(() => house.close())

const KEY = 'sk-canary-0123456789'
const add = async (over: object = {}) => {
  const { status, body } = await admin.request('POST', '/admin/api/endpoints', {
    name: 'cloud',
    url: 'https://api.example.com/v1',
    key: KEY,
    ...over,
  })
  expect(status).toBe(201)
  return endpointView.strict().parse(body)
}

describe('the endpoint routes', () => {
  it('add, show, list, edit and delete, by name or id, never show a key, and tell the ledger which it was', async () => {
    const said = {
      dialect: 'openai',
      rpm: 60,
      per_day: 1_000,
      tokens_per_minute: 9_000,
      budget_day: '2.50',
      budget_month: '40.00',
      remote: 'allow',
      concurrency: 4,
      priority: 1,
      abort: 'drain',
      discover: true,
      speaks: ['chat'],
    }
    const made = await add(said)
    expect(made).toMatchObject({
      ...said,
      url: 'https://api.example.com/v1',
      has_key: true,
      active: true,
      builtin: false,
      models: 0,
      note: '',
    })
    for (const name of ['cloud', made.id])
      expect(await admin.request('GET', `/admin/api/endpoints/${name}`)).toEqual({ status: 200, body: made })
    const listed = listEndpointsAnswer.strict().parse((await admin.request('GET', '/admin/api/endpoints')).body)
    expect(listed.endpoints.map(({ name }) => name)).toEqual(['builtin:chat', 'builtin:image', 'builtin:tts', 'builtin:whisper', 'cloud'])
    const edited = await admin.request('PATCH', '/admin/api/endpoints/cloud', { name: 'cloud2', rpm: null, key: null, active: false })
    expect(edited).toMatchObject({ status: 200, body: { ...made, name: 'cloud2', rpm: null, has_key: false, active: false } })
    expect(await admin.request('DELETE', `/admin/api/endpoints/${made.id}`)).toMatchObject({
      status: 200,
      body: { name: 'cloud2', active: false },
    })
    expect((await admin.request('GET', '/admin/api/endpoints/cloud2')).status).toBe(404)
    expect(JSON.stringify([made, listed, edited, admin.ledger, house.log])).not.toContain(KEY)
    expect(
      admin.ledger
        .filter(({ after, before }) => after !== '' && after !== before)
        .map(({ route, before, after }) => [route, before, after]),
    ).toEqual([
      ['/admin/api/endpoints', '', `${made.id} cloud`],
      ['/admin/api/endpoints/:name', 'cloud', `${made.id} cloud2 rpm=none key=none active=false`],
      ['/admin/api/endpoints/:name', made.id, `${made.id} cloud2`],
    ])
  })

  it('show the services of the gate, and say where those are configured', async () => {
    const shown = endpointView.strict().parse((await admin.request('GET', '/admin/api/endpoints/builtin:chat')).body)
    expect(shown).toMatchObject({ builtin: true, url: 'http://127.0.0.1:11434', created_at: null })
    for (const method of ['PATCH', 'DELETE']) {
      expect(await admin.request(method, '/admin/api/endpoints/builtin:chat', method === 'PATCH' ? { rpm: 1 } : undefined)).toMatchObject({
        status: 409,
        body: { code: 'CONFLICT', detail: expect.stringContaining('services.chat in portcullis.yaml') },
      })
    }
  })

  it('list page by page', async () => {
    for (const name of ['zoo', 'abe']) await add({ name })
    const { endpoints, next } = listEndpointsAnswer.parse((await admin.request('GET', '/admin/api/endpoints?limit=2')).body)
    expect([endpoints.map(({ name }) => name), next]).toEqual([['abe', 'builtin:chat'], 'builtin:chat'])
  })

  it('refuse what is no endpoint, without changing anything', async () => {
    await add()
    const refused: readonly (readonly [string, string, object | undefined, number])[] = [
      ['POST', '', { name: 'cloud', url: 'http://127.0.0.1' }, 409],
      ['POST', '', { name: 'Cloud', url: 'http://127.0.0.1' }, 400],
      ['POST', '', { name: 'builtin:chat', url: 'http://127.0.0.1' }, 400],
      ['POST', '', { name: 'x', url: 'ftp://127.0.0.1' }, 400],
      ['POST', '', { name: 'x', url: 'http://user:pass@127.0.0.1' }, 400],
      ['POST', '', { name: 'x', url: 'http://127.0.0.1/?a=b' }, 400],
      ['POST', '', { name: 'x', url: 'http://127.0.0.1', dialect: 'plain' }, 400],
      ['POST', '', { name: 'x', url: 'http://127.0.0.1', headers: {} }, 400],
      ['POST', '', {}, 400],
      ['PATCH', '/cloud', { speaks: ['everything'] }, 400],
      ['PATCH', '/cloud', { key: '' }, 400],
      ['PATCH', '/cloud', { url: 'https://thief.example.net' }, 400],
      ['PATCH', '/nobody', { rpm: 1 }, 404],
      ['DELETE', '/nobody', undefined, 404],
      ['GET', '?limit=0', undefined, 400],
    ]
    const before = house.catalog.manage.endpoints.list({ all: true })
    for (const [method, path, body, status] of refused) {
      expect([method, path, body, (await admin.request(method, `/admin/api/endpoints${path}`, body)).status]).toEqual([
        method,
        path,
        body,
        status,
      ])
    }
    expect(house.catalog.manage.endpoints.list({ all: true })).toEqual(before)
  })

  it('do not repeat a key that no header can hold', async () => {
    const { status, body } = await admin.request('PATCH', '/admin/api/endpoints/cloud', { key: `${KEY}\nx` })
    expect(status).toBe(404)
    await add()
    const refusal = await admin.request('PATCH', '/admin/api/endpoints/cloud', { key: `${KEY}\nx` })
    expect(refusal.status).toBe(400)
    expect(JSON.stringify([body, refusal, admin.ledger])).not.toContain(KEY)
  })

  it('do not write into the ledger what stands where a name belongs and is none', async () => {
    expect((await admin.request('GET', '/admin/api/endpoints/a%20b')).status).toBe(404)
    expect(admin.ledger.at(-1)?.before).toBe('[not an endpoint]')
  })
})
