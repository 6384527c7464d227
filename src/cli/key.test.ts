import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keyAdmin } from '../../test/support/key-admin.ts'
import { type KeyHouse, openKeyHouse, present } from '../../test/support/key-house.ts'
import { systemClock } from '../kernel/index.ts'
import { keyCommand } from './key.ts'

let house: KeyHouse
beforeEach(async () => {
  house = await openKeyHouse()
})
afterEach(() => house.close())

interface Ran {
  readonly status: number
  readonly out: string
  readonly err: string
}

/** One `portcullis key …`, as the program runs it, with what it wrote and how it ended. */
async function key(args: readonly string[], { piped = '', terminal = false } = {}): Promise<Ran> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  input.end(piped)
  let status = -1
  const io = {
    input,
    output: Object.assign(output, { isTTY: terminal }),
    errors,
    clock: systemClock,
    exit: (code: number) => {
      status = code
    },
  }
  const client = keyAdmin(house.identity)
  const command = keyCommand(async () => client, io)
  for (const one of [command, ...command.commands]) quiet(one)
  try {
    await command.parseAsync([...args], { from: 'user' })
  } catch (thrown) {
    const { code, exitCode, message } = thrown as { code?: string; exitCode?: number; message: string } // commander's errors and our Exit
    status = code?.startsWith('commander.') ? (exitCode === 0 ? 0 : 2) : (exitCode ?? 3)
    errors.write(message)
  }
  return { status, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

const quiet = (command: Command) => command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} })
const KEY = /pcl_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}/
const generate = async (...more: string[]) => (await key(['generate', '-u', 'ada', '-s', 'chat', ...more])).out.trim()
const idOf = (text: string) => text.slice(4, 16)

describe('portcullis key generate', () => {
  it('piped writes the key alone, and the rest beside it', async () => {
    const { status, out, err } = await key(['generate', '-u', 'ada', '-s', 'chat,tts', '-s', 'manage:chat', '-d', 'laptop', '-e', '30'])
    expect(status).toBe(0)
    expect(out).toMatch(new RegExp(`^${KEY.source}\\n$`))
    expect(err).not.toMatch(KEY)
    expect(err).toContain('chat tts manage:chat')
    expect(err).toContain('store: a store of the test')
    expect(await present(house.identity, out.trim())).toBe(`in ${idOf(out)}`)
  })

  it('on a terminal shows the key once', async () => {
    const { out, err } = await key(['generate', '-u', 'ada', '-s', 'all', '--rate', '60/m', '--concurrency', '0'], { terminal: true })
    expect(out.match(new RegExp(KEY, 'g'))).toHaveLength(1)
    expect(out).toContain('60/m')
    expect(err).not.toMatch(KEY)
  })

  it('with --json writes one JSON value', async () => {
    const { out } = await key(['generate', '-u', 'ada', '-s', 'chat', '--json'])
    expect(JSON.parse(out)).toMatchObject({
      user: 'ada',
      rights: ['text', 'embedding'],
      store: 'a store of the test',
      api_key: expect.stringMatching(KEY),
    })
  })

  it.each([
    ['no user', ['generate', '-s', 'chat']],
    ['no right', ['generate', '-u', 'ada']],
    ['an unknown right', ['generate', '-u', 'ada', '-s', 'chat,everything']],
    ['a bad expiry', ['generate', '-u', 'ada', '-s', 'chat', '-e', 'soon']],
    ['an expiry of 0', ['generate', '-u', 'ada', '-s', 'chat', '-e', '0']],
    ['a bad rate', ['generate', '-u', 'ada', '-s', 'chat', '--rate', 'fast']],
    ['a bad name', ['generate', '-u', 'a b', '-s', 'chat']],
    ['an unknown option', ['generate', '--admin']],
    ['an unknown command', ['burn']],
    ['nothing at all, from a script', []],
  ])('ends with 2 for %s, and makes no key', async (_what, args) => {
    expect((await key(args)).status).toBe(2)
    expect((await house.identity.keys.list({ all: true })).total).toBe(0)
  })
})

