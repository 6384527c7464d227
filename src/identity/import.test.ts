import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../test/support/clock.ts'
import { type KeyHouse, newKey, openKeyHouse, present } from '../../test/support/key-house.ts'
import { asKeyId } from '../kernel/index.ts'
import { mintKey } from './format.ts'

let clock: ManualClock
let house: KeyHouse
beforeEach(async () => {
  clock = manualClock()
  house = await openKeyHouse({ clock })
})
afterEach(() => house.close())

const A = 'e5c4b8c2-1111-4222-8333-444455556666'
const B = 'f00dfeed-1111-4222-8333-444455556666'
const entry = (over: object = {}) => ({ user: 'ada', service: 'tts', created_at: '2025-06-04T08:20:54.123456', expires_at: null, ...over })
const source = '/etc/keys.json'
const load = (content: unknown, over: { rightsFromService?: boolean; source?: string } = { source }) =>
  house.identity.keys.importLegacy(typeof content === 'string' ? content : JSON.stringify(content), { rightsFromService: false, ...over })

describe('importing an old key file', () => {
  it('takes the map form, and its keys work as they did', async () => {
    const report = await load({ [A]: entry({ description: 'kitchen', enabled: true }) })
    expect(report).toEqual({
      imported: [{ id: 'legacy_e5c4b8c2', user: 'ada', rights: ['text', 'embedding', 'image', 'speech', 'transcription'] }],
      disabled: [],
      unchanged: 0,
      skipped: [],
    })
    expect(await present(house.identity, A)).toBe('in legacy_e5c4b8c2')
    house = await house.reopen()
    expect(await present(house.identity, A)).toBe('in legacy_e5c4b8c2')
    expect(house.identity.keys.show('legacy_e5c4b8c2')).toMatchObject({
      description: 'kitchen',
      legacy: true,
      createdMs: Date.parse('2025-06-04T08:20:54.123Z'),
      expiresMs: null,
      concurrency: 100,
    })
  })

  it('takes the list form', async () => {
    const report = await load([
      { key: A, ...entry(), last_used: null, disabled: false, expires_at: '2026-11-20 12:00:01' },
      { key: B, ...entry({ user: 'bob' }), disabled: true },
    ])
    expect(report.imported.map(({ id }) => id)).toEqual(['legacy_e5c4b8c2', 'legacy_f00dfeed'])
    expect(await present(house.identity, A)).toBe('in legacy_e5c4b8c2')
    clock.advance(1_000)
    expect(await present(house.identity, A)).toBe('UNAUTHORIZED expired')
    expect(await present(house.identity, B)).toBe('UNAUTHORIZED disabled')
  })

  it('is found again by the eight characters, as before', async () => {
    await load({ [A]: entry() })
    expect((await house.identity.keys.disable('e5c4b8c2')).id).toBe('legacy_e5c4b8c2')
    expect(house.identity.keys.show('e5c4').state).toBe('disabled')
    expect(await house.identity.keys.validate('e5c4b8c2')).toMatchObject({ valid: false, reason: 'disabled' })
    expect(await house.identity.keys.validate(A)).toMatchObject({ valid: false, reason: 'disabled', key: { id: 'legacy_e5c4b8c2' } })
  })

  it('does nothing the second time, and asks argon2 nothing', async () => {
    await load({ [A]: entry() })
    const before = house.hasher.stats().done
    expect(await load({ [A]: entry() })).toEqual({ imported: [], disabled: [], unchanged: 1, skipped: [] })
    expect(house.hasher.stats().done).toBe(before)
  })

  it('disables what is disabled or gone there, and enables nothing', async () => {
    await load({ [A]: entry(), [B]: entry() })
    expect((await load({ [A]: entry({ enabled: false }) })).disabled).toEqual(['legacy_e5c4b8c2', 'legacy_f00dfeed'])
    expect(await load({ [A]: entry(), [B]: entry() })).toMatchObject({ disabled: [], unchanged: 2 })
    expect(await present(house.identity, A)).toBe('UNAUTHORIZED disabled')
  })

  it('disables only what came from the same file', async () => {
    const own = await house.identity.keys.create(newKey())
    await load({ [A]: entry() })
    await load({ [B]: entry() }, { source: '/etc/other.json' })
    await load({}, { source: '/etc/third.json' })
    await load({}, {})
    expect((await house.identity.keys.list()).total).toBe(3)
    await load({}, { source })
    expect(house.identity.keys.show('e5c4b8c2').state).toBe('disabled')
    expect([house.identity.keys.show('f00dfeed').state, house.identity.keys.show(own.key.id).state]).toEqual(['active', 'active'])
  })

  it('takes rights from the service only when asked, and skips what names none', async () => {
    const report = await load(
      { [A]: entry({ service: 'tts, whisper' }), [B]: entry({ service: 'my project' }) },
      { rightsFromService: true },
    )
    expect(report.imported).toEqual([{ id: 'legacy_e5c4b8c2', user: 'ada', rights: ['speech', 'transcription'] }])
    expect(report.skipped).toEqual([{ entry: 'legacy_f00dfeed', why: 'its service "my project" names no right' }])
  })

  it('gives a second key with the same eight characters a number', async () => {
    const twin = `${A.slice(0, 35)}7`
    await load({ [A]: entry(), [twin]: entry() })
    expect([await present(house.identity, A), await present(house.identity, twin)]).toEqual(['in legacy_e5c4b8c2', 'in legacy_e5c4b8c2_2'])
  })

  it('makes names that the old system allowed into ones that ours does', async () => {
    const report = await load({ [A]: entry({ user: ' Ada Lovelace; root ' }), [B]: entry({ user: null }) })
    expect(report.imported.map(({ user }) => user)).toEqual(['Ada_Lovelace_root', 'legacy'])
  })

  it.each([
    ['is too short', { secret: entry() }, 'shorter than 20'],
    ['is of the new format', { [mintKey(asKeyId('000000000000'))]: entry() }, 'new format'],
    ['has an expiry that is no time', { [A]: entry({ expires_at: 'tomorrow' }) }, 'expires_at is no time'],
    ['has fields of a wrong type', { [A]: entry({ user: 7 }) }, 'user'],
    ['is no object', { [A]: 'ada' }, 'cannot be read'],
    ['is missing in a list', [entry()], 'holds no key'],
    [
      'stands twice',
      [
        { key: A, ...entry() },
        { key: A, ...entry() },
      ],
      'twice',
    ],
  ])('skips a key that %s, says why, and does not print it', async (_what, content, why) => {
    const { skipped } = await load(content)
    expect(skipped).toEqual([{ entry: expect.any(String), why: expect.stringContaining(why) }])
    for (const key of [A, ...Object.keys(content)]) if (key.length > 8) expect(JSON.stringify(skipped)).not.toContain(key)
  })

  it.each([
    ['half a file', '{"e5c4b8c2-1111-4222-8333-444455556666": {"user"', 'BODY_NOT_JSON'],
    ['a number', '7', 'BODY_INVALID'],
    ['nothing', '', 'BODY_NOT_JSON'],
  ])('of %s changes nothing and quotes nothing', async (_what, content, code) => {
    await load({ [A]: entry() })
    const thrown = await load(content).catch((error: unknown) => error)
    expect(thrown).toMatchObject({ code, cause: undefined })
    expect(String(thrown)).not.toContain('e5c4b8c2')
    expect((await house.identity.keys.list()).total).toBe(1)
  })

  it('reads a byte order mark, epoch seconds and zoned times', async () => {
    await load(
      `\uFEFF${JSON.stringify({ [A]: entry({ expires_at: 1_893_456_000 }), [B]: entry({ expires_at: '2030-01-01T01:00:00+01:00' }) })}`,
    )
    expect(['e5c4b8c2', 'f00dfeed'].map((id) => house.identity.keys.show(id).expiresMs)).toEqual([1_893_456_000_000, 1_893_456_000_000])
  })

  it('keeps an imported key’s id when it is rotated into the new format', async () => {
    await load({ [A]: entry() })
    const { apiKey } = await house.identity.keys.rotate('e5c4b8c2', { graceMs: 1_000 })
    const text = apiKey.reveal()
    expect(text).toMatch(/^pcl_/)
    expect([await present(house.identity, text), await present(house.identity, A)]).toEqual([
      'in legacy_e5c4b8c2',
      'in legacy_e5c4b8c2 old',
    ])
    house = await house.reopen()
    expect([await present(house.identity, text), await present(house.identity, A)]).toEqual([
      'in legacy_e5c4b8c2',
      'in legacy_e5c4b8c2 old',
    ])
    clock.advance(1_000)
    expect(await present(house.identity, A)).toBe('UNAUTHORIZED rotated_out')
    expect(await load({ [A]: entry() })).toMatchObject({ unchanged: 1, imported: [] })
    expect(house.identity.keys.show(text.slice(4, 16)).id).toBe('legacy_e5c4b8c2')
  })
})
