import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keyAdmin } from '../../test/support/key-admin.ts'
import { type KeyHouse, newKey, openKeyHouse, present } from '../../test/support/key-house.ts'
import { until } from '../../test/support/until.ts'
import { systemClock } from '../kernel/index.ts'
import { keyMenu } from './key-menu.ts'

let house: KeyHouse
beforeEach(async () => {
  house = await openKeyHouse()
})
afterEach(() => house.close())

const ENTER = '\r'
const DOWN = '\u001b[B'
const UP = '\u001b[A'
const CTRL_C = '\u0003'

/** A terminal that a test types at: each step waits for a question and answers it. */
function sitDown() {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => input })
  const output = Object.assign(new PassThrough(), { isTTY: true, columns: 100, rows: 40 })
  let screen = ''
  let seen = 0
  output.on('data', (chunk: Buffer) => {
    screen += chunk.toString()
  })
  const client = keyAdmin(house.identity)
  const done = keyMenu(client, { input, output, errors: output, clock: systemClock, exit: () => {} })
  const answer = async (question: string, ...keys: string[]) => {
    await until(() => screen.indexOf(question, seen) >= 0, { withinMs: 5_000, what: `the question "${question}"` })
    for (const key of keys) {
      seen = screen.length
      input.write(key)
      // The next key is typed when the prompt has drawn this one, as a person's would be.
      await until(() => screen.length > seen, { withinMs: 5_000, what: `the answer to "${question}" on the screen` })
    }
  }
  return { answer, done, screen: () => screen }
}

describe('the key menu', () => {
  it('makes a key by asking for it, shows it once, and leaves when told', async () => {
    const { answer, done, screen } = sitDown()
    await answer('What shall be done?', ENTER)
    await answer('Whose key is it?', 'grace', ENTER)
    await answer('What may it use?', ' ', ENTER)
    await answer('What is it for?', ENTER)
    await answer('When does it expire?', ENTER)
    await answer('How many calls', ENTER)
    await answer('What shall be done?', UP, ENTER)
    expect(await done).toBe(0)
    const keys = [...new Set(screen().match(/pcl_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}/g))]
    expect(keys).toHaveLength(1)
    expect(await present(house.identity, keys[0] ?? '')).toMatch(/^in /)
    expect((await house.identity.keys.list()).keys).toMatchObject([
      { user: 'grace', rights: ['text', 'embedding'], description: '', rate: null, expiresMs: null },
    ])
  })

  it('asks again about an answer that cannot be taken', async () => {
    const { answer, done } = sitDown()
    await answer('What shall be done?', ENTER)
    await answer('Whose key is it?', 'a b', ENTER)
    await answer('letters, digits', CTRL_C)
    await answer('nothing was changed')
    await answer('What shall be done?', CTRL_C)
    expect(await done).toBe(0)
    expect((await house.identity.keys.list()).total).toBe(0)
  })

  it('disables a key that is found by typing part of its user', async () => {
    await house.identity.keys.create(newKey({ user: 'ada' }))
    const { key } = await house.identity.keys.create(newKey({ user: 'grace' }))
    const { answer, done } = sitDown()
    await answer('What shall be done?', DOWN, DOWN, DOWN, DOWN, ENTER)
    await answer('Which key?', 'grace', ENTER)
    await answer(`Disable ${key.id}`, ENTER)
    await answer(`disabled ${key.id}`)
    await answer('What shall be done?', CTRL_C)
    expect(await done).toBe(0)
    expect((await house.identity.keys.list()).keys.map(({ user }) => user)).toEqual(['ada'])
  })

  it('edits one part after another of a key, each from what it was', async () => {
    const { key } = await house.identity.keys.create(newKey({ user: 'ada', rate: '60/m' }))
    const { answer, done, screen } = sitDown()
    await answer('What shall be done?', DOWN, DOWN, DOWN, ENTER)
    await answer('Which key?', ENTER)
    await answer(`What of ${key.id}`, DOWN, ENTER)
    await answer('What is it for?', 'laptop', ENTER)
    await answer(`What of ${key.id}`, DOWN, DOWN, DOWN, ENTER)
    await answer('How many calls', '\u007f', 'h', ENTER)
    await answer(`What of ${key.id}`, UP, UP, UP, ENTER)
    await answer('Where may it be used from?', '10.0.0.0/8 private', ENTER)
    await answer(`What of ${key.id}`, UP, UP, UP, ENTER)
    await answer('Where may it be used from?', ' nowhere', ENTER)
    await answer('"nowhere" is no network')
    await answer('What shall be done?', CTRL_C)
    expect(await done).toBe(0)
    expect(screen()).not.toContain('nothing was changed')
    expect(house.identity.keys.show(key.id)).toMatchObject({ description: 'laptop', rate: '60/h', networks: ['10.0.0.0/8', 'private'] })
  })
})