describe('portcullis key, for keys that are there', () => {
  it('lists active ones, or all, as a table or JSON', async () => {
    const [one, two] = [idOf(await generate('-d', 'first')), idOf(await generate('-d', 'second \u001b[31mred'))]
    await key(['disable', one])
    const { out } = await key(['list'])
    expect(out).toContain(two)
    expect(out).not.toContain(one)
    expect(out).not.toContain('\u001b[31mred')
    expect((await key(['list', '--all'])).out).toContain(one)
    expect((await key(['list', '--all', '--limit', '1'])).out).toContain('1 newest of 2')
    expect(JSON.parse((await key(['list', '--all', '--json'])).out)).toMatchObject({ total: 2, keys: [{ id: two }, { id: one }] })
    expect((await key(['list', '-u', 'nobody'])).out).toContain('No keys. Make one with: scripts/apikey generate -u YOU -s all')
    for (const more of [[], ['-u', 'nobody'], ['--limit', '1']]) {
      const { out: text } = await key(['list', '--all', '--json', ...more])
      expect(text).toBe(`${JSON.stringify(JSON.parse(text), null, 2)}\n`)
    }
  })

  it('shows, disables, enables, and says which store it changed', async () => {
    const id = idOf(await generate())
    expect((await key(['show', id])).out).toContain('ada')
    expect(await key(['disable', id.slice(0, 6), '--now'])).toMatchObject({
      status: 0,
      out: expect.stringContaining('cut'),
      err: 'store: a store of the test\n',
    })
    expect((await key(['show', id, '--json'])).out).toContain('"disabled"')
    expect(await key(['enable', id])).toMatchObject({ status: 0, err: 'store: a store of the test\n' })
    expect(await key(['show', 'nosuchkey'])).toMatchObject({ status: 1, err: expect.stringContaining('no key with this id') })
  })

  it('takes a whole key for its id, and does not send the rest of it', async () => {
    const text = await generate()
    expect((await key(['disable', text])).out).toContain(idOf(text))
    expect((await key(['enable', `${text.slice(0, 50)}00000`])).out).toContain(idOf(text))
    const legacy = 'e5c4b8c2-1111-4222-8333-444455556666'
    await house.identity.keys.importLegacy(JSON.stringify({ [legacy]: { user: 'bob' } }), { rightsFromService: false })
    expect((await key(['disable', legacy])).out).toContain('legacy_e5c4b8c2')
  })

  it('rotates with a grace that people can write', async () => {
    const text = await generate()
    const fresh = (await key(['rotate', idOf(text), '--grace', '0'])).out.trim()
    expect(await present(house.identity, text)).toBe('UNAUTHORIZED rotated_out')
    expect(await present(house.identity, fresh)).toBe(`in ${idOf(text)}`)
    expect((await key(['rotate', idOf(text), '--grace', 'soon'])).status).toBe(2)
    const once = ['rotate', idOf(text), '--idempotency-key', 'x']
    expect((await key(once)).out).toBe((await key(once)).out)
  })

  it('validates an argument or what is piped in, with 1 for what would not be let in', async () => {
    const text = await generate()
    expect(await key(['validate', text])).toMatchObject({ status: 0, out: expect.stringContaining('valid') })
    expect((await key(['validate'], { piped: `${text}\n` })).status).toBe(0)
    expect((await key(['validate', '-'], { piped: text })).status).toBe(0)
    expect((await key(['validate', idOf(text)])).status).toBe(0)
    expect(await key(['validate', `${text.slice(0, -1)}_`])).toMatchObject({ status: 1, out: expect.stringContaining('not valid') })
    expect((await key(['validate'], { piped: '' })).status).toBe(2)
    expect(JSON.parse((await key(['validate', 'x', '--json'])).out)).toMatchObject({ valid: false, reason: 'malformed' })
  })

  it('imports an old file that only its owner can read, and leaves it as it was', async () => {
    const file = join(house.dir, 'keys.json')
    writeFileSync(file, JSON.stringify({ 'e5c4b8c2-1111-4222-8333-444455556666': { user: 'bob', service: 'tts' } }))
    chmodSync(file, 0o644)
    expect(await key(['import', file])).toMatchObject({ status: 2, err: expect.stringContaining(`chmod 600 '${file}'`) })
    chmodSync(file, 0o600)
    expect(await key(['import', file])).toMatchObject({ status: 0, out: expect.stringContaining('legacy_e5c4b8c2  bob  all') })
    expect((await key(['import', file])).out).toContain('0 imported, 0 disabled, 1 unchanged, 0 skipped')
    writeFileSync(file, '{}')
    expect((await key(['import', file])).out).toContain('disabled  legacy_e5c4b8c2')
    expect((await key(['import', join(house.dir, 'nothing')])).status).toBe(2)
  })

  it('ends with 3 when nobody can answer', async () => {
    await house.store.db.schema.alterTable('keys').renameTo('keys_away').execute()
    expect(await key(['generate', '-u', 'ada', '-s', 'chat'])).toMatchObject({ status: 3, err: expect.stringContaining('store') })
    await house.store.db.schema.alterTable('keys_away').renameTo('keys').execute()
  })
})
