import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CatalogHouse, openCatalogHouse } from '../../../test/support/catalog-house.ts'
import { type CreateEndpointInput, createEndpointInput } from '../../contract/index.ts'
import { NO_LIMITS } from '../../kernel/index.ts'

let house: CatalogHouse
beforeEach(async () => {
  house = await openCatalogHouse()
})
afterEach(() => house.close())

const endpoints = () => house.catalog.manage.endpoints
const inMemory = (name: string) => house.catalog.endpoints().find((endpoint) => endpoint.name === name)
const KEY = 'sk-canary-0123456789abcdef'
const cloud = (over: Partial<CreateEndpointInput> = {}) =>
  house.endpoint({ name: 'cloud', url: 'https://api.example.com/v1', key: KEY, ...over })
const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && 'code' in thrown && 'detail' in thrown ? `${thrown.code}: ${thrown.detail}` : String(thrown)
const refusal = (work: () => unknown): Promise<string> =>
  Promise.resolve()
    .then(work)
    .then(() => 'nothing', codeOf)

describe('an endpoint', () => {
  it.each([
    ['openai', 'https://api.example.com/v1', 'https://api.example.com', '/v1'],
    ['openai', 'https://api.example.com/v1/', 'https://api.example.com', '/v1'],
    ['openai', 'https://api.example.com/openai/v1', 'https://api.example.com/openai', '/v1'],
    ['openai', 'http://10.0.0.1:8000', 'http://10.0.0.1:8000', '/v1'],
    ['openai', 'https://api.example.com/v1beta/openai/', 'https://api.example.com/v1beta/openai', ''],
    ['anthropic', 'https://api.example.com', 'https://api.example.com', '/v1'],
    ['anthropic', 'https://api.example.com/proxy/v1', 'https://api.example.com/proxy', '/v1'],
    ['ollama', 'http://10.0.0.1:11434', 'http://10.0.0.1:11434', '/v1'],
    ['ollama', 'http://10.0.0.1/ollama', 'http://10.0.0.1/ollama', '/v1'],
    ['a1111', 'http://10.0.0.1:7860/', 'http://10.0.0.1:7860', ''],
  ] as const)('%s at %s is %s and %s', async (dialect, url, base, apiRoot) => {
    await house.endpoint({ name: 'one', dialect, url })
    expect(inMemory('one')).toMatchObject({ url: base, apiRoot })
    expect(endpoints().show('one').url).toBe(url)
  })

  it.each([
    ['openai', KEY, 'authorization', `Bearer ${KEY}`],
    ['ollama', KEY, 'authorization', `Bearer ${KEY}`],
    ['anthropic', KEY, 'x-api-key', KEY],
    ['a1111', 'user:pässword', 'authorization', `Basic ${Buffer.from('user:pässword').toString('base64')}`],
    ['a1111', KEY, 'authorization', `Bearer ${KEY}`],
    ['whispercpp', KEY, 'authorization', `Bearer ${KEY}`],
  ] as const)('of %s sends its key as that language wants it', async (dialect, key, header, value) => {
    await cloud({ dialect, key })
    const { auth } = inMemory('cloud') ?? {}
    expect([auth?.header, auth?.value.reveal()]).toEqual([header, value])
    expect(JSON.stringify(inMemory('cloud'))).not.toContain(key)
  })

  it('has limits of its own and may be open to what is elsewhere, over a restart', async () => {
    const said = { tokens_per_minute: 5_000, budget_day: '2.50', budget_month: '40', rpm: 60, concurrency: 2, remote: 'allow' }
    await endpoints().create(createEndpointInput.parse({ name: 'cloud', url: 'https://api.example.com/v1', ...said }))
    house = await house.reopen()
    const limits = { tokensPerMinute: 5_000, budgetDayMicro: 2_500_000, budgetMonthMicro: 40_000_000 }
    expect(endpoints().show('cloud')).toMatchObject({ ...limits, rpm: 60, remote: 'allow', concurrency: 2 })
    expect(inMemory('cloud')).toMatchObject({
      remote: 'allow',
      concurrency: 2,
      limits: { ...limits, concurrency: 0, rates: [{ count: 60, perMs: 60_000 }] },
    })
    await endpoints().edit('cloud', { remote: 'refuse', rpm: null, tokens_per_minute: null, budget_day: null, budget_month: null })
    expect(inMemory('cloud')).toMatchObject({ remote: 'refuse', limits: NO_LIMITS })
    for (const name of ['chat', 'tts', 'image', 'whisper']) expect(inMemory(`builtin:${name}`)).toMatchObject({ remote: 'refuse' })
  })

  it('refuses what is elsewhere unless people say otherwise', async () => {
    await cloud()
    expect(inMemory('cloud')?.remote).toBe('refuse')
  })

  it('keeps its key sealed in the store, over a restart, and shows of it that there is one', async () => {
    await cloud()
    expect(endpoints().show('cloud')).toMatchObject({ hasKey: true, note: '' })
    expect(JSON.stringify([endpoints().list({ all: true }), house.log])).not.toContain(KEY)
    house = await house.reopen()
    expect(inMemory('cloud')?.auth?.value.reveal()).toBe(`Bearer ${KEY}`)
    for (const file of ['portcullis.db', 'portcullis.db-wal']) expect(readFileSync(join(house.dir, file)).includes(KEY)).toBe(false)
    await endpoints().edit('cloud', { key: null })
    expect([endpoints().show('cloud').hasKey, inMemory('cloud')?.auth]).toEqual([false, null])
  })

  it('does not take its key to another host, whoever edits it or writes the store', async () => {
    await cloud()
    expect(await refusal(() => endpoints().edit('cloud', { url: 'https://thief.example.net/v1' }))).toMatch(
      /^BODY_INVALID: The key was given for https:\/\/api.example.com/,
    )
    await endpoints().edit('cloud', { url: 'https://api.example.com/other/v1' })
    expect(inMemory('cloud')?.auth?.value.reveal()).toBe(`Bearer ${KEY}`)
    await house.store.db.updateTable('endpoints').set({ url: 'https://thief.example.net/v1' }).execute()
    house = await house.reopen()
    expect(inMemory('cloud')).toMatchObject({ auth: null, active: false })
    await endpoints().edit('cloud', { url: 'https://new.example.com/v1', key: 'sk-new' })
    expect(inMemory('cloud')).toMatchObject({ active: true, url: 'https://new.example.com' })
  })

  it('whose key file was exchanged stays, serves nothing, and says what mends it', async () => {
    await cloud()
    await house.model({ name: 'fast', at: ['cloud', 'builtin:chat'] })
    rmSync(house.keyFile)
    house = await house.reopen()
    expect(endpoints().show('cloud')).toMatchObject({ active: true, hasKey: true, note: expect.stringContaining('restore endpoints.key') })
    expect(house.catalog.find('fast')?.places.map(({ endpoint }) => endpoint.name)).toEqual(['builtin:chat'])
    expect(house.log.join()).toContain(house.keyFile)
    expect(house.log.join()).not.toContain(KEY)
    await endpoints().edit('cloud', { priority: 3 })
    expect(inMemory('cloud')?.active).toBe(false)
    await endpoints().edit('cloud', { key: KEY })
    expect(house.catalog.find('fast')?.places).toHaveLength(2)
  })

  it('says what it can be asked: what its language can, or what it was told to', async () => {
    await cloud()
    expect(endpoints().show('cloud').speaks).toContain('responses')
    await endpoints().edit('cloud', { speaks: ['embeddings', 'chat'] })
    expect([...(inMemory('cloud')?.speaks ?? [])]).toEqual(['chat', 'embeddings'])
    house = await house.reopen()
    expect(endpoints().show('cloud').speaks).toEqual(['chat', 'embeddings'])
    expect((await endpoints().edit('cloud', { dialect: 'anthropic' })).speaks).toEqual(['messages'])
    expect((await endpoints().edit('cloud', { dialect: 'openai', speaks: ['messages'] })).speaks).toEqual(['messages'])
    expect((await endpoints().edit('cloud', { speaks: null })).speaks).toContain('chat')
  })

  it('has its limits, and gives them back', async () => {
    await cloud({ rpm: 60, per_day: 1_000, concurrency: 4, priority: 2, abort: 'drain' })
    expect(inMemory('cloud')).toMatchObject({
      limits: {
        rates: [
          { count: 60, perMs: 60_000 },
          { count: 1_000, perMs: 86_400_000 },
        ],
        concurrency: 0,
      },
      concurrency: 4,
      priority: 2,
      abort: 'drain',
    })
    expect(await endpoints().edit('cloud', { rpm: null })).toMatchObject({ rpm: null, perDay: 1_000 })
    expect(inMemory('cloud')?.limits.rates).toEqual([{ count: 1_000, perMs: 86_400_000 }])
  })

  it('is the same object after a change of another, so that what is kept of it stays', async () => {
    await cloud()
    await house.endpoint({ name: 'gpu' })
    const before = inMemory('gpu')
    await endpoints().edit('cloud', { priority: 1 })
    expect(inMemory('gpu')).toBe(before)
  })

  it('is named by its name or its id; a name is free again when it is deleted', async () => {
    await cloud()
    const { id } = endpoints().show('cloud')
    expect(endpoints().show(id).name).toBe('cloud')
    expect(await refusal(() => cloud())).toBe('CONFLICT: There is an endpoint "cloud" already')
    expect(await endpoints().delete(id)).toMatchObject({ name: 'cloud', active: false, hasKey: false })
    expect(await refusal(() => endpoints().show('cloud'))).toBe('NOT_FOUND: There is no endpoint "cloud"')
    await cloud()
    const rows = await house.store.db.selectFrom('endpoints').select(['id', 'deleted_ms', 'sealed_key']).execute()
    expect(rows.find((row) => row.id === id)).toMatchObject({ deleted_ms: expect.any(Number), sealed_key: null })
    expect(rows).toHaveLength(2)
  })

  it('is listed page by page, by name, with the services of the gate', async () => {
    for (const name of ['c', 'a', 'b']) await house.endpoint({ name })
    await endpoints().edit('b', { active: false })
    const { items, next } = endpoints().list({ limit: 3 })
    expect([items.map(({ name }) => name), next]).toEqual([['a', 'builtin:chat', 'builtin:image'], 'builtin:image'])
    expect(endpoints().list({ after: 'builtin:image' })).toMatchObject({
      items: [{ name: 'builtin:tts' }, { name: 'builtin:whisper' }, { name: 'c' }],
      next: null,
    })
    expect(endpoints().list({ all: true }).items).toHaveLength(7)
    expect(endpoints().show('builtin:chat')).toMatchObject({ builtin: true, createdMs: null, active: true, hasKey: false })
  })

  it.each([
    [
      'a service of the gate',
      () => endpoints().edit('builtin:chat', { priority: 1 }),
      /^CONFLICT: builtin:chat is a service of the gate: .* services\.chat in portcullis\.yaml.* other limits belong on its models/,
    ],
    ['a service of the gate, to be deleted', () => endpoints().delete('builtin:chat'), /^CONFLICT: /],
    ['one that is not there', () => endpoints().edit('clod', {}), /^NOT_FOUND: There is no endpoint "clod"; did you mean cloud\?$/],
    [
      'one with a terminal’s commands for a name',
      () => endpoints().show('\u001b[2J'),
      /^NOT_FOUND: There is no endpoint of this name or id$/,
    ],
    [
      'what nobody speaks',
      () => endpoints().edit('cloud', { speaks: ['chatt'] }),
      /^BODY_INVALID: "speaks" takes chat, .*did you mean chat\?/,
    ],
    [
      'what its language cannot say',
      () => endpoints().edit('cloud', { dialect: 'speak', speaks: ['chat'] }),
      /^BODY_INVALID: The dialect speak speaks speech and no chat/,
    ],
    ['a key with a line break', () => endpoints().edit('cloud', { key: 'sk-one\r\nx-other: 1' }), /^BODY_INVALID: (?!.*sk-one)/],
    [
      'a rate that no memory holds',
      () => endpoints().edit('cloud', { per_day: 1_000_000_000 }),
      /^BODY_INVALID: "per_day" counts at most 1000000/,
    ],
    ['a name that is taken', () => endpoints().edit('cloud', { name: 'gpu' }), /^CONFLICT: /],
  ])('is not changed: %s', async (_what, work, said) => {
    await cloud()
    await house.endpoint({ name: 'gpu' })
    const before = JSON.stringify(endpoints().list({ all: true }))
    expect(await refusal(work)).toMatch(said)
    expect(JSON.stringify(endpoints().list({ all: true }))).toBe(before)
  })

  it('that cannot be read is left out, and the others are there', async () => {
    await cloud()
    await house.endpoint({ name: 'gpu' })
    await house.endpoint({ name: 'other' })
    const damage = (name: string, row: object) => house.store.db.updateTable('endpoints').set(row).where('name', '=', name).execute()
    await damage('gpu', { dialect: 'klingon' })
    await damage('other', { url: 'nowhere' })
    house = await house.reopen()
    expect([inMemory('gpu'), inMemory('other'), inMemory('cloud')?.active]).toEqual([undefined, undefined, true])
    expect(house.log.join()).toContain('klingon')
  })

  it('that the store does not take is not in memory either', async () => {
    await house.store.db.schema.alterTable('endpoints').renameTo('away').execute()
    expect(await refusal(() => cloud())).toMatch(/^STORE_UNAVAILABLE/)
    expect(inMemory('cloud')).toBeUndefined()
    await house.store.db.schema.alterTable('away').renameTo('endpoints').execute()
    await cloud()
  })
})
