import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { adminOf } from '../../test/support/admin.ts'
import { type CatalogHouse, openCatalogHouse } from '../../test/support/catalog-house.ts'
import { systemClock } from '../kernel/index.ts'
import { endpointCommand } from './endpoint.ts'
import type { Io } from './key-io.ts'
import { modelCommand } from './model.ts'

let house: CatalogHouse
let admin: ReturnType<typeof adminOf>
beforeEach(async () => {
  house = await openCatalogHouse()
  admin = adminOf({ models: house.catalog })
})
afterEach(() => house.close())

/** One command line, as the program runs it, with what it wrote and how it ended. */
async function run(command: (open: () => Promise<typeof admin>, io: Io) => Command, args: readonly string[], piped = '') {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  input.end(piped)
  let status = -1
  const exit = (code: number) => {
    status = code
  }
  const program = command(async () => admin, { input, output, errors, clock: systemClock, exit })
  const said: string[] = []
  for (const one of [program, ...program.commands])
    one.exitOverride().configureOutput({ writeErr: (text) => void said.push(text), writeOut: () => {} })
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (thrown) {
    const { code, exitCode, message } = thrown as { code?: string; exitCode?: number; message: string } // commander's errors and our Exit
    status = code?.startsWith('commander.') ? 2 : (exitCode ?? 3)
    errors.write(message)
  }
  return { status, out: String(output.read() ?? ''), err: `${String(errors.read() ?? '')}${said.join('')}` }
}
const endpoint = (args: string, piped?: string) => run(endpointCommand, args.split(' '), piped)
const model = (args: string) => run(modelCommand, args.split(' '))
const json = (text: string): unknown => JSON.parse(text)
const STORE = 'store: a store of the test\n'
const KEY = 'sk-canary-0123456789'
const keyOf = (name: string) =>
  house.catalog
    .endpoints()
    .find((one) => one.name === name)
    ?.auth?.value.reveal()

