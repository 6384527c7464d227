import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CatalogHouse, openCatalogHouse } from '../../../test/support/catalog-house.ts'
import { manualClock } from '../../../test/support/clock.ts'
import type { EndpointRef, Listed, Model } from '../index.ts'

const clock = manualClock()
let house: CatalogHouse
beforeEach(async () => {
  house = await openCatalogHouse({ clock })
})
afterEach(() => house.close())

const { stringify } = JSON
const placesIn = (model: Model | undefined) => model?.places.map(({ endpoint, upstream }) => `${endpoint.name}=${upstream}`)
const find = (name: string) => house.catalog.find(name)
const text = (name: string, upstream: string | null = name): Listed => ({ name, upstream, capability: 'text' })
const refOf = (name: string): EndpointRef => {
  const found = house.catalog.endpoints().find((endpoint) => endpoint.name === name)
  if (found === undefined) throw new Error(`there is no endpoint ${name}`)
  return found.ref
}
const edit = (name: string, input: object) => house.catalog.manage.endpoints.edit(name, input)

describe('models in memory', () => {
  it('are found by name with their endpoints, the first to be asked standing first, and so after a restart', async () => {
    await house.endpoint({ name: 'far', priority: 5 })
    await house.endpoint({ name: 'near', priority: 1 })
    await house.endpoint({ name: 'nearer' })
    await house.model({
      name: 'fast',
      at: ['far=a', 'near=b', 'builtin:chat=llama3.2', 'nearer'],
      rpm: 60,
      per_day: 100,
      fallback: 'small',
      options: { num_ctx: 8192 },
      price_in: '0.15',
      price_out: '0.60',
    })
    const check = () => {
      expect(placesIn(find('fast'))).toEqual(['builtin:chat=llama3.2', 'nearer=fast', 'near=b', 'far=a'])
      expect(find('fast')).toMatchObject({
        capability: 'text',
        price: { unit: 'token', inMicro: 150_000, outMicro: 600_000 },
        fallback: 'small',
        options: { num_ctx: 8192 },
        active: true,
        createdMs: clock.nowMs(),
      })
      expect(find('fast')?.limits.rates).toEqual([
        { count: 60, perMs: 60_000 },
        { count: 100, perMs: 86_400_000 },
      ])
    }
    check()
    house = await house.reopen()
    check()
  })

  it('lose an endpoint that is switched off or deleted at once, and whoever holds one keeps it whole', async () => {
    await house.endpoint({ name: 'gpu' })
    await house.model({ name: 'fast', at: ['gpu', 'builtin:chat'] })
    const held = find('fast')
    await edit('gpu', { active: false })
    expect(placesIn(find('fast'))).toEqual(['builtin:chat=fast'])
    expect(placesIn(held)).toEqual(['gpu=fast', 'builtin:chat=fast'])
    await edit('gpu', { active: true })
    expect(placesIn(find('fast'))).toEqual(['gpu=fast', 'builtin:chat=fast'])
    await house.catalog.manage.endpoints.delete('gpu')
    expect(placesIn(find('fast'))).toEqual(['builtin:chat=fast'])
    await house.endpoint({ name: 'gpu' }) // another one of that name
    expect(placesIn(find('fast'))).toEqual(['builtin:chat=fast'])
    house = await house.reopen()
    expect(placesIn(find('fast'))).toEqual(['builtin:chat=fast'])
  })

  it('keep what they refer to when that gets another name', async () => {
    await house.endpoint({ name: 'gpu' })
    await house.model({ name: 'small', at: ['gpu'] })
    await house.model({ name: 'fast', at: ['gpu'], fallback: 'small' })
    await edit('gpu', { name: 'gpu2' })
    await house.catalog.manage.models.edit('small', { name: 'org/smaller' })
    const check = () => {
      expect(placesIn(find('fast'))).toEqual(['gpu2=fast'])
      expect(find('fast')?.fallback).toBe('org/smaller')
      expect(find('small')).toBeUndefined()
      expect(placesIn(find('org/smaller'))).toEqual(['gpu2=small'])
    }
    check()
    house = await house.reopen()
    check()
  })

  it('have the services of the gate as endpoints while those are enabled, as they are configured', async () => {
    await house.model({ name: 'voice', capability: 'speech', at: ['builtin:tts'] })
    expect(find('voice')?.places[0]).toMatchObject({
      upstream: null,
      endpoint: { url: 'http://127.0.0.1:8090', dialect: 'speak', deadlines: { firstByteMs: 60_000 } },
    })
    house.configure({ TTS_URL: 'http://127.0.0.1:8091', TTS_DIALECT: 'openai' })
    const endpoint = find('voice')?.places[0]?.endpoint
    expect(endpoint).toMatchObject({ url: 'http://127.0.0.1:8091', apiRoot: '/v1', active: true })
    expect([...(endpoint?.speaks ?? [])]).toEqual(['speech'])
    house.configure({ TTS_ENABLED: 'false' })
    expect(find('voice')?.places).toEqual([])
    expect(house.catalog.endpoints().map(({ name }) => name)).toEqual(['builtin:chat', 'builtin:image', 'builtin:whisper'].sort())
    house.configure({})
    expect(placesIn(find('voice'))).toEqual(['builtin:tts=null'])
  })

  it('may fall back in a circle', async () => {
    await house.model({ name: 'a', at: ['builtin:chat'] })
    await house.model({ name: 'b', at: ['builtin:chat'], fallback: 'a' })
    await house.catalog.manage.models.edit('a', { fallback: 'b' })
    house = await house.reopen()
    expect([find('a')?.fallback, find('b')?.fallback, house.catalog.list().length]).toEqual(['b', 'a', 2])
  })

  it('are not found by the names that every object has', () => {
    for (const name of ['constructor', '__proto__', 'toString', '']) expect(find(name)).toBeUndefined()
  })

  it('are listed by name, those that are on', async () => {
    for (const name of ['c', 'a', 'b']) await house.model({ name, at: ['builtin:chat'] })
    await house.catalog.manage.models.edit('b', { active: false })
    expect(house.catalog.list().map(({ name }) => name)).toEqual(['a', 'c'])
    expect(house.catalog.list()).toBe(house.catalog.list())
  })
})

