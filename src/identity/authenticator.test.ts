import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../test/support/clock.ts'
import { type KeyHouse, newKey, openKeyHouse, present } from '../../test/support/key-house.ts'
import { asKeyId, GatewayError, LIMITS } from '../kernel/index.ts'
import { mintKey } from './format.ts'
import { refusedKeyId } from './index.ts'

let clock: ManualClock
let house: KeyHouse
beforeEach(async () => {
  clock = manualClock()
  house = await openKeyHouse({ clock })
})
afterEach(() => house.close())

async function makeKey(over: Parameters<typeof newKey>[0] = {}) {
  const { key, apiKey } = await house.identity.keys.create(newKey(over))
  return { id: key.id, text: apiKey.reveal() }
}
/** As after a restart: nothing is verified yet. */
const restart = async () => {
  house = await house.reopen()
}
const argonRuns = () => house.hasher.stats().done

describe('presenting a key', () => {
  it('is answered at once after the first time, always with the same frozen principal', async () => {
    const { id, text } = await makeKey({ rights: ['chat', 'manage:chat'], rate: '60/m', concurrency: 7 })
    await restart()
    const first = house.identity.authenticate(text, '192.0.2.1')
    expect(first).toBeInstanceOf(Promise)
    const principal = await first
    expect(principal).toMatchObject({ tenant: 'default', kind: 'key', id, user: 'ada', oldSecret: false })
    expect([...principal.rights]).toEqual(['text', 'embedding', 'manage:chat'])
    expect(principal.limits).toMatchObject({ rates: [{ count: 60, perMs: 60_000 }], concurrency: 7 })
    expect(house.identity.authenticate(text, '192.0.2.9')).toBe(principal)
    expect(Object.isFrozen(principal)).toBe(true)
    expect(argonRuns()).toBe(1)
  })

  it('costs one argon2 for all who bring the same secret at the same time', async () => {
    const { text, id } = await makeKey()
    await restart()
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => present(house.identity, text, `192.0.2.${n}`)))
    expect(new Set(answers)).toEqual(new Set([`in ${id}`]))
    expect(argonRuns()).toBe(1)
  })

  it.each([
    ['no key of ours', 'hello', 'malformed', null],
    ['a key with a wrong checksum', `${mintKey(asKeyId('000000000000')).slice(0, 49)}000000`, 'bad_crc', null],
    ['a key that nobody has', mintKey(asKeyId('000000000000')), 'unknown_key', '000000000000'],
    ['a UUID that nobody has', 'e5c4b8c2-1111-4222-8333-444455556666', 'unknown_key', null],
  ])('%s is refused without argon2', async (_what, text, reason, keyId) => {
    await makeKey()
    const before = argonRuns()
    expect(await present(house.identity, text)).toBe(`UNAUTHORIZED ${reason}`)
    const thrown = await Promise.resolve()
      .then(() => house.identity.authenticate(text, '192.0.2.1'))
      .catch((error: unknown) => error)
    expect(refusedKeyId(thrown) ?? null).toBe(keyId)
    expect(argonRuns()).toBe(before)
  })

  it('of any text whatever ends in a refusal of ours, also where there are imported keys', async () => {
    const { text } = await makeKey()
    const content = JSON.stringify({ 'e5c4b8c2-1111-4222-8333-444455556666': { user: 'bob' } })
    await house.identity.keys.importLegacy(content, { rightsFromService: false })
    const noise = fc.oneof(
      fc.string({ maxLength: 300, unit: 'binary' }),
      fc.nat(54).map((n) => text.slice(0, n)),
      fc.nat(200).map((n) => text + 'x'.repeat(n + 1)),
    )
    await fc.assert(
      fc.asyncProperty(noise, fc.nat(), async (credential, n) => {
        expect(await present(house.identity, credential, `host ${n}`)).toMatch(/^UNAUTHORIZED (?:malformed|bad_crc|unknown_key)$/)
      }),
    )
  })

  it('with a wrong secret is refused, by argon2 once and from memory after that', async () => {
    const { id } = await makeKey()
    const forged = mintKey(id)
    const before = argonRuns()
    expect(await present(house.identity, forged)).toBe('UNAUTHORIZED wrong_secret')
    expect(await present(house.identity, forged)).toBe('UNAUTHORIZED wrong_secret')
    expect(argonRuns()).toBe(before + 1)
  })

  it('gets the same public words whatever was wrong', async () => {
    const live = await makeKey()
    const dead = await makeKey()
    await house.identity.keys.disable(dead.id)
    const words = []
    for (const text of ['hello', mintKey(asKeyId('000000000000')), mintKey(live.id), dead.text]) {
      const thrown = await Promise.resolve()
        .then(() => house.identity.authenticate(text, '192.0.2.1'))
        .catch((error: unknown) => error)
      if (!(thrown instanceof GatewayError)) throw new Error('it was let in')
      words.push(JSON.stringify([thrown.status, thrown.code, thrown.detail, thrown.headers]))
    }
    expect(new Set(words).size).toBe(1)
  })

  it('is refused from the moment the key expires, to the millisecond', async () => {
    const { id, text } = await makeKey({ expiresMs: clock.nowMs() + 1_000 })
    clock.advance(999)
    expect(await present(house.identity, text)).toBe(`in ${id}`)
    clock.advance(1)
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED expired')
    await restart()
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED expired')
    expect(await present(house.identity, mintKey(id))).toBe('UNAUTHORIZED wrong_secret')
  })

  it('is refused at once when the key is disabled, and let in at once when it is enabled', async () => {
    const { id, text } = await makeKey()
    await house.identity.keys.disable(id)
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED disabled')
    await house.identity.keys.enable(id)
    expect(await present(house.identity, text)).toBe(`in ${id}`)
  })

  it('is refused when the key is disabled while argon2 works', async () => {
    const { id, text } = await makeKey()
    await restart()
    const answer = present(house.identity, text)
    await house.identity.keys.disable(id)
    expect(await answer).toBe('UNAUTHORIZED disabled')
  })

  it('survives a damaged stored hash as a refusal that is logged, never as a crash', async () => {
    const { id, text } = await makeKey()
    await house.store.db.updateTable('keys').set({ secret_phc: '$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA' }).execute()
    await restart()
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED unusable_hash')
    expect(house.log.lines.join()).toContain(id)
  })
})