describe('portcullis endpoint', () => {
  it('adds one with all that can be said of it, and says which store it changed', async () => {
    const said =
      '--dialect ollama --speaks chat,embeddings --rpm 60 --per-day 1000 --concurrency 4 --priority 2 --abort drain --remote allow --discover on --tokens-per-minute 9000 --budget-day 2.5 --budget-month 40 --key -'
    const added = await endpoint(`add gpu --url http://10.0.0.1:11434 ${said}`, `${KEY}\n`)
    expect(added).toMatchObject({ status: 0, out: expect.stringMatching(/^added gpu \(end_\w{16}\)\n$/), err: STORE })
    expect(json((await endpoint('show gpu --json')).out)).toMatchObject({
      name: 'gpu',
      dialect: 'ollama',
      speaks: ['chat', 'embeddings'],
      has_key: true,
      rpm: 60,
      per_day: 1_000,
      concurrency: 4,
      priority: 2,
      abort: 'drain',
      remote: 'allow',
      tokens_per_minute: 9_000,
      budget_day: '2.50',
      budget_month: '40.00',
      discover: true,
      store: 'a store of the test',
    })
    expect(keyOf('gpu')).toBe(`Bearer ${KEY}`)
    const { out } = await endpoint('show gpu')
    expect(out).toMatch(/^limits +60\/min, 1000\/day, 9000 tokens\/min, 2.50 a day, 40.00 a month, 4 at a time$/m)
    expect(out).toMatch(/^remote +callers may name what is fetched from elsewhere$/m)
    await endpoint('edit gpu --tokens-per-minute none --budget-day none --budget-month off --remote refuse')
    expect(json((await endpoint('show gpu --json')).out)).toMatchObject({
      tokens_per_minute: null,
      budget_day: null,
      budget_month: null,
      remote: 'refuse',
    })
  })

  it('edits what is said and leaves the rest, disables, enables and deletes', async () => {
    await endpoint('add gpu --url http://10.0.0.1 --rpm 60 --per-day 5 --speaks chat')
    expect(await endpoint('edit gpu --rpm none --speaks none --concurrency 3 --name gpu2')).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^edited gpu2 /),
      err: STORE,
    })
    expect(json((await endpoint('show gpu2 --json')).out)).toMatchObject({
      rpm: null,
      per_day: 5,
      concurrency: 3,
      speaks: expect.arrayContaining(['responses']),
    })
    await model('add fast --endpoint gpu2')
    expect((await endpoint('disable gpu2')).out).toMatch(/^disabled gpu2 \(end_\w+\), of 1 model\n$/)
    expect(house.catalog.find('fast')?.places).toEqual([])
    expect((await endpoint('list')).out).not.toContain('gpu2')
    expect((await endpoint('list --all')).out).toMatch(/^gpu2 +disabled/m)
    expect((await endpoint('enable gpu2')).out).toMatch(/^enabled gpu2/)
    expect((await endpoint('delete gpu2')).out).toMatch(/^deleted gpu2/)
    expect(await endpoint('show gpu2')).toMatchObject({ status: 1, err: expect.stringContaining('There is no endpoint "gpu2"') })
  })

  it('says at the terminal how a key is given again, when the address is at another host', async () => {
    await endpoint('add cloud --url https://a.example/v1 --key -', KEY)
    expect(await endpoint('edit cloud --url https://b.example/v1')).toMatchObject({
      status: 2,
      err: 'The key was given for https://a.example and goes to no other host. Give it again with --key-file FILE or --key -, or take it away with --no-key',
    })
    const urlOf = async () => (json((await endpoint('show cloud --json')).out) as { url: string }).url
    expect(await urlOf()).toBe('https://a.example/v1')
    for (const args of [
      '--url https://a.example/v2',
      '--url https://b.example/v1 --key -',
      '--url https://c.example --no-key',
      '--url http://d',
    ]) {
      expect((await endpoint(`edit cloud ${args}`, KEY)).status).toBe(0)
      expect(await urlOf()).toBe(args.split(' ')[1])
    }
  })

  it('reads a provider’s key from a private file or a pipe, and never from an argument', async () => {
    const file = join(house.dir, 'provider.key')
    writeFileSync(file, `${KEY}\n`)
    chmodSync(file, 0o644)
    expect(await endpoint(`add cloud --url https://a.example --key-file ${file}`)).toMatchObject({
      status: 2,
      err: expect.stringContaining('chmod 600'),
    })
    chmodSync(file, 0o600)
    expect((await endpoint(`add cloud --url https://a.example --key-file ${file}`)).status).toBe(0)
    expect(keyOf('cloud')).toBe(`Bearer ${KEY}`)
    const given = await endpoint(`edit cloud --key ${KEY}`)
    expect(given).toMatchObject({ status: 2, err: expect.stringContaining('history') })
    for (const args of [`edit cloud --key - --key-file ${file}`, 'edit cloud --key -', 'edit cloud --key-file nowhere'])
      expect((await endpoint(args)).status).toBe(2)
    expect((await endpoint('edit cloud --key -', 'sk-other')).status).toBe(0)
    expect(keyOf('cloud')).toBe('Bearer sk-other')
    expect((await endpoint('edit cloud --no-key')).status).toBe(0)
    expect(keyOf('cloud')).toBeUndefined()
    const told = [given, await endpoint('show cloud'), await endpoint('list --all --json'), admin.ledger, house.log]
    expect(JSON.stringify(told)).not.toContain('canary')
  })

  it('lists for people, with the services of the gate, and for programs', async () => {
    await endpoint('add cloud --url https://a.example/v1 --rpm 60 --key -', KEY)
    const { out } = await endpoint('list')
    expect(out).toMatch(/^NAME +STATE +DIALECT +URL +KEY +LIMITS +PRIORITY +MODELS$/m)
    expect(out).toMatch(/^builtin:chat +active +ollama +http:\/\/127.0.0.1:11434 +none +none +0 +0$/m)
    expect(out).toMatch(/^cloud +active +openai +https:\/\/a.example\/v1 +yes +60\/min +0 +0$/m)
    expect((await endpoint('list --limit 2')).out).toContain('the first 2; --limit shows more')
    expect(json((await endpoint('list --json')).out)).toMatchObject({ endpoints: { length: 5 }, store: 'a store of the test' })
    expect((await endpoint('show builtin:chat')).out).toContain('configured in portcullis.yaml')
    expect(await endpoint('edit builtin:chat --rpm 5')).toMatchObject({
      status: 1,
      err: expect.stringContaining('services.chat in portcullis.yaml'),
    })
  })

  it.each([
    'add',
    'add gpu',
    'add Gpu --url http://a',
    'add gpu --url nowhere',
    'add gpu --url http://a --dialect klingon',
    'edit gpu',
    'edit gpu --rpm 0',
    'edit gpu --speaks everything',
    'edit gpu --discover perhaps',
  ])('ends with 2 for: %s', async (args) => {
    await endpoint('add other --url http://a')
    expect((await endpoint(args.replace('edit gpu', 'edit other'))).status).toBe(2)
    expect(house.catalog.manage.endpoints.list().items).toHaveLength(5)
  })

  it('ends with 1 for what can be no name, and does not send it', async () => {
    expect((await endpoint('show https://a.example/?key=1')).status).toBe(1)
    expect(admin.ledger).toEqual([])
  })
})