describe('the model that an endpoint’s own name means', () => {
  it.each([
    'llama3.2',
    'llama3.2:latest',
    'LLAMA3.2',
    'library/llama3.2',
    'registry.ollama.ai/library/llama3.2:latest',
    'llama3.2:local',
    'llama3.2:latest: Local ',
    'x://registry.ollama.ai/library/llama3.2',
    'a/b://registry.ollama.ai/library/llama3.2:local',
    'https://registry.ollama.ai/library/llama3.2',
    '\u0085llama3.2\u0085',
  ])('however Ollama may spell it: %j', async (upstream) => {
    await house.model({ name: 'fast', at: ['builtin:chat=llama3.2'], price_in: '1' })
    expect(house.catalog.at('builtin:chat', upstream)?.name).toBe('fast')
    expect(house.catalog.at('builtin:chat', 'llama3.2:3b')).toBeUndefined()
    expect(house.catalog.at('builtin:image', upstream)).toBeUndefined()
  })

  it('is the same in Ollama’s cloud by its suffix and by its tag, and another one there than here', async () => {
    await house.model({ name: 'far', at: ['builtin:chat=gpt-oss:120b-cloud'], price_in: '1' })
    await house.model({ name: 'near', at: ['builtin:chat=gpt-oss:120b'] })
    for (const upstream of ['gpt-oss:120b-cloud', 'gpt-oss:120b:cloud', 'library/GPT-OSS:120b: Cloud'])
      expect(house.catalog.at('builtin:chat', upstream)?.name).toBe('far')
    expect(house.catalog.at('builtin:chat', 'gpt-oss:120b:local')?.name).toBe('near')
    for (const upstream of ['gpt-oss:cloud', 'gpt-oss:local', 'my-gpt-oss:120b-cloud'])
      expect(house.catalog.at('builtin:chat', upstream)).toBeUndefined()
  })

  it('is found at once in a name of any length', async () => {
    await house.model({ name: 'fast', at: ['builtin:chat=llama3.2'] })
    const startedMs = performance.now()
    for (const unit of [' ', '\u0085', ':', '/', ': ', '://', 'library/', ':local'])
      expect(house.catalog.at('builtin:chat', `x${unit.repeat(200_000)}x`)).toBeUndefined()
    expect(performance.now() - startedMs).toBeLessThan(1_000)
  })

  it('is switched off by whatever spelling', async () => {
    await house.model({ name: 'secret', at: ['builtin:chat=secret'] })
    await house.catalog.manage.models.edit('secret', { active: false })
    for (const upstream of ['secret', 'secret:local', 'x://registry.ollama.ai/library/secret', 'secret\u0085'])
      expect(house.catalog.at('builtin:chat', upstream)).toMatchObject({ name: 'secret', active: false })
  })

  it('is the oldest that is on, and one that is off where no other is there', async () => {
    await house.model({ name: 'b', at: ['builtin:chat=x'] })
    clock.advance(1)
    await house.model({ name: 'a', at: ['builtin:chat=x'] })
    expect(house.catalog.at('builtin:chat', 'x')?.name).toBe('b')
    await house.catalog.manage.models.edit('b', { active: false })
    expect(house.catalog.at('builtin:chat', 'x')?.name).toBe('a')
    await house.catalog.manage.models.edit('a', { active: false })
    expect(house.catalog.at('builtin:chat', 'x')).toMatchObject({ name: 'b', active: false })
  })

  it('is the only one of a backend that has one, whatever it is called', async () => {
    await house.model({ name: 'scribe', capability: 'transcription', at: ['builtin:whisper=large-v3'] })
    for (const upstream of ['large-v3', 'base', '', null]) expect(house.catalog.at('builtin:whisper', upstream)?.name).toBe('scribe')
  })

  it('follows an endpoint to another language', async () => {
    await house.endpoint({ name: 'gpu', dialect: 'openai' })
    await house.model({ name: 'fast', at: ['gpu=Llama'] })
    const ref = refOf('gpu')
    expect(house.catalog.at(ref, 'llama:latest')).toBeUndefined()
    await edit('gpu', { dialect: 'ollama' })
    expect(house.catalog.at(ref, 'llama:latest')?.name).toBe('fast')
  })
})

