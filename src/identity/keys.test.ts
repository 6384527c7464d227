import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../test/support/clock.ts'
import { type KeyHouse, newKey, openKeyHouse, present } from '../../test/support/key-house.ts'
import { LIMITS } from '../kernel/index.ts'
import type { KeyFilter } from './listing.ts'

let clock: ManualClock
let house: KeyHouse
beforeEach(async () => {
  clock = manualClock()
  house = await openKeyHouse({ clock })
})
afterEach(() => house.close())

const make = async (over: Parameters<typeof newKey>[0] = {}) => {
  const { key, apiKey } = await house.identity.keys.create(newKey(over))
  return { id: key.id, text: apiKey.reveal() }
}
const codeOf = (thrown: unknown) => (thrown instanceof Error && 'code' in thrown ? thrown.code : thrown)
const rejected = (work: () => unknown) =>
  Promise.resolve()
    .then(work)
    .then(() => 'it worked', codeOf)
const HOUR = 3_600_000

describe('making keys', () => {
  it('keeps everything that was said of them, and gives one user to one name', async () => {
    const expiresMs = clock.nowMs() + HOUR
    const { id } = await make({
      user: 'zoë',
      rights: ['chat', 'tts', 'text'],
      description: 'laptop',
      rate: '60/m',
      concurrency: 3,
      expiresMs,
    })
    await make({ user: 'zoë' })
    const before = house.identity.keys.show(id)
    house = await house.reopen()
    expect(house.identity.keys.show(id)).toEqual(before)
    expect(before).toMatchObject({
      user: 'zoë',
      rights: ['text', 'embedding', 'speech'],
      description: 'laptop',
      rate: '60/m',
      concurrency: 3,
      expiresMs,
      state: 'active',
      legacy: false,
    })
    expect(await house.store.db.selectFrom('users').select('name').execute()).toEqual([{ name: 'zoë' }])
  })

  it.each([
    ['a right that is none', { rights: ['chat', 'everything'] }],
    ['no right', { rights: [] }],
    ['a rate that is none', { rate: '60 per minute' }],
    ['a rate that no memory could count', { rate: `${LIMITS.rateCountMax + 1}/d` }],
  ])('refuses %s', async (_what, over) => expect(await rejected(() => make(over))).toBe('BODY_INVALID'))

  it('can be done many at a time', async () => {
    const made = await Promise.all(Array.from({ length: 12 }, () => make()))
    expect(new Set(made.map(({ id }) => id)).size).toBe(12)
    expect(await house.store.db.selectFrom('users').selectAll().execute()).toHaveLength(1)
  })

  it('leaves no key behind when the store does not take it', async () => {
    await house.store.db.schema.alterTable('keys').renameTo('keys_away').execute()
    expect(await rejected(() => make())).toBe('STORE_UNAVAILABLE')
    expect((await house.identity.keys.list({ all: true })).total).toBe(0)
    await house.store.db.schema.alterTable('keys_away').renameTo('keys').execute()
    await make()
  })
})

describe('finding keys', () => {
  it('lists active ones, newest first, and all or one user’s when asked', async () => {
    const ids: string[] = []
    for (const user of ['ada', 'ada', 'bob']) {
      clock.advance(1_000)
      ids.push((await make({ user })).id)
    }
    const [first = '', second, third] = ids
    await house.identity.keys.disable(first)
    const listed = async (filter?: KeyFilter) => (await house.identity.keys.list(filter)).keys.map(({ id }) => id)
    expect(await listed()).toEqual([third, second])
    expect(await listed({ all: true })).toEqual([third, second, first])
    expect(await listed({ all: true, user: 'ada' })).toEqual([second, first])
    expect(await house.identity.keys.list({ all: true, limit: 1 })).toMatchObject({ total: 3, keys: [{ id: third }] })
    house = await house.reopen()
    expect(await listed({ all: true })).toEqual([third, second, first])
  })

  it('takes an id, its start where only one key starts so, and an id with its prefix', async () => {
    const { id, text } = await make()
    const { keys } = house.identity
    expect([keys.show(id).id, keys.show(id.slice(0, 6)).id, keys.show(`pcl_${id}`).id]).toEqual([id, id, id])
    expect(await rejected(() => keys.show('zzzzzzzz'))).toBe('NOT_FOUND')
    expect(await rejected(() => keys.show(id.slice(0, 3)))).toBe('NOT_FOUND')
    expect(await rejected(() => keys.show(''))).toBe('NOT_FOUND')
    expect(await rejected(() => keys.show(text))).toBe('BODY_INVALID')
  })

  it('names the candidates when several keys start so', async () => {
    const { id } = await make()
    const twin = `${id.slice(0, 11)}${id.endsWith('0') ? '1' : '0'}`
    const row = await house.store.db.selectFrom('keys').selectAll().executeTakeFirstOrThrow()
    await house.store.db
      .insertInto('keys')
      .values({ ...row, id: twin })
      .execute()
    house = await house.reopen()
    await expect(async () => house.identity.keys.show(id.slice(0, 8))).rejects.toMatchObject({
      code: 'CONFLICT',
      detail: expect.stringContaining(twin),
    })
  })
})

