import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keyAdmin } from '../../test/support/key-admin.ts'
import { type KeyHouse, newKey, openKeyHouse, present } from '../../test/support/key-house.ts'
import { systemClock } from '../kernel/index.ts'
import { keyCommand } from './key.ts'
import type { Io } from './key-io.ts'
import { userCommand } from './user.ts'

let house: KeyHouse
let admin: ReturnType<typeof keyAdmin>
beforeEach(async () => {
  house = await openKeyHouse()
  admin = keyAdmin(house.identity)
})
afterEach(() => house.close())

/** One command line, as the program runs it, with what it wrote and how it ended. */
async function run(command: (open: () => Promise<typeof admin>, io: Io) => Command, args: readonly string[]) {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  input.end()
  let status = -1
  const exit = (code: number) => {
    status = code
  }
  const program = command(async () => admin, { input, output, errors, clock: systemClock, exit })
  for (const one of [program, ...program.commands]) one.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} })
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (thrown) {
    const { code, exitCode, message } = thrown as { code?: string; exitCode?: number; message: string } // commander's errors and our Exit
    status = code?.startsWith('commander.') ? 2 : (exitCode ?? 3)
    errors.write(message)
  }
  return { status, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}
const user = (...args: string[]) => run(userCommand, args)
const key = (...args: string[]) => run(keyCommand, args)
const shown = async (name: string) => JSON.parse((await user('show', name, '--json')).out) as Record<string, unknown> // our own view

