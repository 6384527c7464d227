import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keyAdmin } from '../../../test/support/key-admin.ts'
import { type KeyHouse, newKey, openKeyHouse, present } from '../../../test/support/key-house.ts'
import { listUsersAnswer, userView } from '../../contract/index.ts'

let house: KeyHouse
let admin: ReturnType<typeof keyAdmin>
beforeEach(async () => {
  house = await openKeyHouse()
  admin = keyAdmin(house.identity)
})
afterEach(() => house.close())

const add = async (over: object = {}) => {
  const { status, body } = await admin.request('POST', '/admin/api/users', { name: 'ada', ...over })
  expect(status).toBe(201)
  return userView.strict().parse(body)
}

describe('the user routes', () => {
  it('add, show, list, edit and delete, by name or id, and tell the ledger who it was', async () => {
    const said = { email: 'ada@example.org', organisation: 'Engines', rate: '60/m', concurrency: 3, tokens_per_minute: 9 }
    const made = await add({ ...said, balance: '12.5', budget_day: '1', budget_month: '20.000001' })
    expect(made).toMatchObject({ ...said, balance: '12.50', budget_day: '1.00', budget_month: '20.000001', active: true, keys: 0 })
    for (const name of ['ada', made.id])
      expect(await admin.request('GET', `/admin/api/users/${name}`)).toEqual({
        status: 200,
        body: { ...made, spent_day: '0.00', spent_month: '0.00' },
      })
    expect(listUsersAnswer.strict().parse((await admin.request('GET', '/admin/api/users')).body)).toEqual({ users: [made], next: null })
    const edited = await admin.request('PATCH', '/admin/api/users/ada', { name: 'zo\u00eb', rate: null, email: null })
    expect(edited).toMatchObject({ status: 200, body: { ...made, name: 'zo\u00eb', rate: null, email: null } })
    expect(await admin.request('POST', '/admin/api/users/zo%C3%AB/credit', { amount: '-2.5' })).toMatchObject({
      body: { balance: '10.00' },
    })
    expect(await admin.request('DELETE', '/admin/api/users/zo%C3%AB')).toMatchObject({ status: 200, body: { active: false } })
    expect((await admin.request('GET', '/admin/api/users/zo%C3%AB')).status).toBe(404)
    expect(
      admin.ledger
        .filter(({ before, after }) => after !== '' && before !== after)
        .map(({ route, before, after }) => [route, before, after]),
    ).toEqual([
      ['/admin/api/users', '', `${made.id} ada 12.50`],
      ['/admin/api/users/:name', 'ada', `${made.id} zo\u00eb rate=none email=none`],
      ['/admin/api/users/:name/credit', 'zo\u00eb', `${made.id} zo\u00eb -2.50`],
      ['/admin/api/users/:name', 'zo\u00eb', `${made.id} zo\u00eb`],
    ])
  })

  it('list page by page', async () => {
    for (const name of ['cyd', 'ada', 'bob']) await add({ name })
    await admin.request('PATCH', '/admin/api/users/bob', { active: false })
    const page = async (query: string) => {
      const { users, next } = listUsersAnswer.parse((await admin.request('GET', `/admin/api/users?${query}`)).body)
      return [users.map(({ name }) => name), next]
    }
    expect(await page('')).toEqual([['ada', 'cyd'], null])
    expect(await page('all=true&limit=2')).toEqual([['ada', 'bob'], 'bob'])
    expect(await page('all=true&limit=2&after=bob')).toEqual([['cyd'], null])
  })

  it('cut what runs only when asked to', async () => {
    await add()
    const { key } = await house.identity.keys.create(newKey())
    const cut: string[] = []
    house.identity.onStopped((id, { now }) => void cut.push(`${id} ${now}`))
    await admin.request('PATCH', '/admin/api/users/ada', { active: false })
    expect(cut).toEqual([])
    await admin.request('PATCH', '/admin/api/users/ada?now=true', { active: false })
    await admin.request('DELETE', '/admin/api/users/ada?now=true')
    expect(cut).toEqual([`${key.id} true`, `${key.id} true`])
  })

  it('open and close an account', async () => {
    await add()
    expect((await admin.request('POST', '/admin/api/users/ada/credit', { amount: '1' })).status).toBe(409)
    expect(await admin.request('PATCH', '/admin/api/users/ada', { billed: true })).toMatchObject({ body: { balance: '0.00' } })
    expect(await admin.request('POST', '/admin/api/users/ada/credit', { amount: '1', note: 'cash' })).toMatchObject({
      body: { balance: '1.00' },
    })
    expect(await admin.request('PATCH', '/admin/api/users/ada', { billed: false })).toMatchObject({ body: { balance: null } })
  })

  it('refuse what is no user, without changing anything', async () => {
    await add()
    const refused: readonly (readonly [string, string, object | undefined, number])[] = [
      ['POST', '', { name: 'ada' }, 409],
      ['POST', '', { name: 'a b' }, 400],
      ['POST', '', { name: '..' }, 400],
      ['POST', '', { name: 'usr_0123456789abcdef' }, 400],
      ['POST', '', { name: 'bob', email: 'nowhere' }, 400],
      ['POST', '', { name: 'bob', balance: 5 }, 400],
      ['POST', '', { name: 'bob', rate: '1000001/d' }, 400],
      ['POST', '', {}, 400],
      ['PATCH', '/ada', { balance: '5' }, 400],
      ['PATCH', '/ada', { name: '' }, 400],
      ['PATCH', '/ada?now=perhaps', { active: false }, 400],
      ['PATCH', '/nobody', { active: false }, 404],
      ['DELETE', '/nobody', undefined, 404],
      ['POST', '/ada/credit', {}, 400],
      ['POST', '/ada/credit', { amount: '1.0000001' }, 400],
      ['POST', '/nobody/credit', { amount: '1' }, 404],
      ['GET', '?limit=0', undefined, 400],
    ]
    const before = await house.identity.users.show('ada')
    for (const [method, path, body, status] of refused) {
      expect([method, path, body, (await admin.request(method, `/admin/api/users${path}`, body)).status]).toEqual([
        method,
        path,
        body,
        status,
      ])
    }
    expect(await house.identity.users.show('ada')).toEqual(before)
    expect((await house.identity.users.list({ all: true })).users).toHaveLength(1)
  })

  it('do not write into the ledger what stands where a name belongs and is none', async () => {
    expect((await admin.request('GET', '/admin/api/users/a%20b%3Cscript%3E')).status).toBe(404)
    expect(admin.ledger.at(-1)?.before).toBe('[not a user]')
  })

  it('stop the keys of a disabled user, and let them in again', async () => {
    await add()
    const { key, apiKey } = await house.identity.keys.create(newKey())
    await admin.request('PATCH', '/admin/api/users/ada', { active: false })
    expect(await present(house.identity, apiKey.reveal())).toBe('UNAUTHORIZED user_disabled')
    await admin.request('PATCH', '/admin/api/users/ada', { active: true })
    expect(await present(house.identity, apiKey.reveal())).toBe(`in ${key.id}`)
  })
})
