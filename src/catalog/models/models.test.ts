import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CatalogHouse, openCatalogHouse, placesOf } from '../../../test/support/catalog-house.ts'
import { createModelInput, editModelInput } from '../../contract/index.ts'
import { BILLING_UNITS, NO_LIMITS } from '../../kernel/index.ts'

let house: CatalogHouse
beforeEach(async () => {
  house = await openCatalogHouse()
  await house.endpoint({ name: 'gpu', dialect: 'ollama' })
  await house.endpoint({ name: 'other', dialect: 'anthropic' })
})
afterEach(() => house.close())

const models = () => house.catalog.manage.models
const edit = (name: string, input: object) => models().edit(name, editModelInput.parse(input))
const said = (thrown: unknown): string =>
  thrown instanceof Error && 'code' in thrown && 'detail' in thrown ? `${thrown.code}: ${thrown.detail}` : String(thrown)
const refusal = (work: () => unknown): Promise<string> =>
  Promise.resolve()
    .then(work)
    .then(() => 'nothing', said)

describe('a model', () => {
  it('is made, shown as it was made, and edited field by field', async () => {
    await house.model({
      name: 'org/fast:1',
      at: ['gpu=llama3.2:3b', 'builtin:chat'],
      price_in: '0.15',
      rpm: 60,
      fallback: 'small',
      options: { num_ctx: 8192 },
    })
    expect(models().show('org/fast:1')).toMatchObject({
      capability: 'text',
      price: { unit: 'token', inMicro: 150_000, outMicro: 0 },
      rpm: 60,
      perDay: null,
      places: [
        { endpoint: 'gpu', upstream: 'llama3.2:3b' },
        { endpoint: 'builtin:chat', upstream: 'org/fast:1' },
      ],
      options: { num_ctx: 8192 },
      active: true,
      discovered: false,
    })
    await edit('org/fast:1', { price_out: '0.60', rpm: null, per_day: 10, fallback: null, options: {} })
    expect(await edit('org/fast:1', { endpoints: placesOf(['gpu']) })).toMatchObject({
      price: { unit: 'token', inMicro: 150_000, outMicro: 600_000 },
      rpm: null,
      perDay: 10,
      fallback: null,
      options: {},
      places: [{ endpoint: 'gpu', upstream: 'org/fast:1' }],
    })
    expect(await models().delete('org/fast:1')).toMatchObject({ active: false })
    expect(await refusal(() => models().show('org/fast:1'))).toBe('NOT_FOUND: There is no model "org/fast:1"')
    await house.model({ name: 'org/fast:1', at: ['gpu'] })
  })

  it.each([
    ['text', 'builtin:chat', 'token', 'voice'],
    ['embedding', 'builtin:chat', 'token', 'voice'],
    ['image', 'builtin:image', 'image', null],
    ['speech', 'builtin:tts', 'character', null],
    ['transcription', 'builtin:whisper', 'minute', null],
  ] as const)('of %s at %s is billed by the %s unless people say otherwise', async (capability, at, unit, upstream) => {
    await house.model({ name: 'voice', capability, at: [at] })
    expect(models().show('voice')).toMatchObject({ price: { unit, inMicro: 0, outMicro: 0 }, places: [{ upstream }] })
    expect((await edit('voice', { unit: 'request', price_in: '0.01' })).price).toEqual({ unit: 'request', inMicro: 10_000, outMicro: 0 })
  })

  it('has limits of its own, over a restart, each of which is taken away by itself', async () => {
    const said = { rpm: 60, per_day: 900, tokens_per_minute: 5_000, budget_day: '2.50', budget_month: '40', concurrency: 3 }
    await models().create(createModelInput.parse({ name: 'fast', endpoints: placesOf(['gpu']), ...said }))
    const limits = { tokensPerMinute: 5_000, budgetDayMicro: 2_500_000, budgetMonthMicro: 40_000_000, concurrency: 3 }
    house = await house.reopen()
    expect(models().show('fast')).toMatchObject({ ...limits, rpm: 60, perDay: 900 })
    expect(house.catalog.find('fast')?.limits).toEqual({
      ...limits,
      rates: [
        { count: 60, perMs: 60_000 },
        { count: 900, perMs: 86_400_000 },
      ],
    })
    expect(await edit('fast', { budget_day: null })).toMatchObject({ ...limits, budgetDayMicro: null })
    await edit('fast', { rpm: null, per_day: null, tokens_per_minute: null, budget_month: null, concurrency: 0 })
    expect(house.catalog.find('fast')?.limits).toBe(NO_LIMITS)
  })

  it('stays where it is when the service of the gate it is at is switched off', async () => {
    await house.model({ name: 'voice', capability: 'speech', at: ['builtin:tts'] })
    house.configure({ TTS_ENABLED: 'false' })
    expect(await edit('voice', { rpm: 5 })).toMatchObject({ places: [{ endpoint: 'builtin:tts' }] })
    expect(await refusal(() => edit('voice', { endpoints: placesOf(['builtin:tts']) }))).toMatch(
      /^BODY_INVALID: There is no endpoint "builtin:tts" among the services of the gate that are enabled/,
    )
  })

  it('that appeared by itself is made one’s own by adding it', async () => {
    house.catalog.setListed('builtin:chat', [{ name: 'llama3.2:latest', upstream: 'llama3.2:latest', capability: 'text' }])
    expect(models().show('llama3.2')).toMatchObject({ name: 'llama3.2:latest', discovered: true, places: [{ endpoint: 'builtin:chat' }] })
    const fault = await refusal(() => edit('llama3.2:latest', { price_in: '1' }))
    expect(fault).toBe(
      'CONFLICT: llama3.2:latest appeared by itself, at builtin:chat=llama3.2:latest; add a model of that name, and that one is yours to edit',
    )
    await house.model({ name: 'llama3.2:latest', at: ['builtin:chat'], price_in: '1' })
    expect(models().show('llama3.2:latest')).toMatchObject({ discovered: false, price: { inMicro: 1_000_000 } })
    expect(models().list().items).toHaveLength(1)
  })

  it.each([
    ['an endpoint that is not there', { at: ['gpuu'] }, /^BODY_INVALID: There is no endpoint "gpuu"; did you mean gpu\?$/],
    [
      'a service that is none',
      { at: ['builtin:chatt'] },
      /^BODY_INVALID: There is no endpoint "builtin:chatt" among .*did you mean builtin:chat\?$/,
    ],
    ['an endpoint twice', { at: ['gpu=a', 'gpu=b'] }, /^BODY_INVALID: "endpoints" names gpu twice/],
    ['itself to fall back to', { fallback: 'new' }, /^BODY_INVALID: "fallback" names the model itself/],
    ['an endpoint that cannot say it', { capability: 'image', at: ['gpu'] }, /^BODY_INVALID: gpu speaks chat, .* capability image/],
    [
      'a unit that nobody counts',
      { unit: 'minute', price_in: '1' },
      /^BODY_INVALID: A model with the capability text is billed by the token or the request/,
    ],
    [
      'a price on the wrong side',
      { capability: 'image', at: ['builtin:image'], price_in: '1' },
      /^BODY_INVALID: A price by image is a "price_out"/,
    ],
    ['a rate that no memory holds', { rpm: 1_000_000_000 }, /^BODY_INVALID: "rpm" counts at most/],
    ['a name that is taken', { name: 'old' }, /^CONFLICT: There is a model "old" already/],
  ] as const)('is not made with %s', async (_what, wish, fault) => {
    await house.model({ name: 'old', at: ['gpu'] })
    const { at = ['gpu'], ...rest } = { at: undefined, ...wish }
    expect(await refusal(() => house.model({ name: 'new', ...rest, at }))).toMatch(fault)
    expect(
      models()
        .list({ all: true })
        .items.map(({ name }) => name),
    ).toEqual(['old'])
  })

  it.each(['text', 'embedding', 'image', 'speech', 'transcription'] as const)(
    'of %s has a price in two units, and in no unit that its backends do not tell',
    async (capability) => {
      const at = { text: 'chat', embedding: 'chat', image: 'image', speech: 'tts', transcription: 'whisper' }[capability]
      const counted = { text: 'token', embedding: 'token', image: 'image', speech: 'character', transcription: 'minute' }[capability]
      await house.model({ name: 'one', capability, at: [`builtin:${at}`] })
      for (const unit of BILLING_UNITS) {
        const side = unit === 'image' ? 'price_out' : 'price_in'
        const said = await refusal(() => edit('one', { unit, price_in: '0', price_out: '0', [side]: '1' }))
        if (unit === counted || unit === 'request') expect(said).toBe('nothing')
        else expect(said).toMatch(new RegExp(`^BODY_INVALID: A model .* is billed by the ${counted} or the request; .* each ${unit} `))
      }
    },
  )

  it.each([
    ...['model', 'stream', 'stream_options', 'n', 'best_of', 'messages', 'prompt', 'input', 'instructions', 'system', 'tools'],
    ...['tool_choice', 'file', 'image', 'mask', 'MODEL', 'ſtream'],
  ])('has no default for what the caller asks: %s', async (name) => {
    const fault = /^BODY_INVALID: "options" cannot set (?!num_ctx)\w+: .* the caller's to say/
    const options = { num_ctx: 8192, [name]: true }
    expect(await refusal(() => house.model({ name: 'one', at: ['gpu'], options }))).toMatch(fault)
    await house.model({ name: 'one', at: ['gpu'], options: { num_ctx: 1 } })
    expect(await refusal(() => edit('one', { options }))).toMatch(fault)
    expect(models().show('one').options).toEqual({ num_ctx: 1 })
  })

  it('is not changed into what could not be made', async () => {
    await house.model({ name: 'fast', at: ['gpu'], price_in: '1' })
    expect(await refusal(() => edit('fast', { capability: 'speech' }))).toMatch(/^BODY_INVALID: gpu speaks/)
    expect(await refusal(() => edit('fast', { name: 'fast', fallback: 'fast' }))).toMatch(/^BODY_INVALID/)
    expect(await refusal(() => edit('fsat', { rpm: 1 }))).toBe('NOT_FOUND: There is no model "fsat"; did you mean fast?')
    expect(models().show('fast')).toMatchObject({ capability: 'text', fallback: null })
  })

  it('that the store does not take is not in memory either, and another name is not given away', async () => {
    await house.model({ name: 'fast', at: ['gpu'] })
    await house.store.db.schema.alterTable('models').renameTo('away').execute()
    expect(await refusal(() => edit('fast', { name: 'faster' }))).toMatch(/^STORE_UNAVAILABLE/)
    expect([house.catalog.find('fast')?.name, house.catalog.find('faster')]).toEqual(['fast', undefined])
    await house.store.db.schema.alterTable('away').renameTo('models').execute()
    await edit('fast', { name: 'faster' })
  })

  it('that cannot be read is left out, and the others are there', async () => {
    await house.model({ name: 'one', at: ['gpu'] })
    await house.model({ name: 'two', at: ['gpu'] })
    await house.store.db.updateTable('models').set({ options: '[' }).where('name', '=', 'one').execute()
    house = await house.reopen()
    expect(house.catalog.list().map(({ name }) => name)).toEqual(['two'])
    expect(house.log.join()).toContain('cannot be read')
  })

  it('is listed page by page, by name', async () => {
    for (const name of ['c', 'a', 'b', 'd']) await house.model({ name, at: ['gpu'] })
    await edit('b', { active: false })
    expect(models().list({ limit: 2 })).toMatchObject({ items: [{ name: 'a' }, { name: 'c' }], next: 'c' })
    expect(models().list({ limit: 2, after: 'c' })).toMatchObject({ items: [{ name: 'd' }], next: null })
    expect(
      models()
        .list({ all: true })
        .items.map(({ active }) => active),
    ).toEqual([true, false, true, true])
  })
})