describe('portcullis user', () => {
  it('adds a user with all that can be said of one, and says which store it changed', async () => {
    const said = ['--email', 'ada@example.org', '--organisation', 'Engines', '--balance', '12.5', '--rate', '60/m', '--concurrency', '3']
    const added = await user('add', 'ada', ...said, '--tokens-per-minute', '500', '--budget-day', '2', '--budget-month', '20.25')
    expect(added).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^added ada \(usr_\w{16}\)\n$/),
      err: 'store: a store of the test\n',
    })
    expect(await shown('ada')).toMatchObject({
      email: 'ada@example.org',
      organisation: 'Engines',
      balance: '12.50',
      rate: '60/m',
      concurrency: 3,
      tokens_per_minute: 500,
      budget_day: '2.00',
      budget_month: '20.25',
      store: 'a store of the test',
    })
    const { out } = await user('show', 'ada')
    for (const words of ['ada@example.org', '12.50', '500 a minute', '2.00 a day, 20.25 a month', 'active']) expect(out).toContain(words)
  })

  it('edits what is said, and takes away with none and off', async () => {
    await user('add', 'ada', '--rate', '60/m', '--concurrency', '3', '--budget-day', '2', '--email', 'ada@example.org')
    expect(await user('edit', 'ada', '--budget-month', '9')).toMatchObject({ status: 0, out: expect.stringContaining('edited ada') })
    expect(await shown('ada')).toMatchObject({ rate: '60/m', budget_day: '2.00', budget_month: '9.00' })
    await user('edit', 'ada', '--rate', 'none', '--concurrency', 'off', '--budget-day', 'off', '--email', 'none', '--name', 'zoë')
    expect(await shown('zoë')).toMatchObject({
      name: 'zoë',
      rate: null,
      concurrency: 0,
      budget_day: null,
      budget_month: '9.00',
      email: null,
    })
    expect(await user('show', 'ada')).toMatchObject({ status: 1, err: expect.stringContaining('no user') })
  })

  it('credits whom it bills', async () => {
    await user('add', 'ada')
    expect(await user('credit', 'ada', '5')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/not billed.*portcullis user edit NAME --billed on/),
    })
    await user('edit', 'ada', '--billed', 'on')
    expect((await user('credit', 'ada', '5.5', '--note', 'cash')).out).toContain('with 5.5; the balance is 5.50')
    expect(await user('credit', 'ada', '-7')).toMatchObject({ status: 0, out: expect.stringContaining('the balance is -1.50') })
    expect((await user('credit', 'ada', '-0.25')).out).toContain('-1.75')
    expect((await user('edit', 'ada', '--billed', 'off')).out).toContain('-1.75 was in the account, which is closed')
    expect((await user('show', 'ada')).out).toContain('not billed')
    expect((await user('edit', 'ada', '--billed', 'off')).out).not.toContain('was in the account')
    const listed = JSON.parse((await user('credits', 'ada', '--json')).out) as { credits: { amount: string; note: string }[] } // our own view
    expect(listed.credits.map(({ amount }) => amount).sort()).toEqual(['-0.25', '-7.00', '1.75', '5.50'])
    const { out } = await user('credits', 'ada')
    expect(out).toMatch(/^TIME +AMOUNT +NOTE\n/)
    expect(out).toMatch(/UTC +5\.50 +cash\n/)
    const one = await user('credits', 'ada', '--limit', '1')
    expect([one.out.split('\n').length, one.err]).toEqual([3, 'the newest 1; --limit shows more\n'])
    await user('add', 'bob')
    expect((await user('credits', 'bob')).out).toContain('Nothing was ever credited')
  })

  it('says what is wrong with an address, and that those who are not listed are disabled', async () => {
    expect((await user('add', 'ada', '--email', 'nowhere')).err).toContain('"email" must be an e-mail address such as ada@example.org')
    await user('add', 'ada')
    await user('disable', 'ada')
    expect((await user('list')).out).toBe('No active users. Disabled ones are listed with --all\n')
  })

  it('disables, enables and deletes, with all keys', async () => {
    const { key: made, apiKey } = await house.identity.keys.create(newKey({ user: 'ada' }))
    const cut: string[] = []
    house.identity.onStopped((id) => void cut.push(id))
    expect((await user('disable', 'ada')).out).toMatch(/^disabled ada \(usr_\w+\) with 1 key\n$/)
    expect(cut).toEqual([])
    expect(await present(house.identity, apiKey.reveal())).toBe('UNAUTHORIZED user_disabled')
    expect((await key('show', made.id)).out).toContain('because its user is')
    expect((await key('validate', apiKey.reveal())).out).toContain('its user is disabled')
    expect((await key('enable', made.id)).out).toContain('its user is disabled')
    expect((await user('disable', 'ada', '--now')).out).toContain('cut')
    expect(cut).toEqual([made.id])
    await user('enable', 'ada')
    expect(await present(house.identity, apiKey.reveal())).toBe(`in ${made.id}`)
    expect((await user('delete', 'ada', '--json')).out).toContain('"active": false')
    expect(await present(house.identity, apiKey.reveal())).toBe('UNAUTHORIZED disabled')
    expect((await user('delete', 'ada')).status).toBe(1)
  })

  it('lists active users, or all, as a table or JSON', async () => {
    expect((await user('list')).out).toContain('No users')
    for (const name of ['cyd', 'ada', 'bob']) await user('add', name)
    await user('edit', 'ada', '--rate', '1/s', '--organisation', 'evil \u001b[31mred')
    await user('disable', 'bob')
    const { out } = await user('list')
    expect(out.split('\n').map((line) => line.split(/ {2,}/)[0])).toEqual([expect.stringContaining('NAME'), 'ada', 'cyd', ''])
    expect(out).toContain('1/s')
    expect(out).not.toContain('\u001b[31mred')
    expect((await user('list', '--all')).out).toContain('bob')
    expect((await user('list', '--limit', '1')).out).toContain('the first 1; --limit shows more')
    for (const more of [[], ['--all'], ['--limit', '1']]) {
      const { out: text } = await user('list', '--json', ...more)
      expect(text).toBe(`${JSON.stringify(JSON.parse(text), null, 2)}\n`)
    }
    expect(JSON.parse((await user('list', '--json', '--all')).out)).toMatchObject({
      users: [{ name: 'ada' }, { name: 'bob' }, { name: 'cyd' }],
    })
  })

  it('does not send what can be no user, least of all a key', async () => {
    const { apiKey } = await house.identity.keys.create(newKey())
    const text = apiKey.reveal()
    const asked = admin.ledger.length
    expect(await user('show', text)).toMatchObject({ status: 2, err: expect.not.stringContaining(text) })
    expect((await user('show', 'a/../b')).status).toBe(1)
    expect(admin.ledger.length).toBe(asked)
  })

  it.each([
    ['no name', ['add']],
    ['a bad name', ['add', 'a b']],
    ['a name that is a step in a path', ['add', '..']],
    ['a bad address', ['add', 'ada', '--email', 'nowhere']],
    ['a bad amount', ['add', 'ada', '--balance', 'much']],
    ['a budget below nothing', ['add', 'ada', '--budget-day', '-1']],
    ['an edit of nothing', ['edit', 'ada']],
    ['a switch that is neither', ['edit', 'ada', '--billed', 'perhaps']],
    ['no amount', ['credit', 'ada']],
    ['an amount too fine', ['credit', 'ada', '1.0000001']],
    ['an unknown command', ['burn']],
  ])('ends with 2 for %s', async (_what, args) => {
    expect((await user(...args)).status).toBe(2)
    expect((await house.identity.users.list({ all: true })).users).toEqual([])
  })
})

