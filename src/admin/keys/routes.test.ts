import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keyAdmin } from '../../../test/support/key-admin.ts'
import { type KeyHouse, openKeyHouse, present } from '../../../test/support/key-house.ts'
import { keyDetail, keyWithSecret, listKeysAnswer } from '../../contract/index.ts'

let house: KeyHouse
let admin: ReturnType<typeof keyAdmin>
beforeEach(async () => {
  house = await openKeyHouse()
  admin = keyAdmin(house.identity)
})
afterEach(() => house.close())

const make = async (over: object = {}) => {
  const { status, body } = await admin.request('POST', '/admin/api/keys', { user: 'ada', rights: ['chat'], ...over })
  expect(status).toBe(201)
  return keyWithSecret.parse(body)
}

describe('the key routes', () => {
  it('make a key with all that can be said of one', async () => {
    const said = { tokens_per_minute: 5_000, models: ['llama3', 'gpt-*'], networks: ['private', '2001:db8::/32'], log_content: true }
    const made = await make({ ...said, budget_day: '1.5', budget_month: '30' })
    expect(made).toMatchObject({ ...said, budget_day: '1.50', budget_month: '30.00' })
    house = await house.reopen()
    admin = keyAdmin(house.identity)
    expect((await admin.request('GET', `/admin/api/keys/${made.id}`)).body).toMatchObject({ ...said, budget_month: '30.00' })
  })

  it('make a key, show it once, and never again', async () => {
    const made = await make({ expires_days: 30, rate: '60/m', concurrency: 3, description: 'laptop' })
    expect(await present(house.identity, made.api_key)).toBe(`in ${made.id}`)
    expect(Date.parse(made.expires_at ?? '') - Date.parse(made.created_at)).toBeGreaterThanOrEqual(30 * 86_400_000 - 1_000)
    for (const path of [`/admin/api/keys/${made.id}`, '/admin/api/keys?all=true']) {
      const { status, body } = await admin.request('GET', path)
      expect(status).toBe(200)
      expect(JSON.stringify(body)).not.toContain(made.api_key.slice(17))
      expect(JSON.stringify(body)).not.toMatch(/argon|phc|hmac/)
    }
  })

  it('answer with exactly the fields of the contract', async () => {
    const made = await make()
    const { body } = await admin.request('GET', `/admin/api/keys/${made.id}`)
    expect(keyDetail.strict().parse(body)).toEqual(body)
    expect(keyWithSecret.strict().parse(made)).toEqual(made)
    listKeysAnswer.strict().parse((await admin.request('GET', '/admin/api/keys')).body)
  })

  it('list page by page, each of which says what the next one comes after', async () => {
    const ids = [(await make()).id, (await make()).id, (await make()).id]
    const page = async (query: string) => listKeysAnswer.parse((await admin.request('GET', `/admin/api/keys?${query}`)).body)
    const first = await page('limit=2')
    const second = await page(`limit=2&after=${first.next}`)
    expect([first.total, second.total, second.next]).toEqual([3, null, null])
    expect([...first.keys, ...second.keys].map(({ id }) => id).sort()).toEqual(ids.sort())
  })

  it('disable, enable and rotate by id or the start of it, and tell the ledger which key it was', async () => {
    const { id } = await make()
    const at = `/admin/api/keys/${id.slice(0, 8)}`
    expect(await admin.request('POST', `${at}/disable`, { now: true })).toMatchObject({ status: 200, body: { state: 'disabled' } })
    expect(await admin.request('POST', `${at}/enable`)).toMatchObject({ status: 200, body: { state: 'active' } })
    const rotated = await admin.request('POST', `${at}/rotate`, { grace_seconds: 0 })
    expect(await present(house.identity, keyWithSecret.parse(rotated.body).api_key)).toBe(`in ${id}`)
    expect(admin.ledger.map(({ route, before, after }) => [route, before, after]).slice(1)).toEqual([
      ['/admin/api/keys/:id/disable', id.slice(0, 8), id],
      ['/admin/api/keys/:id/enable', id.slice(0, 8), id],
      ['/admin/api/keys/:id/rotate', id.slice(0, 8), id],
    ])
  })

  it('edit a key by id or the start of it: what was said, and nothing else', async () => {
    const { id, api_key: text } = await make({ rate: '60/m', description: 'laptop' })
    const at = `/admin/api/keys/${id.slice(0, 8)}`
    const edited = await admin.request('PATCH', at, {
      rights: ['tts'],
      budget_day: '12.5',
      models: ['llama*'],
      networks: ['192.0.2.0/24'],
      log_content: true,
      expires_at: '2030-01-01T01:00:00+01:00',
    })
    expect(edited).toMatchObject({
      status: 200,
      body: {
        rights: ['speech'],
        rate: '60/m',
        description: 'laptop',
        budget_day: '12.50',
        budget_month: null,
        models: ['llama*'],
        networks: ['192.0.2.0/24'],
        log_content: true,
        expires_at: '2030-01-01T00:00:00.000Z',
      },
    })
    expect(await admin.request('PATCH', at, { networks: null, rate: null, budget_day: null, expires_at: null })).toMatchObject({
      body: { networks: null, rate: null, budget_day: null, expires_at: null, models: ['llama*'] },
    })
    expect(await present(house.identity, text)).toBe(`in ${id}`)
    expect(admin.ledger.at(-1)).toMatchObject({
      route: '/admin/api/keys/:id',
      before: id.slice(0, 8),
      after: `${id} networks=none rate=none budget_day=none expires_at=none`,
    })
  })

  it.each([
    [{ rights: ['root'] }],
    [{ rights: [] }],
    [{ networks: ['somewhere'] }],
    [{ networks: ['10.0.0.0/33'] }],
    [{ networks: [] }],
    [{ models: [''] }],
    [{ budget_day: 12.5 }],
    [{ budget_day: '-1' }],
    [{ budget_day: '1.0000001' }],
    [{ tokens_per_minute: 0 }],
    [{ rate: '1000001/d' }],
    [{ expires_at: 'tomorrow' }],
    [{ user: 'bob' }],
    [{ id: 'x' }],
  ])('refuse to edit a key to %j, and change nothing', async (body) => {
    const { id } = await make()
    const before = house.identity.keys.show(id)
    expect((await admin.request('PATCH', `/admin/api/keys/${id}`, { description: 'changed', ...body })).status).toBe(400)
    expect(house.identity.keys.show(id)).toEqual(before)
  })

  it('validate and import', async () => {
    const made = await make()
    expect(await admin.request('POST', '/admin/api/keys/validate', { key: made.api_key })).toMatchObject({ body: { valid: true } })
    expect(await admin.request('POST', '/admin/api/keys/validate', { key: 'nonsense' })).toMatchObject({
      status: 200,
      body: { valid: false, reason: 'malformed', key: null },
    })
    const content = JSON.stringify({ 'e5c4b8c2-1111-4222-8333-444455556666': { user: 'bob', service: 'tts' } })
    expect(await admin.request('POST', '/admin/api/keys/import', { content, rights_from_service: true })).toMatchObject({
      body: { imported: [{ id: 'legacy_e5c4b8c2', user: 'bob', rights: ['speech'] }], disabled: [], unchanged: 0, skipped: [] },
    })
  })

  it.each([
    ['an unknown field', { user: 'ada', rights: ['chat'], admin: true }],
    ['no user', { rights: ['chat'] }],
    ['a user with control characters', { user: 'ada\u001b[2J', rights: ['chat'] }],
    ['an unknown right', { user: 'ada', rights: ['root'] }],
    ['a rate that is none', { user: 'ada', rights: ['chat'], rate: 'fast' }],
    ['a fractional expiry', { user: 'ada', rights: ['chat'], expires_days: 0.5 }],
    ['a list', []],
    ['nothing', null],
  ])('refuse to make a key of %s, and make none', async (_what, body) => {
    expect((await admin.request('POST', '/admin/api/keys', body)).status).toBe(400)
    expect((await house.identity.keys.list({ all: true })).total).toBe(0)
  })

  it('refuse a whole key where an id belongs, without writing it into the ledger or the answer', async () => {
    const { api_key: text } = await make()
    const { status, body } = await admin.request('POST', `/admin/api/keys/${text}/disable`, {})
    expect(status).toBe(400)
    expect(JSON.stringify([body, admin.ledger])).not.toContain(text)
  })

  it('refuse a query that they do not know', async () => {
    for (const query of ['limit=0', 'limit=many', 'limit=1001', 'all=perhaps', 'after=', 'after=nosuchkey']) {
      expect((await admin.request('GET', `/admin/api/keys?${query}`)).status).toBe(400)
    }
  })
})