describe('models that appear by themselves', () => {
  const list = (name: string, models: readonly Listed[]) => house.catalog.setListed(refOf(name), models)

  it('are free, without limits, and known by the name that everybody writes', () => {
    list('builtin:chat', [
      text('llama3.2:latest'),
      text('qwen:7b'),
      { name: 'nomic-embed-text:latest', upstream: 'nomic-embed-text:latest', capability: 'embedding' },
    ])
    expect(find('llama3.2')).toBe(find('llama3.2:latest'))
    expect(find('llama3.2')).toMatchObject({
      id: null,
      name: 'llama3.2:latest',
      price: { inMicro: 0, outMicro: 0 },
      limits: { rates: [] },
      fallback: null,
      createdMs: clock.nowMs(),
    })
    expect(find('nomic-embed-text')?.capability).toBe('embedding')
    expect(find('qwen')).toBeUndefined()
    expect(house.catalog.at('builtin:chat', 'LLama3.2')?.name).toBe('llama3.2:latest')
  })

  it('give way to a configured model of their name, and of their place, even while that is switched off', async () => {
    list('builtin:chat', [text('llama3.2:latest'), text('qwen:7b')])
    await house.model({ name: 'fast', at: ['builtin:chat=llama3.2'], price_in: '1' })
    await house.model({ name: 'qwen:7b', at: ['builtin:chat=other'], price_in: '2' })
    const check = (on: boolean) => {
      expect(find('llama3.2:latest')).toBeUndefined()
      expect(find('llama3.2')).toBeUndefined()
      expect(find('qwen:7b')?.id ?? null).toBe(on ? find('qwen:7b')?.id : null)
      expect(house.catalog.list().map(({ name }) => name)).toEqual(on ? ['fast', 'qwen:7b'] : [])
    }
    check(true)
    for (const name of ['fast', 'qwen:7b']) await house.catalog.manage.models.edit(name, { active: false })
    check(false)
    for (const name of ['fast', 'qwen:7b']) await house.catalog.manage.models.delete(name)
    expect(house.catalog.list().map(({ name, id }) => [name, id])).toEqual([
      ['llama3.2:latest', null],
      ['qwen:7b', null],
    ])
  })

  it('are the first endpoint’s alone where two list the same name', async () => {
    await house.endpoint({ name: 'cloud', discover: true })
    list('cloud', [text('llama3.2:latest'), text('gpt')])
    list('builtin:chat', [text('llama3.2:latest')])
    expect(placesIn(find('llama3.2:latest'))).toEqual(['builtin:chat=llama3.2:latest'])
    expect(placesIn(find('gpt'))).toEqual(['cloud=gpt'])
    house.configure({ CHAT_ENABLED: 'false' })
    expect(placesIn(find('llama3.2:latest'))).toEqual(['cloud=llama3.2:latest'])
  })

  it('go with their endpoint: switched off, not to be asked, at another address, or deleted', async () => {
    await house.endpoint({ name: 'gpu', discover: true, url: 'http://127.0.0.1:9/v1' })
    const ref = refOf('gpu')
    list('gpu', [text('gpt')])
    await edit('gpu', { active: false })
    expect(find('gpt')).toBeUndefined()
    await edit('gpu', { active: true })
    expect(find('gpt')).toBeDefined()
    await edit('gpu', { discover: false })
    expect(find('gpt')).toBeUndefined()
    await edit('gpu', { discover: true, url: 'http://127.0.0.1:10/v1' })
    expect(find('gpt')).toBeUndefined()
    list('gpu', [text('gpt')])
    await house.catalog.manage.endpoints.delete('gpu')
    expect([find('gpt'), house.catalog.hasListed(ref)]).toEqual([undefined, false])
  })

  it('that come again change nothing, and keep the time since when they are known', () => {
    expect(list('builtin:chat', [text('a')])).toBe(true)
    const [first, since] = [find('a'), clock.nowMs()]
    expect(list('builtin:chat', [text('a')])).toBe(false)
    expect(find('a')).toBe(first)
    clock.advance(60_000)
    expect(list('builtin:chat', [text('a'), text('b')])).toBe(true)
    expect([find('a')?.createdMs, find('b')?.createdMs]).toEqual([since, clock.nowMs()])
  })
})