describe('portcullis key edit', () => {
  const generate = async (...more: string[]) => (await key('generate', '-u', 'ada', '-s', 'chat', ...more)).out.trim().slice(4, 16)

  it('changes what is said, keeps the rest and the secret, and shows what came of it', async () => {
    const id = await generate(
      '--models',
      'gpt-4, llama*',
      '--networks',
      '10.0.0.0/8',
      '--budget-day',
      '2',
      '--log-content',
      'on',
      '--rate',
      '9/s',
    )
    expect(house.identity.keys.show(id)).toMatchObject({
      models: ['gpt-4', 'llama*'],
      networks: ['10.0.0.0/8'],
      logContent: true,
      rate: '9/s',
    })
    expect((await key('show', id)).out).toContain('10.0.0.0/8')
    const edited = await key(
      'edit',
      id.slice(0, 6),
      '-s',
      'tts',
      '-d',
      'phone',
      '-e',
      '30',
      '--networks',
      'private',
      '--networks',
      '192.0.2.0/24',
    )
    expect(edited).toMatchObject({ status: 0, err: 'store: a store of the test\n', out: expect.stringContaining(`edited ${id}`) })
    expect(edited.out).toContain('private 192.0.2.0/24')
    expect(house.identity.keys.show(id)).toMatchObject({
      rights: ['speech'],
      description: 'phone',
      models: ['gpt-4', 'llama*'],
      rate: '9/s',
    })
    const bare = ['--models', 'none', '--networks', 'off', '--budget-day', 'none', '--rate', 'off', '--concurrency', 'none', '-e', 'none']
    expect(JSON.parse((await key('edit', id, ...bare, '--log-content', 'off', '--json')).out)).toMatchObject({
      models: null,
      networks: null,
      budget_day: null,
      rate: null,
      concurrency: 0,
      expires_at: null,
      log_content: false,
    })
  })

  it('tells apart what is wrong in itself and what is not there', async () => {
    const id = await generate()
    expect(await key('edit', id)).toMatchObject({ status: 2, err: expect.stringContaining('Say what to change') })
    expect(await key('edit', id, '--networks', 'somewhere')).toMatchObject({
      status: 2,
      err: expect.stringContaining('"somewhere" is no network'),
    })
    for (const flags of [
      ['-s', 'root'],
      ['--models', ','],
      ['--log-content', 'yes'],
      ['-e', 'soon'],
      ['--tokens-per-minute', '0'],
    ]) {
      expect((await key('edit', id, ...flags)).status).toBe(2)
    }
    expect((await key('edit', 'nosuchkey', '-d', 'x')).status).toBe(1)
    expect(house.identity.keys.show(id)).toMatchObject({ description: '', rights: ['text', 'embedding'] })
  })
})
