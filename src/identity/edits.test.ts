import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../test/support/clock.ts'
import { type KeyHouse, newKey, openKeyHouse, present } from '../../test/support/key-house.ts'
import { GatewayError, type KeyPrincipal } from '../kernel/index.ts'

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
const principalOf = async (text: string, address = '192.0.2.1'): Promise<KeyPrincipal> => house.identity.authenticate(text, address)

describe('editing a key', () => {
  it('is seen by the next request, costs no argon2, and holds over a restart', async () => {
    const { id, text } = await make({ rights: ['chat'], rate: '60/m', description: 'laptop', models: ['gpt-4'] })
    const before = await principalOf(text)
    const { done } = house.hasher.stats()
    await house.identity.keys.edit(id, {
      rights: ['tts', 'use:rerank'],
      concurrency: 3,
      tokens_per_minute: 1_000,
      budget_day: 5_000_000,
      models: ['llama*'],
      log_content: true,
    })
    const wanted = {
      limits: {
        rates: [{ count: 60, perMs: 60_000 }],
        concurrency: 3,
        tokensPerMinute: 1_000,
        budgetDayMicro: 5_000_000,
        budgetMonthMicro: null,
      },
      models: ['llama*'],
      logContent: true,
    }
    const now = house.identity.authenticate(text, '192.0.2.1')
    expect(now).toMatchObject(wanted)
    expect([...(await principalOf(text)).rights]).toEqual(['speech', 'use:rerank'])
    expect(house.identity.authenticate(text, '192.0.2.1')).toBe(now)
    expect(before).toMatchObject({ models: ['gpt-4'], logContent: false, limits: { concurrency: 100 } })
    expect(house.hasher.stats().done).toBe(done)
    const shown = house.identity.keys.show(id)
    house = await house.reopen()
    expect(house.identity.keys.show(id)).toEqual({ ...shown, lastUsedMs: clock.nowMs() })
    expect(await principalOf(text)).toMatchObject(wanted)
  })

  it('changes what was said and nothing else, and takes away with null', async () => {
    const said = {
      rate: '60/m',
      tokens_per_minute: 7,
      budget_day: 1,
      budget_month: 2,
      models: ['a'],
      networks: ['10.0.0.0/8'],
      log_content: true,
    }
    const { id } = await make({ ...said, expiresMs: clock.nowMs() + 1_000, description: 'x' })
    const before = house.identity.keys.show(id)
    expect(await house.identity.keys.edit(id, {})).toEqual(before)
    expect(await house.identity.keys.edit(id, { description: '' })).toEqual({ ...before, description: '' })
    const bare = await house.identity.keys.edit(id, {
      rate: null,
      concurrency: 0,
      tokens_per_minute: null,
      budget_day: null,
      budget_month: null,
      models: null,
      networks: null,
      log_content: false,
      expires_at: null,
    })
    const nothing = { rate: null, concurrency: 0, tokensPerMinute: null, budgetDayMicro: null, budgetMonthMicro: null }
    expect(bare).toEqual({ ...before, description: '', ...nothing, models: null, networks: null, logContent: false, expiresMs: null })
    house = await house.reopen()
    expect(house.identity.keys.show(id)).toEqual(bare)
  })

  it('moves an expiry, also that of a key that has expired', async () => {
    const { id, text } = await make({ expiresMs: clock.nowMs() + 1_000 })
    clock.advance(2_000)
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED expired')
    await house.identity.keys.edit(id, { expires_at: new Date(clock.nowMs() + 1_000).toISOString() })
    expect(await present(house.identity, text)).toBe(`in ${id}`)
    clock.advance(1_000)
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED expired')
  })

  it('of two at the same time loses neither', async () => {
    const { id } = await make()
    const { keys } = house.identity
    await Promise.all([
      keys.edit(id, { rate: '1/s' }),
      keys.edit(id, { description: 'two' }),
      keys.rotate(id, { graceMs: 1_000 }),
      keys.edit(id, { models: ['m'] }),
    ])
    const after = keys.show(id)
    expect(after).toMatchObject({ rate: '1/s', description: 'two', models: ['m'], oldSecretUntilMs: clock.nowMs() + 1_000 })
    house = await house.reopen()
    expect(house.identity.keys.show(id)).toEqual(after)
  })

  it('holds for the old secret of a rotation as well', async () => {
    const { id, text } = await make()
    const { apiKey } = await house.identity.keys.rotate(id, { graceMs: 1_000 })
    await principalOf(text)
    await house.identity.keys.edit(id, { models: ['m'] })
    expect(await principalOf(text)).toMatchObject({ models: ['m'], oldSecret: true })
    expect(await principalOf(apiKey.reveal())).toMatchObject({ models: ['m'], oldSecret: false })
  })

  it('that the store does not take changes nothing', async () => {
    const { id, text } = await make()
    const before = house.identity.keys.show(id)
    await house.store.db.schema.alterTable('keys').renameTo('keys_away').execute()
    await expect(house.identity.keys.edit(id, { rights: ['tts'] })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await house.store.db.schema.alterTable('keys_away').renameTo('keys').execute()
    expect(house.identity.keys.show(id)).toEqual(before)
    expect([...(await principalOf(text)).rights]).toEqual(['text', 'embedding'])
  })

  it('does not let a disabled key in', async () => {
    const { id, text } = await make()
    await house.identity.keys.disable(id)
    expect((await house.identity.keys.edit(id, { description: 'x' })).state).toBe('disabled')
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED disabled')
  })

  it('keeps keys apart whose terms were alike', async () => {
    const [one, two] = [await make(), await make()]
    expect((await principalOf(one.text)).limits).toBe((await principalOf(two.text)).limits)
    await house.identity.keys.edit(one.id, { concurrency: 1 })
    expect((await principalOf(one.text)).limits.concurrency).toBe(1)
    expect((await principalOf(two.text)).limits.concurrency).toBe(100)
  })
})

describe('the networks of a key', () => {
  it('let it in from there and from nowhere else, with the words of any other bad key', async () => {
    const { id, text } = await make({ networks: ['198.51.100.0/24', '2001:db8::/32', '203.0.113.7'] })
    for (const address of ['198.51.100.9', '2001:db8:1::1', '203.0.113.7'])
      expect(await present(house.identity, text, address)).toBe(`in ${id}`)
    for (const address of ['198.51.101.9', '2001:db9::1', '203.0.113.8', 'unknown', 'local']) {
      expect(await present(house.identity, text, address)).toBe('UNAUTHORIZED wrong_network')
    }
    const words = ['hello', text].map((credential) => {
      try {
        void house.identity.authenticate(credential, '192.0.2.1')
      } catch (thrown) {
        if (thrown instanceof GatewayError) return JSON.stringify([thrown.status, thrown.code, thrown.detail, thrown.headers])
      }
      throw new Error('it was let in')
    })
    expect(new Set(words).size).toBe(1)
  })

  it('may be called private, and are asked only of a good secret', async () => {
    const { id, text } = await make({ networks: ['private'] })
    house = await house.reopen()
    expect(await present(house.identity, text, '192.0.2.1')).toBe('UNAUTHORIZED wrong_network')
    expect(await present(house.identity, text, '10.1.2.3')).toBe(`in ${id}`)
    const { mintKey } = await import('./format.ts')
    expect(await present(house.identity, mintKey(id), '192.0.2.1')).toBe('UNAUTHORIZED wrong_secret')
    expect(house.identity.stats().throttledAddresses).toBe(1)
  })

  it('that cannot be read make the key unknown rather than open', async () => {
    const { id, text } = await make()
    for (const networks of ['["10.0.0.0/8","elsewhere"]', '{}', 'null', '10.0.0.0/8']) {
      await house.store.db.updateTable('keys').set({ networks }).where('id', '=', id).execute()
      house = await house.reopen()
      expect(await present(house.identity, text, '10.1.2.3')).toBe('UNAUTHORIZED unknown_key')
    }
  })
})
