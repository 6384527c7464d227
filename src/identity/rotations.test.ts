import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../test/support/clock.ts'
import { type KeyHouse, newKey, openKeyHouse, present } from '../../test/support/key-house.ts'
import { createHasher } from '../secrets/index.ts'

let clock: ManualClock
let house: KeyHouse
beforeEach(async () => {
  clock = manualClock()
  house = await openKeyHouse({ clock })
})
afterEach(() => house.close())

const HOUR = 3_600_000
const make = async () => {
  const { key, apiKey } = await house.identity.keys.create(newKey({ rate: '60/m' }))
  return { id: key.id, text: apiKey.reveal() }
}

describe('rotating a key', () => {
  it('keeps its id and all that was said of it, and lets both secrets in until the grace is over', async () => {
    const { id, text } = await make()
    const before = house.identity.keys.show(id)
    const { key, apiKey } = await house.identity.keys.rotate(id, { graceMs: HOUR })
    expect(key).toEqual({ ...before, rotatedMs: clock.nowMs(), oldSecretUntilMs: clock.nowMs() + HOUR })
    expect(await present(house.identity, apiKey.reveal())).toBe(`in ${id}`)
    expect(await present(house.identity, text)).toBe(`in ${id} old`)
    house = await house.reopen()
    expect(await present(house.identity, apiKey.reveal())).toBe(`in ${id}`)
    expect(await present(house.identity, text)).toBe(`in ${id} old`)
    clock.advance(HOUR - 1)
    expect(await present(house.identity, text)).toBe(`in ${id} old`)
    clock.advance(1)
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED rotated_out')
    expect(await present(house.identity, apiKey.reveal())).toBe(`in ${id}`)
  })

  it('without grace ends the old secret in the same moment, also after a restart', async () => {
    const { id, text } = await make()
    await house.identity.keys.rotate(id, { graceMs: 0 })
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED rotated_out')
    house = await house.reopen()
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED rotated_out')
  })

  it('twice ends the first secret, whatever its grace was', async () => {
    const { id, text } = await make()
    const second = await house.identity.keys.rotate(id, { graceMs: HOUR })
    const third = await house.identity.keys.rotate(id, { graceMs: HOUR })
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED wrong_secret')
    expect(await present(house.identity, second.apiKey.reveal())).toBe(`in ${id} old`)
    expect(await present(house.identity, third.apiKey.reveal())).toBe(`in ${id}`)
  })

  it('makes a secret that was refused before be asked about again', async () => {
    const { id, text } = await make()
    const { apiKey } = await house.identity.keys.rotate(id, { graceMs: 0 })
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED rotated_out')
    expect(await present(house.identity, apiKey.reveal())).toBe(`in ${id}`)
  })

  it('while argon2 works on the old secret neither refuses it nor takes it for the new one', async () => {
    const { id, text } = await make()
    await house.identity.close()
    await house.store.close()
    const argon = createHasher({ clock })
    let goOn = () => {}
    const gate = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const verify: typeof argon.verify = async (...asked) => {
      await gate
      return argon.verify(...asked)
    }
    house = await openKeyHouse({ clock, dir: house.dir, hasher: { ...argon, verify } })
    const answer = present(house.identity, text)
    await house.identity.keys.rotate(id, { graceMs: HOUR })
    goOn()
    expect(await answer).toBe(`in ${id} old`)
  })

  it('repeated with the same idempotency key gives the same answer, also when both come at once', async () => {
    const { id } = await make()
    const once = { graceMs: HOUR, idempotencyKey: 'deploy 42' }
    const [one, two] = await Promise.all([house.identity.keys.rotate(id, once), house.identity.keys.rotate(id, once)])
    const three = await house.identity.keys.rotate(id, { ...once, graceMs: 0 })
    expect(new Set([one, two, three].map(({ apiKey }) => apiKey.reveal())).size).toBe(1)
    expect(await house.store.db.selectFrom('rotations').selectAll().execute()).toHaveLength(1)
  })

  it('repeated after a restart is a conflict that names the rotation and its times, and no secret', async () => {
    const { id } = await make()
    const once = { graceMs: HOUR, idempotencyKey: 'deploy 42' }
    const { apiKey } = await house.identity.keys.rotate(id, once)
    const rotation = await house.store.db.selectFrom('rotations').selectAll().executeTakeFirstOrThrow()
    house = await house.reopen()
    const thrown = await house.identity.keys.rotate(id, once).catch((error: unknown) => error)
    const at = new Date(clock.nowMs()).toISOString()
    expect(thrown).toMatchObject({ code: 'CONFLICT', detail: expect.stringContaining(rotation.id) })
    expect(thrown).toMatchObject({ detail: expect.stringContaining(at) })
    expect(JSON.stringify(thrown)).not.toContain(apiKey.reveal())
    expect(await present(house.identity, apiKey.reveal())).toBe(`in ${id}`)
  })

  it('with one idempotency key for two keys is two rotations', async () => {
    const [one, two] = [await make(), await make()]
    const once = { graceMs: 0, idempotencyKey: 'x' }
    await house.identity.keys.rotate(one.id, once)
    await house.identity.keys.rotate(two.id, once)
    expect(await house.store.db.selectFrom('rotations').selectAll().execute()).toHaveLength(2)
  })

  it('that the store does not take changes nothing', async () => {
    const { id, text } = await make()
    await house.store.db.schema.alterTable('rotations').renameTo('rotations_away').execute()
    await expect(house.identity.keys.rotate(id, { graceMs: 0 })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await present(house.identity, text)).toBe(`in ${id}`)
  })

  it('does not let in a disabled key', async () => {
    const { id } = await make()
    await house.identity.keys.disable(id)
    const { key, apiKey } = await house.identity.keys.rotate(id, { graceMs: HOUR })
    expect(key.state).toBe('disabled')
    expect(await present(house.identity, apiKey.reveal())).toBe('UNAUTHORIZED disabled')
  })
})