describe('ten thousand models', () => {
  it('are loaded, found and changed without holding the loop for long', async () => {
    await house.endpoint({ name: 'gpu' })
    const [gpu, blank] = [
      refOf('gpu'),
      {
        tenant: 'default',
        capability: 'text',
        unit: 'token',
        price_in_micro: 1,
        price_out_micro: 2,
        rpm: 1,
        per_day: null,
        tokens_per_minute: null,
        budget_day_micro: null,
        budget_month_micro: null,
        concurrency: 0,
        fallback: null,
        options: '{}',
        created_ms: 1,
        disabled_ms: null,
        deleted_ms: null,
      },
    ]
    await house.store.db.transaction().execute(async (tx) => {
      for (let n = 0; n < 10_000; n += 1) {
        await tx
          .insertInto('models')
          .values({ ...blank, id: `mod_${n}`, name: `org/model-${n}` })
          .execute()
        await tx
          .insertInto('model_endpoints')
          .values({ model_id: `mod_${n}`, endpoint: gpu, upstream: `up-${n}`, position: 0 })
          .execute()
      }
    })
    const timed = async (work: () => unknown): Promise<number> => {
      const startedMs = performance.now()
      await work()
      return performance.now() - startedMs
    }
    const loadMs = await timed(async () => {
      house = await house.reopen()
    })
    expect(house.catalog.list()).toHaveLength(10_000)
    const findMs = await timed(() => {
      for (let n = 0; n < 10_000; n += 1) if (find(`org/model-${n}`)?.places.length !== 1) throw new Error(stringify(n))
    })
    const endpointMs = await timed(() => edit('gpu', { active: false }))
    expect(find('org/model-9999')?.places).toEqual([])
    const modelMs = await timed(() => house.catalog.manage.models.edit('org/model-5', { rpm: 2 }))
    process.stdout.write(
      `10,000 models: ${loadMs.toFixed(0)} ms to load, ${(findMs / 10).toFixed(2)} µs to find one, ${endpointMs.toFixed(0)} ms to switch their endpoint off, ${modelMs.toFixed(0)} ms to edit one\n`,
    )
    expect(loadMs).toBeLessThan(2_000)
    expect(findMs).toBeLessThan(200)
    expect(endpointMs).toBeLessThan(400)
    await edit('gpu', { active: true })
    const heldMs = {
      dialect: await longestTurn(() => edit('gpu', { dialect: 'ollama', key: null })),
      remove: await longestTurn(() => house.catalog.manage.endpoints.delete('gpu')),
    }
    process.stdout.write(
      `10,000 models: the loop held for ${heldMs.dialect.toFixed(0)} ms when the dialect of their endpoint changes, ${heldMs.remove.toFixed(0)} ms when it is deleted\n`,
    )
    expect(heldMs.dialect).toBeLessThan(120)
    expect(heldMs.remove).toBeLessThan(120)
    expect([find('org/model-0')?.places, find('org/model-9999')?.places]).toEqual([[], []])
    expect(house.catalog.manage.models.show('org/model-7').places).toEqual([])
    house = await house.reopen()
    expect(house.catalog.manage.models.show('org/model-7').places).toEqual([])
  })
})

/** The longest time for which nobody else had a turn, until some turns after the work was done. */
async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  let [longestMs, lastMs, turns, done] = [0, performance.now(), 0, false]
  const working = work().then(() => {
    done = true
  })
  while (!done || turns < 100) {
    await new Promise((resolve) => setImmediate(resolve))
    longestMs = Math.max(longestMs, performance.now() - lastMs)
    lastMs = performance.now()
    if (done) turns += 1
  }
  await working
  return longestMs
}
