import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../../test/support/clock.ts'
import { type KeyHouse, newKey, openKeyHouse, present } from '../../../test/support/key-house.ts'
import type { UserFilter } from './listing.ts'

let clock: ManualClock
let house: KeyHouse
beforeEach(async () => {
  clock = manualClock()
  house = await openKeyHouse({ clock })
})
afterEach(() => house.close())

const make = async (user = 'ada') => {
  const { key, apiKey } = await house.identity.keys.create(newKey({ user }))
  return { id: key.id, text: apiKey.reveal() }
}
const ownerOf = async (text: string) => (await house.identity.authenticate(text, '192.0.2.1')).owner
const away = async (table: 'users' | 'credits', work: () => Promise<unknown>) => {
  await house.store.db.schema.alterTable(table).renameTo('away').execute()
  await work().finally(() => house.store.db.schema.alterTable('away').renameTo(table).execute())
}

describe('a user', () => {
  it('is made by a name, or by the first key for it, and is the same after a restart', async () => {
    const { users } = house.identity
    const ada = await users.create({
      name: 'ada',
      email: 'ada@example.org',
      organisation: 'Engines',
      rate: '60/m',
      budget_day: 5,
      balance: 7,
    })
    expect(ada).toMatchObject({
      name: 'ada',
      active: true,
      balanceMicro: 7,
      rate: '60/m',
      budgetDayMicro: 5,
      keys: 0,
      createdMs: clock.nowMs(),
    })
    await make('ada')
    await make('bob')
    const before = await users.list()
    expect(before.users.map(({ name, keys, balanceMicro }) => [name, keys, balanceMicro])).toEqual([
      ['ada', 1, 7],
      ['bob', 1, null],
    ])
    expect(before.users[0]).toEqual({ ...ada, keys: 1 })
    house = await house.reopen()
    expect(await house.identity.users.list()).toEqual(before)
    expect(await house.identity.users.show(ada.id)).toEqual(await house.identity.users.show('ada'))
  })

  it('is one object for all keys, and they see a change at once', async () => {
    const [one, two] = [await make(), await make()]
    const owner = await ownerOf(one.text)
    expect(await ownerOf(two.text)).toBe(owner)
    expect(owner.limits.rates).toEqual([])
    await house.identity.users.edit('ada', { rate: '2/s', concurrency: 4, budget_month: 9 })
    expect(owner.limits).toMatchObject({ rates: [{ count: 2, perMs: 1_000 }], concurrency: 4, budgetMonthMicro: 9 })
    await house.identity.users.edit('ada', { rate: null })
    expect(owner.limits).toMatchObject({ rates: [], concurrency: 4 })
    expect(await ownerOf(one.text)).toBe(owner)
  })

  it('has another name and the same id, keys and account, and the old name is free', async () => {
    const { users, keys } = house.identity
    const { id, text } = await make()
    const before = await users.edit('ada', { billed: true })
    const other = await make('bob')
    await expect(users.edit('ada', { name: 'bob' })).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(users.edit('ada', { name: 'usr_0123456789abcdef' })).rejects.toMatchObject({ code: 'BODY_INVALID' })
    expect(await users.edit('ada', { name: 'grace' })).toEqual({ ...before, name: 'grace' })
    expect((await house.identity.authenticate(text, '192.0.2.1')).user).toBe('grace')
    expect((await house.identity.authenticate(other.text, '192.0.2.1')).user).toBe('bob')
    expect(keys.show(id).user).toBe('grace')
    await expect(users.show('ada')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await users.create({ name: 'ada' })).id).not.toBe(before.id)
    house = await house.reopen()
    expect(await house.identity.users.show(before.id)).toEqual({ ...before, name: 'grace' })
    expect((await house.identity.users.list()).users.map(({ name }) => name)).toEqual(['ada', 'bob', 'grace'])
  })

  it('keeps what an edit does not name, and loses what it sets to nothing', async () => {
    const { users } = house.identity
    const before = await users.create({ name: 'ada', email: 'a@example.org', organisation: 'O', tokens_per_minute: 5 })
    expect(await users.edit('ada', {})).toEqual(before)
    expect(await users.edit('ada', { email: null, organisation: '', tokens_per_minute: null })).toEqual({
      ...before,
      email: null,
      organisation: null,
      tokensPerMinute: null,
    })
  })

  it('that the store does not take is not made, and an edit that it does not take changes nothing', async () => {
    const { users } = house.identity
    const { text } = await make()
    const before = await users.show('ada')
    await away('users', async () => {
      await expect(users.create({ name: 'bob' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      await expect(users.edit('ada', { name: 'eve', rate: '1/d' })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    })
    expect((await users.list({ all: true })).users).toEqual([before])
    expect((await ownerOf(text)).limits.rates).toEqual([])
    expect((await users.create({ name: 'bob' })).name).toBe('bob')
  })

  it('is made once, however many ask at the same time', async () => {
    const { users } = house.identity
    const asked = [users.create({ name: 'ada' }), users.create({ name: 'ada' }), make('ada'), make('ada')]
    const refused = (await Promise.allSettled(asked)).filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(1)
    expect((await users.list()).users).toMatchObject([{ name: 'ada', keys: 2 }])
  })

  it('of a damaged row is unknown with all keys, and the others are there', async () => {
    const [one, two] = [await make('ada'), await make('bob')]
    await house.store.db.updateTable('users').set({ rate: 'fast' }).where('name', '=', 'ada').execute()
    house = await house.reopen()
    expect(await present(house.identity, one.text)).toBe('UNAUTHORIZED unknown_key')
    expect(await present(house.identity, two.text)).toBe(`in ${two.id}`)
    expect(house.log.lines.join()).toContain('a user of the store cannot be read')
  })
})

describe('disabling a user', () => {
  it('stops all keys at once, leaves them as they are, and holds over a restart', async () => {
    const [one, two, dead] = [await make(), await make(), await make()]
    const { users, keys } = house.identity
    await keys.disable(dead.id)
    const told: unknown[] = []
    house.identity.onStopped((id, how) => void told.push([id, how.now]))
    const disabling = users.disable('ada')
    expect(await present(house.identity, one.text)).toBe('UNAUTHORIZED user_disabled')
    expect(await disabling).toMatchObject({ active: false })
    expect(told).toEqual([])
    house = await house.reopen()
    expect(await present(house.identity, two.text)).toBe('UNAUTHORIZED user_disabled')
    expect(await present(house.identity, dead.text)).toBe('UNAUTHORIZED disabled')
    expect(house.identity.keys.show(one.id)).toMatchObject({ state: 'disabled', disabledMs: null })
    expect(await house.identity.keys.validate(one.text)).toMatchObject({ valid: false, reason: 'user_disabled' })
    expect(await house.identity.keys.validate(one.id)).toMatchObject({ valid: false, reason: 'user_disabled' })
    await expect(make()).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await house.identity.users.enable('ada')).toMatchObject({ active: true })
    expect(await present(house.identity, two.text)).toBe(`in ${two.id}`)
    expect(await present(house.identity, dead.text)).toBe('UNAUTHORIZED disabled')
    house = await house.reopen()
    expect(await present(house.identity, one.text)).toBe(`in ${one.id}`)
  })

  it('cuts what runs when told so, of this user and of nobody else', async () => {
    const mine = [await make(), await make()].map(({ id }) => id)
    await make('bob')
    const told: string[] = []
    house.identity.onStopped((id, { now }) => void told.push(now ? id : 'not now'))
    await house.identity.users.disable('ada', { now: true })
    expect(told.sort()).toEqual(mine.sort())
  })

  it('wins over an enabling that began before, and works even when the store does not take it', async () => {
    const { text } = await make()
    const { users } = house.identity
    await users.disable('ada')
    await Promise.all([users.enable('ada'), users.disable('ada')])
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED user_disabled')
    await users.enable('ada')
    await away('users', async () => {
      await expect(users.disable('ada')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', detail: expect.stringContaining('restart') })
      await expect(users.enable('ada')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    })
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED user_disabled')
  })

  it('refuses a key while argon2 works on it', async () => {
    const { text } = await make()
    house = await house.reopen()
    const answer = present(house.identity, text)
    await house.identity.users.disable('ada')
    expect(await answer).toBe('UNAUTHORIZED user_disabled')
  })

  it('is in lists of keys alike, from memory and from the store', async () => {
    await make('ada')
    await make('bob')
    await house.identity.users.disable('ada')
    const { createIdentity } = await import('../identity.ts')
    const parts = { store: house.store, secrets: { hasher: house.hasher, pepper: Buffer.alloc(32) }, clock, log: house.log }
    const unloaded = createIdentity(parts)
    for (const filter of [{}, { all: true }, { user: 'ada' }]) {
      expect(await unloaded.keys.list(filter)).toEqual(await house.identity.keys.list(filter))
    }
    expect((await unloaded.keys.list()).keys.map(({ user }) => user)).toEqual(['bob'])
    expect((await unloaded.keys.list({ all: true })).keys.map(({ user, state }) => [user, state])).toContainEqual(['ada', 'disabled'])
    await unloaded.close()
  })
})

describe('deleting a user', () => {
  it('disables all keys for good, frees the name, and keeps the rows', async () => {
    const { id, text } = await make()
    const { users, keys } = house.identity
    const before = await users.show('ada')
    expect(await users.delete('ada')).toMatchObject({ id: before.id, active: false })
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED disabled')
    for (const name of ['ada', before.id]) await expect(users.show(name)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(keys.enable(id)).rejects.toMatchObject({ code: 'CONFLICT' })
    const fresh = await make('ada')
    expect((await users.show('ada')).id).not.toBe(before.id)
    house = await house.reopen()
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED disabled')
    expect(await present(house.identity, fresh.text)).toBe(`in ${fresh.id}`)
    expect(house.identity.keys.show(id)).toMatchObject({ user: 'ada', state: 'disabled', disabledMs: clock.nowMs() })
    await expect(house.identity.keys.enable(id)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await house.store.db.selectFrom('users').select(['id', 'deleted_ms']).execute()).toContainEqual({
      id: before.id,
      deleted_ms: clock.nowMs(),
    })
  })

  it('is done once, and wins over what waited behind it', async () => {
    await house.identity.users.create({ name: 'ada', balance: 1 })
    const { users } = house.identity
    const settled = await Promise.allSettled([
      users.delete('ada'),
      users.delete('ada'),
      users.credit('ada', 1, ''),
      users.edit('ada', { rate: '1/s' }),
    ])
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected'])
    expect((await users.list({ all: true })).users).toEqual([])
  })

  it('that the store does not take stops the keys until a restart, and says so', async () => {
    const { id, text } = await make()
    await away('users', () =>
      expect(house.identity.users.delete('ada')).rejects.toMatchObject({ detail: expect.stringContaining('after a restart') }),
    )
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED user_disabled')
    house = await house.reopen()
    expect(await present(house.identity, text)).toBe(`in ${id}`)
  })
})

describe('pages of users', () => {
  const namesOf = async (filter: UserFilter) => (await house.identity.users.list(filter)).users.map(({ name }) => name)

  it('hold each user once, in the order of names, whatever came and went meanwhile', async () => {
    const { users } = house.identity
    for (const name of ['ö', 'bob', 'Zed', 'ada', '10', 'bo', '2', '日本', 'b']) await users.create({ name })
    await users.disable('bob')
    const all = await namesOf({ all: true })
    expect(all).toEqual([...all].sort((a, b) => (a < b ? -1 : 1)))
    expect(await namesOf({})).toEqual(all.filter((name) => name !== 'bob'))
    for (const limit of [1, 2, 4, 9, 1_000]) {
      const seen: string[] = []
      for (let after: string | null = ''; after !== null; ) {
        const page = await users.list({ all: true, limit, ...(after !== '' && { after }) })
        expect(page.users.length).toBeLessThanOrEqual(limit)
        seen.push(...page.users.map(({ name }) => name))
        after = page.next
      }
      expect(seen).toEqual(all)
    }
    await users.delete('bo')
    expect(await namesOf({ after: 'bo', all: true, limit: 1 })).toEqual(['bob'])
    expect(await namesOf({ after: '\u{10ffff}', all: true })).toEqual([])
  })

  it('take their balances from whoever knows them', async () => {
    const { createIdentity } = await import('../identity.ts')
    const parts = { store: house.store, secrets: { hasher: house.hasher, pepper: Buffer.alloc(32) }, clock, log: house.log }
    await house.identity.users.create({ name: 'ada', balance: 10 })
    const known = createIdentity({ ...parts, balanceOf: () => 3 })
    await known.load()
    expect((await known.users.show('ada')).balanceMicro).toBe(3)
    expect((await known.users.list()).users).toMatchObject([{ balanceMicro: 3 }])
    expect([...known.users.balances()]).toEqual([{ userId: (await known.users.show('ada')).id, balanceMicro: 10 }])
    await known.close()
  })
})
