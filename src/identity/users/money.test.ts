import fc from 'fast-check'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type KeyHouse, newKey, openKeyHouse } from '../../../test/support/key-house.ts'
import { GatewayError } from '../../kernel/index.ts'
import type { BalanceChange, CreditList } from '../index.ts'

let house: KeyHouse
let told: BalanceChange[]
const listen = () => {
  told = []
  house.identity.onBalance((change) => void told.push(change))
}
beforeEach(async () => {
  house = await openKeyHouse()
  listen()
})
afterEach(() => house.close())

const credits = async (id: string) =>
  (await house.store.db.selectFrom('credits').select(['amount_micro', 'note']).where('user_id', '=', id).execute()).map((row) => [
    row.amount_micro,
    row.note,
  ])
const balance = async () => (await house.identity.users.show('ada')).balanceMicro
/** As the projection of the ledger charges: by taking away, at any moment. */
const charge = (id: string, micro: number) =>
  house.store.db
    .updateTable('users')
    .set({ balance_micro: sql`balance_micro - ${micro}` })
    .where('id', '=', id)
    .execute()

describe('a balance', () => {
  it('is changed by credits alone, each of which is written down, and listeners hear what the store has', async () => {
    const { users } = house.identity
    const { id } = await users.create({ name: 'ada', balance: 5 })
    await users.credit('ada', 10, 'invoice 7')
    expect(await users.credit('ada', -3, '')).toMatchObject({ balanceMicro: 12 })
    expect(await credits(id)).toEqual([
      [5, 'opening balance'],
      [10, 'invoice 7'],
      [-3, ''],
    ])
    expect(told).toEqual([
      { userId: id, kind: 'set', micro: 5 },
      { userId: id, kind: 'add', micro: 10 },
      { userId: id, kind: 'add', micro: -3 },
    ])
    house = await house.reopen()
    expect([...house.identity.users.balances()]).toEqual([{ userId: id, balanceMicro: 12 }])
    expect(await balance()).toBe(12)
  })

  it('of nobody who is not billed is there to be changed, and begins at nothing', async () => {
    const { users } = house.identity
    const { id } = await users.create({ name: 'ada' })
    expect([...users.balances()]).toEqual([])
    await expect(users.credit('ada', 1, '')).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await credits(id)).toEqual([])
    expect(await users.edit('ada', { billed: true })).toMatchObject({ balanceMicro: 0 })
    await users.edit('ada', { billed: true })
    await users.credit('ada', 4, '')
    await charge(id, 1)
    expect(await users.edit('ada', { billed: false })).toMatchObject({ balanceMicro: null })
    await users.edit('ada', { billed: false })
    expect(await credits(id)).toEqual([
      [4, ''],
      [-3, 'no longer billed'],
    ])
    expect(told.map(({ kind, micro }) => [kind, micro])).toEqual([
      ['set', 0],
      ['add', 4],
      ['set', null],
    ])
    await charge(id, 1)
    expect(await balance()).toBeNull()
  })

  it('that would be too large to count is refused, and nothing of it is left', async () => {
    const { users } = house.identity
    const { id } = await users.create({ name: 'ada', balance: 1e15 })
    await expect(users.credit('ada', 1, '')).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await credits(id)).toEqual([[1e15, 'opening balance']])
    expect(await users.credit('ada', -1e15, '')).toMatchObject({ balanceMicro: 0 })
  })

  it('is not changed by a credit that cannot be written down', async () => {
    const { users } = house.identity
    await users.create({ name: 'ada', balance: 5 })
    await house.store.db.schema.alterTable('credits').renameTo('away').execute()
    await expect(users.credit('ada', 1, '')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await house.store.db.schema.alterTable('away').renameTo('credits').execute()
    expect(await balance()).toBe(5)
    expect(told).toHaveLength(1)
  })

  it('of a deleted user is told to be none, and stays in the store', async () => {
    const { users } = house.identity
    const { id } = await users.create({ name: 'ada', balance: 5 })
    await users.delete('ada')
    expect(told.at(-1)).toEqual({ userId: id, kind: 'set', micro: null })
    expect(await house.store.db.selectFrom('users').select('balance_micro').execute()).toEqual([{ balance_micro: 5 }])
    house = await house.reopen()
    expect([...house.identity.users.balances()]).toEqual([])
  })

  it('survives a listener that fails', async () => {
    house.identity.onBalance(() => {
      throw new Error('a listener of the test')
    })
    await house.identity.users.create({ name: 'ada', balance: 5 })
    expect(house.log.lines.join()).toContain('a listener of the test')
    expect(await balance()).toBe(5)
  })

  it('comes out the same in whatever order credits, charges and edits arrive', { timeout: 60_000 }, async () => {
    const { users } = house.identity
    const { id } = await users.create({ name: 'ada', balance: 0 })
    const amount = fc.oneof(fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }), fc.constantFrom(1, -1, 0, 999_999))
    const step = fc.record({ kind: fc.constantFrom('credit', 'charge', 'edit'), micro: amount })
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
    process.stdout.write(`credits and charges: seed ${seed}\n`)
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(step, { minLength: 1, maxLength: 12 }), async (scheduler, steps) => {
        const [before, heard, written] = [(await balance()) ?? 0, told.length, (await credits(id)).length]
        const work = steps.map(({ kind, micro }, n) =>
          scheduler.schedule(Promise.resolve()).then(async () => {
            if (kind === 'credit') await users.credit('ada', micro, `step ${n}`)
            else if (kind === 'charge') await charge(id, micro)
            else await users.edit('ada', { budget_day: Math.abs(micro), billed: true })
          }),
        )
        await scheduler.waitAll()
        await Promise.all(work)
        const sum = (kind: string) => steps.reduce((total, one) => total + (one.kind === kind ? one.micro : 0), 0)
        expect(await balance()).toBe(before + sum('credit') - sum('charge'))
        const added = told.slice(heard).map(({ micro }) => micro ?? Number.NaN)
        expect(added.reduce((total, micro) => total + micro, 0)).toBe(sum('credit'))
        const fresh = (await credits(id)).slice(written).map(([micro]) => Number(micro))
        expect(fresh.reduce((total, micro) => total + micro, 0)).toBe(sum('credit'))
      }),
      { seed, numRuns: 40 },
    )
  })
})