describe('portcullis model', () => {
  beforeEach(async () => {
    await house.endpoint({ name: 'gpu2', dialect: 'ollama' })
    await house.model({ name: 'small', at: ['gpu2'] })
  })

  it('adds one with all that can be said of it', async () => {
    const said =
      '--endpoint builtin:chat=llama3.2 --endpoint gpu2=llama3.2:3b --price-in 0.15 --price-out 0.60 --unit token --rpm 60 --per-day 9 --fallback small --concurrency 3 --tokens-per-minute 9000 --budget-day 2.5 --budget-month 40'
    expect(await model(`add fast ${said} --option num_ctx=8192 --option stop=["a","b"] --option voice=Be=brief`)).toEqual({
      status: 0,
      out: 'added fast at builtin:chat=llama3.2, gpu2=llama3.2:3b\n',
      err: STORE,
    })
    expect(json((await model('show fast --json')).out)).toMatchObject({
      price_in: '0.15',
      price_out: '0.60',
      unit: 'token',
      rpm: 60,
      per_day: 9,
      concurrency: 3,
      tokens_per_minute: 9_000,
      budget_day: '2.50',
      budget_month: '40.00',
      fallback: 'small',
      options: { num_ctx: 8192, stop: ['a', 'b'], voice: 'Be=brief' },
      endpoints: [
        { endpoint: 'builtin:chat', upstream: 'llama3.2' },
        { endpoint: 'gpu2', upstream: 'llama3.2:3b' },
      ],
    })
  })

  it('edits what is said and leaves the rest, disables, enables and deletes, with slashes in names', async () => {
    await model('add org/fast:7b --endpoint gpu2 --price-in 1 --option a=1 --fallback small --rpm 5')
    expect(
      await model('edit org/fast:7b --option none --fallback none --price-out 2 --rpm none --endpoint builtin:chat=x --name org/modèle'),
    ).toMatchObject({ status: 0, out: 'edited org/modèle\n' })
    expect(json((await model('show org/modèle --json')).out)).toMatchObject({
      options: {},
      fallback: null,
      price_in: '1.00',
      price_out: '2.00',
      rpm: null,
      endpoints: [{ endpoint: 'builtin:chat', upstream: 'x' }],
    })
    expect((await model('disable org/modèle')).out).toBe('disabled org/modèle\n')
    expect((await model('list')).out).not.toContain('modèle')
    expect((await model('list --all')).out).toMatch(/^org\/modèle +text +disabled/m)
    expect((await model('enable org/modèle')).out).toBe('enabled org/modèle\n')
    expect((await model('delete org/modèle')).out).toBe('deleted org/modèle\n')
    expect(await model('show smal')).toMatchObject({ status: 1, err: 'There is no model "smal"; did you mean small?' })
  })

  it('lists for people and for programs, with what appeared by itself', async () => {
    house.catalog.setListed('builtin:chat', [{ name: 'llama3.2:latest', upstream: 'llama3.2:latest', capability: 'text' }])
    await model('add paint --capability image --endpoint builtin:image --price-out 0.02 --rpm 5')
    const { out } = await model('list')
    expect(out).toMatch(/^NAME +FOR +STATE +PRICE +LIMITS +AT +FALLBACK$/m)
    expect(out).toMatch(/^llama3.2:latest +text +discovered +free +none +builtin:chat=llama3.2:latest$/m)
    expect(out).toMatch(/^paint +image +active +0.02 out for an image +5\/min +builtin:image$/m)
    expect(json((await model('list --json')).out)).toMatchObject({ models: { length: 3 } })
    expect((await model('show llama3.2')).out).toContain('seen since')
    expect(await model('edit llama3.2:latest --rpm 5')).toMatchObject({
      status: 1,
      err: expect.stringContaining('add a model of that name'),
    })
  })

  it('says when a fallback is not there, which a typing mistake may be', async () => {
    expect(await model('add fast --endpoint gpu2 --fallback smal')).toMatchObject({
      status: 0,
      err: `note: the fallback is not there at this moment. There is no model "smal"; did you mean small?\n${STORE}`,
    })
  })

  it.each([
    'add',
    'add fast',
    'add fast --endpoint =x',
    'add fast --endpoint gpu2=',
    'add fast --endpoint nobody',
    'add fast --endpoint gpu2 --price-in -1',
    'add fast --endpoint gpu2 --price-in much',
    'add fast --endpoint gpu2 --unit hour',
    'add fast --endpoint gpu2 --unit minute --price-in 1',
    'add fast --endpoint gpu2 --option x',
    'add a//b --endpoint gpu2',
    'edit small',
    'edit small --fallback small',
  ])('ends with 2 for: %s', async (args) => {
    expect((await model(args)).status).toBe(2)
    expect(house.catalog.list().map(({ name }) => name)).toEqual(['small'])
  })

  it('does not send a key that was pasted where a name belongs', async () => {
    expect((await model(`show pcl_${'a'.repeat(12)}_${'b'.repeat(38)}`)).status).toBe(2)
    expect(admin.ledger).toEqual([])
  })
})
