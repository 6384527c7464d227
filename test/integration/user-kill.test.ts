import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type KeyHouse, openKeyHouse } from '../support/key-house.ts'

const KILLS = process.env.PORTCULLIS_LONG === '1' ? 40 : 4

/** Credits a user, opens and closes accounts, as fast as it can; each line is something that was acknowledged. */
const WORKER = `
  import { openKeyHouse } from ${JSON.stringify(new URL('../support/key-house.ts', import.meta.url).href)}
  const { identity: { users } } = await openKeyHouse({ dir: process.argv[1] })
  const say = (...words) => process.stdout.write(words.join(' ') + '\\n')
  await users.create({ name: 'ada', balance: 0 }).catch(() => undefined)
  await users.create({ name: 'bob' }).catch(() => undefined)
  for (let n = 1; ; n += 1) {
    await users.credit('ada', n, 'worker')
    say('credited', n)
    await users.edit('bob', { billed: n % 2 === 1, rate: n + '/h' })
    say('edited', n)
  }
`

let house: KeyHouse
beforeEach(async () => {
  house = await openKeyHouse()
})
afterEach(() => house.close())

async function workAndDie(dir: string, lines: number): Promise<string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', WORKER, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const heard: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    heard.push(line)
    if (heard.length === lines) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return heard
}

const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0)
const creditsOf = async (name: string): Promise<readonly number[]> => {
  const { id } = await house.identity.users.show(name)
  const rows = await house.store.db.selectFrom('credits').select('amount_micro').where('user_id', '=', id).execute()
  return rows.map(({ amount_micro }) => amount_micro)
}

describe('an owner that is killed while it credits', () => {
  it(`has each balance as its credits add up to, and none that was acknowledged is lost, in ${KILLS} kills`, {
    timeout: KILLS * 15_000,
  }, async () => {
    let acknowledged = 0
    for (let kill = 0; kill < KILLS; kill += 1) {
      await house.identity.close()
      await house.store.close()
      const heard = await workAndDie(house.dir, 5 + ((kill * 17) % 40))
      house = await openKeyHouse({ dir: house.dir })
      expect(house.store.faults()).toEqual([])
      acknowledged += sumOf(heard.flatMap((line) => (line.startsWith('credited') ? [Number(line.split(' ')[1])] : [])))
      const ada = (await house.identity.users.show('ada')).balanceMicro ?? Number.NaN
      expect(ada).toBe(sumOf(await creditsOf('ada')))
      // The last credit of each life may have been written and not yet told.
      expect(ada).toBeGreaterThanOrEqual(acknowledged)
      acknowledged = ada
      expect((await house.identity.users.show('bob')).balanceMicro ?? 0).toBe(sumOf(await creditsOf('bob')))
    }
  })
})