describe('the throttle in front of argon2', () => {
  const flood = async (address: string, times: number) => {
    for (let n = 0; n < times; n += 1) await present(house.identity, mintKey(asKeyId('000000000000')), address)
  }

  it('stops an address after 20 failures and says when to come back', async () => {
    await flood('192.0.2.66', LIMITS.failedKeysPerMinuteMax - 1)
    expect(await present(house.identity, 'hello', '192.0.2.66')).toBe('UNAUTHORIZED malformed')
    expect(await present(house.identity, 'hello', '192.0.2.66')).toBe('TOO_MANY_FAILURES address_throttled')
    expect(() => house.identity.authenticate('hello', '192.0.2.66')).toThrow(expect.objectContaining({ headers: { 'retry-after': '30' } }))
    clock.advance(30_000)
    expect(await present(house.identity, 'hello', '192.0.2.66')).toBe('UNAUTHORIZED malformed')
  })

  it('never stops a key that was verified, even behind the same proxy, nor anybody at another address', async () => {
    const { id, text } = await makeKey()
    await flood('192.0.2.66', 40)
    expect(await present(house.identity, text, '192.0.2.66')).toBe(`in ${id}`)
    await restart()
    await flood('192.0.2.66', 40)
    expect(await present(house.identity, text, '192.0.2.66')).toBe('TOO_MANY_FAILURES address_throttled')
    expect(await present(house.identity, text, '192.0.2.1')).toBe(`in ${id}`)
    expect(await present(house.identity, text, '192.0.2.66')).toBe(`in ${id}`)
  })

  it('is not forgiven by a good key from the same address', async () => {
    const { text } = await makeKey()
    await flood('192.0.2.66', 19)
    await present(house.identity, text, '192.0.2.66')
    await flood('192.0.2.66', 1)
    expect(await present(house.identity, 'hello', '192.0.2.66')).toBe('TOO_MANY_FAILURES address_throttled')
  })

  it('takes a /64 for one address', async () => {
    for (let n = 0; n < 20; n += 1) await present(house.identity, 'hello', `2001:db8::${n.toString(16)}`)
    expect(await present(house.identity, 'hello', '2001:db8::ffff')).toBe('TOO_MANY_FAILURES address_throttled')
    expect(await present(house.identity, 'hello', '2001:db8:0:1::1')).toBe('UNAUTHORIZED malformed')
  })

  it('never locks a key by its id: its owner signs in while strangers try it from everywhere', async () => {
    const { id, text } = await makeKey()
    await restart()
    const strangers = Array.from({ length: 60 }, (_, n) => present(house.identity, mintKey(id), `198.51.100.${n}`))
    expect(await present(house.identity, text)).toBe(`in ${id}`)
    await Promise.all(strangers)
  })
})

describe('what is remembered', () => {
  it('of last uses is written on flush and read after a restart', async () => {
    const { id, text } = await makeKey()
    expect(house.identity.keys.show(id).lastUsedMs).toBeNull()
    clock.advance(5_000)
    await present(house.identity, text)
    const usedMs = clock.nowMs()
    expect(house.identity.keys.show(id).lastUsedMs).toBe(usedMs)
    await restart()
    expect(house.identity.keys.show(id).lastUsedMs).toBe(usedMs)
  })

  it('of last uses is kept when the store does not take it, and nobody is refused for that', async () => {
    const { id, text } = await makeKey()
    await present(house.identity, text)
    await house.store.db.schema.alterTable('key_use').renameTo('key_use_away').execute()
    await house.identity.flush()
    expect(house.log.lines.join()).toContain('last uses of keys could not be written')
    await house.store.db.schema.alterTable('key_use_away').renameTo('key_use').execute()
    await house.identity.flush()
    expect(await house.store.db.selectFrom('key_use').selectAll().execute()).toEqual([{ key_id: id, last_used_ms: clock.nowMs() }])
  })

  it('of a row that cannot be read is a log line, and the other keys work', async () => {
    const broken = await makeKey()
    const good = await makeKey()
    await house.store.db.updateTable('keys').set({ rights: 'not json' }).where('id', '=', broken.id).execute()
    await restart()
    expect(await present(house.identity, good.text)).toBe(`in ${good.id}`)
    expect(await present(house.identity, broken.text)).toBe('UNAUTHORIZED unknown_key')
    expect(house.log.lines.join()).toContain(broken.id)
  })

  it('holds no key text: not in the store, its side files, or the log', async () => {
    const { id, text } = await makeKey()
    await present(house.identity, text)
    await house.identity.keys.rotate(id, { graceMs: 1_000, idempotencyKey: 'once' })
    await house.identity.flush()
    const { readdirSync, readFileSync } = await import('node:fs')
    const secret = text.slice(17, 49)
    for (const name of readdirSync(house.dir)) expect(readFileSync(`${house.dir}/${name}`, 'latin1').includes(secret)).toBe(false)
    expect(house.log.lines.join()).not.toContain(secret)
  })
})