describe('an account that is opened, closed or deleted', () => {
  const uncounted = new GatewayError('STORE_UNAVAILABLE', { detail: 'not counted' })
  let before: () => Promise<void>
  beforeEach(async () => {
    await house.close()
    before = async () => {}
    house = await openKeyHouse({ upToDate: () => before() })
  })

  it('waits for what was used before, so that nothing of it is on the account of after', async () => {
    const { users } = house.identity
    const { id } = await users.create({ name: 'ada', balance: 10 })
    before = async () => void (await charge(id, 3))
    expect(await users.edit('ada', { billed: false })).toMatchObject({ balanceMicro: null, takenMicro: 7 })
    expect(await users.edit('ada', { billed: true })).toMatchObject({ balanceMicro: 0 })
    expect(await credits(id)).toEqual([
      [10, 'opening balance'],
      [-7, 'no longer billed'],
    ])
    expect(await users.edit('ada', { rate: '1/s' })).not.toHaveProperty('takenMicro')
  })

  it('is left as it is where that cannot be counted', async () => {
    const { users, keys } = house.identity
    const { id } = await users.create({ name: 'ada', balance: 10 })
    await users.create({ name: 'bob' })
    const { key } = await keys.create(newKey({ user: 'ada' }))
    before = () => Promise.reject(uncounted)
    await expect(users.edit('ada', { billed: false })).rejects.toBe(uncounted)
    expect([await balance(), await credits(id)]).toEqual([10, [[10, 'opening balance']]])
    await expect(users.delete('ada')).rejects.toBe(uncounted)
    // Her keys are stopped all the same, also for the next process; and whoever has no account is deleted.
    await users.delete('bob')
    house = await house.reopen()
    expect(await house.identity.users.show('ada')).toMatchObject({ active: false, balanceMicro: 10 })
    expect(house.identity.keys.show(key.id).state).toBe('disabled')
    await expect(house.identity.users.show('bob')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('tells its credits page by page, newest first, several of one moment too', async () => {
    const { users } = house.identity
    await users.create({ name: 'ada', balance: 1 })
    for (const amount of [2, 3, 4, 5]) await users.credit('ada', amount, `n${amount}`)
    const seen: number[] = []
    for (let next: string | null = ''; next !== null; ) {
      const page: CreditList = await users.credits('ada', { limit: 2, ...(next !== '' && { before: next }) })
      seen.push(...page.credits.map(({ amountMicro }) => amountMicro))
      next = page.next
    }
    expect(seen.sort()).toEqual([1, 2, 3, 4, 5])
    const times = (await users.credits('ada')).credits.map(({ timeMs }) => timeMs)
    expect(times).toEqual([...times].sort((one, other) => other - one))
  })
})
