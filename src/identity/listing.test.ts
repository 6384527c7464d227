import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../test/support/clock.ts'
import { type KeyHouse, newKey, openKeyHouse } from '../../test/support/key-house.ts'
import { createIdentity, type Identity } from './identity.ts'
import type { KeyFilter } from './listing.ts'

let clock: ManualClock
let house: KeyHouse
beforeEach(async () => {
  clock = manualClock()
  house = await openKeyHouse({ clock })
})
afterEach(() => house.close())

/** The same store, in a process that has not taken its keys into memory. */
const unloaded = (): Identity =>
  createIdentity({ store: house.store, secrets: { hasher: house.hasher, pepper: Buffer.alloc(32) }, clock, log: house.log })

async function someKeys(): Promise<void> {
  for (let n = 0; n < 9; n += 1) {
    // Three of each millisecond, so that the id has to decide.
    if (n % 3 === 0) clock.advance(1_000)
    const expiresMs = n % 4 === 3 ? clock.nowMs() + 500 : null
    const { key } = await house.identity.keys.create(newKey({ user: n % 2 ? 'ada' : 'bob', expiresMs }))
    if (n % 5 === 4) await house.identity.keys.disable(key.id)
  }
  await house.identity.keys.importLegacy(
    JSON.stringify({ 'e5c4b8c2-1111-4222-8333-444455556666': { user: 'bob', created_at: '2020-01-01T00:00:00' } }),
    { rightsFromService: false },
  )
  clock.advance(1_000)
}

async function pagesOf({ keys }: Identity, filter: KeyFilter, limit: number): Promise<{ ids: string[]; totals: (number | null)[] }> {
  const [ids, totals]: [string[], (number | null)[]] = [[], []]
  for (let after: string | null = ''; after !== null; ) {
    const page = await keys.list({ ...filter, limit, ...(after !== '' && { after }) })
    expect(page.keys.length).toBeLessThanOrEqual(limit)
    ids.push(...page.keys.map(({ id }) => id))
    totals.push(page.total)
    after = page.next
  }
  return { ids, totals }
}

describe('pages of keys', () => {
  it('hold each key once, newest first, and are the same from memory and from the store', async () => {
    await someKeys()
    const elsewhere = unloaded()
    for (const filter of [{ all: true }, {}, { user: 'ada' }, { all: true, user: 'bob' }, { user: 'nobody' }]) {
      const whole = await house.identity.keys.list(filter)
      expect(whole).toEqual(await elsewhere.keys.list(filter))
      expect(whole).toMatchObject({ total: whole.keys.length, next: null })
      expect(whole.keys.map(({ createdMs }) => createdMs)).toEqual(whole.keys.map(({ createdMs }) => createdMs).sort((a, b) => b - a))
      for (const limit of [1, 2, 3, 1_000]) {
        const { ids, totals } = await pagesOf(house.identity, filter, limit)
        expect(ids).toEqual(whole.keys.map(({ id }) => id))
        expect(totals).toEqual([whole.total, ...totals.slice(1).map(() => null)])
        expect(await pagesOf(elsewhere, filter, limit)).toEqual({ ids, totals })
      }
    }
    expect((await house.identity.keys.list({ all: true })).keys.at(-1)?.id).toBe('legacy_e5c4b8c2')
    await elsewhere.close()
  })

  it('go on after a key that has been disabled since, and after no key that there is not', async () => {
    await someKeys()
    const { keys } = house.identity
    const first = await keys.list({ limit: 2 })
    await keys.disable(first.next ?? '')
    const elsewhere = unloaded()
    for (const service of [keys, elsewhere.keys]) {
      expect((await service.list({ after: first.next ?? '' })).keys.length).toBe((first.total ?? 0) - 2)
      await expect(service.list({ after: 'nosuchkey' })).rejects.toMatchObject({ code: 'BODY_INVALID' })
    }
    await elsewhere.close()
  })

  it('leave out a row that cannot be read, and only that one', async () => {
    await someKeys()
    const [damaged] = (await house.identity.keys.list()).keys
    await house.store.db
      .updateTable('keys')
      .set({ description: Buffer.from('blob') as never, rights: 'no list' }) // what no version of ours writes
      .where('id', '=', damaged?.id ?? '')
      .execute()
    const { total } = await house.identity.keys.list()
    const elsewhere = unloaded()
    expect((await pagesOf(elsewhere, {}, 1)).ids.length).toBe((total ?? 0) - 1)
    expect(await elsewhere.load()).toMatchObject({ keys: 9, unreadable: 1 })
    expect(house.log.lines.at(-1)).toContain(damaged?.id)
    await elsewhere.close()
  })
})
