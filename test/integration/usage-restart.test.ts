import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import type { IntentEntry } from '../../src/contract/index.ts'
import { CLI } from '../support/built.ts'
import { type GatewayUnderTest, gatewayPlace, startTestGateway } from '../support/gateway.ts'
import { intentOf, outcomeOf } from '../support/ledger.ts'
import { until } from '../support/until.ts'

const MICRO = 1_000_000
const place = gatewayPlace()
let gate: GatewayUnderTest | null = null
const start = async (): Promise<GatewayUnderTest> => {
  gate = await startTestGateway({}, place)
  return gate
}
const end = async (): Promise<void> => {
  await gate?.gateway.drain('test')
  gate = null
}
afterEach(async () => {
  await end()
  place.remove()
})

const command = async (...words: string[]): Promise<string> => {
  const env = { PATH: process.env.PATH, HOME: place.dir, ...place.env }
  return (await promisify(execFile)(process.execPath, [...CLI, ...words], { env })).stdout
}

describe('a restart', () => {
  it('knows what was spent and what is left, and charges once what a crash had left open', async () => {
    const { house } = (await start()).gateway
    const { id: user } = await house.identity.users.create({ name: 'grace', balance: 10 * MICRO })
    const { key } = await house.identity.keys.create({
      user: 'grace',
      rights: ['all'],
      description: '',
      expiresMs: null,
      rate: null,
      concurrency: 0,
    })
    const about: Partial<IntentEntry> = { user: 'grace', key: key.id, model: 'm' }
    for (const request of ['req_done', 'req_open'])
      await house.ledger.intent(intentOf(request, { ...about, cost_micro: 3 * MICRO, units: { tokens_in: 9 } }))
    house.ledger.outcome(outcomeOf('req_done', { ...about, cost_micro: 2 * MICRO }))
    await end()

    const again = (await start()).gateway.house
    const { accounts, spent } = again.limits
    // The limits know it as soon as it is settled, which happens behind the start; the store is right whatever they know.
    await until(() => accounts.of(user) === 5 * MICRO, { withinMs: 15_000, what: 'both to be charged' })
    for (const [kind, name] of [
      ['user', user],
      ['key', key.id],
      ['model', 'm'],
    ] as const)
      expect([kind, spent.of(kind, name)]).toMatchObject([kind, { dayMicro: 5 * MICRO, monthMicro: 5 * MICRO }])
    expect((await again.identity.users.show('grace')).balanceMicro).toBe(5 * MICRO)
    expect(await command('usage', '--by', 'user')).toMatch(/^USER .*\ngrace +2 .*5\.00\ntotal/)

    await end()
    // No gateway runs: the command opens the house itself, and nothing is charged twice.
    expect(await command('usage', 'requests')).toMatch(/req_open .*crashed[^\n]*3\.00[^\n]*\n.*req_done .*2\.00/)
    const { house: third } = (await start()).gateway
    expect([third.limits.accounts.of(user), third.limits.spent.of('user', user).dayMicro]).toEqual([5 * MICRO, 5 * MICRO])
  })
})