describe('disabling and enabling', () => {
  it('holds over a restart, is told to listeners, and can be repeated', async () => {
    const { id } = await make()
    const told: unknown[] = []
    const stop = house.identity.onStopped((keyId, how) => told.push([keyId, how.now]))
    const first = await house.identity.keys.disable(id)
    clock.advance(1_000)
    expect(await house.identity.keys.disable(id, { now: true })).toEqual(first)
    stop()
    await house.identity.keys.disable(id)
    expect(told).toEqual([
      [id, false],
      [id, true],
    ])
    house = await house.reopen()
    expect(house.identity.keys.show(id)).toMatchObject({ state: 'disabled', disabledMs: first.disabledMs })
    await house.identity.keys.enable(id)
    house = await house.reopen()
    expect(house.identity.keys.show(id).state).toBe('active')
  })

  it('stops the key before anything else that is under way, and wins over an enabling that began before', async () => {
    const { id, text } = await make()
    await house.identity.keys.disable(id)
    const work = [house.identity.keys.enable(id), house.identity.keys.rotate(id, { graceMs: HOUR }), house.identity.keys.disable(id)]
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED disabled')
    await Promise.all(work)
    expect(house.identity.keys.show(id).state).toBe('disabled')
    house = await house.reopen()
    expect(house.identity.keys.show(id).state).toBe('disabled')
  })

  it('stops the key even when the store does not take it, and says that this will not last', async () => {
    const { id, text } = await make()
    await house.store.db.schema.alterTable('keys').renameTo('keys_away').execute()
    await expect(house.identity.keys.disable(id)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      detail: expect.stringContaining('active again after a restart'),
    })
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED disabled')
    expect(await rejected(() => house.identity.keys.enable(id))).toBe('STORE_UNAVAILABLE')
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED disabled')
    await house.store.db.schema.alterTable('keys_away').renameTo('keys').execute()
  })
})

describe('validating', () => {
  it('judges a whole key as it would be judged at the door, and an id by its state', async () => {
    const { id, text } = await make()
    const { keys } = house.identity
    const verdict = async (what: string) => {
      const { valid, reason, key } = await keys.validate(what)
      return [valid, reason, key?.id ?? null]
    }
    expect(await verdict(`  ${text}\n`)).toEqual([true, null, id])
    expect(await verdict(id)).toEqual([true, null, id])
    const last = text.endsWith('0') ? '1' : '0'
    expect(await verdict(text.slice(0, 54) + last)).toEqual([false, 'bad_crc', null])
    expect(await verdict('pcl_short')).toEqual([false, 'malformed', null])
    expect(await verdict('e5c4b8c2-1111-4222-8333-444455556666')).toEqual([false, 'unknown_key', null])
    await keys.disable(id)
    expect(await verdict(text)).toEqual([false, 'disabled', id])
    expect(await verdict(id.slice(0, 8))).toEqual([false, 'disabled', id])
    expect(keys.show(id).lastUsedMs).toBeNull()
  })

  it('says wrong_secret, and counts nothing against anybody', async () => {
    const { id } = await make()
    const { mintKey } = await import('./format.ts')
    for (let n = 0; n < 3; n += 1) expect((await house.identity.keys.validate(mintKey(id))).reason).toBe('wrong_secret')
    expect(house.identity.stats().throttledAddresses).toBe(0)
  })
})
