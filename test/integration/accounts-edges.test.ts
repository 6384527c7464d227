import { execFile } from 'node:child_process'
import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import type { OutcomeEntry } from '../../src/contract/index.ts'
import { CLI } from '../support/built.ts'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, gatewayPlace, startTestGateway } from '../support/gateway.ts'
import { intentOf, outcomeOf } from '../support/ledger.ts'

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

/** As a request that has ended: the limits know what it cost, and the ledger has it. */
async function spend({ gateway: { house } }: GatewayUnderTest, request: string, more: Partial<OutcomeEntry>, user: string): Promise<void> {
  await house.ledger.intent(intentOf(request, { user: 'grace', ...more }))
  house.limits.accounts.charge(user, more.cost_micro ?? 0)
  house.ledger.outcome(outcomeOf(request, { user: 'grace', ...more }))
}

describe('an account', () => {
  it('that is closed and opened again at once knows all that was used before, and nothing of it after', async () => {
    const under = await start()
    const { house } = under.gateway
    const { id } = await house.identity.users.create({ name: 'grace', balance: 10 * MICRO })
    const key = (await under.key({ user: 'grace' })).id
    const patch = async (body: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> => {
      const asked = { method: 'PATCH', path: '/admin/api/users/grace', socketPath: house.socket, body }
      return JSON.parse((await call(0, asked)).body) as Record<string, unknown> // our own view
    }
    await spend(under, 'req_1', { key, cost_micro: 750_000 }, id)
    expect(await patch({ billed: false })).toMatchObject({ balance: null, taken: '9.25' })
    await spend(under, 'req_2', { key, cost_micro: 500_000 }, id)
    expect(await patch({ billed: true })).toMatchObject({ balance: '0.00' })
    await spend(under, 'req_3', { key, cost_micro: 250_000 }, id)
    await house.ledger.lifecycle({ what: 'pause' })
    await house.usage.caughtUp()
    const inStore = await house.usage.spentThisMonth()
    expect(inStore.find(({ kind }) => kind === 'user')).toMatchObject({ id, monthMicro: 1_500_000 })
    expect(house.limits.accounts.of(id)).toBe(-250_000)
    const targets = (await under.outcomes()).filter(({ method }) => method === 'PATCH').map(({ target }) => target)
    expect(targets).toEqual([`${id} grace 9.25 billed=false`, `${id} grace billed=true`])
    await end()
    const again = await start()
    expect(again.gateway.house.limits.accounts.of(id)).toBe(-250_000)
  })

  it('is told as the ledger has it by a command that finds no gateway, after a kill', { timeout: 90_000 }, async () => {
    const first = await start()
    const { id } = await first.gateway.house.identity.users.create({ name: 'grace', balance: 10 * MICRO, budget_day: 2 * MICRO })
    const key = (await first.key({ user: 'grace' })).id
    await end()
    const store = join(place.dataDir, 'portcullis.db')
    copyFileSync(store, `${store}.before`)
    await spend(await start(), 'req_1', { key, cost_micro: 210_000 }, id)
    await end()
    // A process that was killed has it in its ledger, and not in its store.
    for (const rest of ['-wal', '-shm']) rmSync(store + rest, { force: true })
    copyFileSync(`${store}.before`, store)
    const command = async (...words: string[]): Promise<string> => {
      const env = { PATH: process.env.PATH, HOME: place.dir, NO_COLOR: '1', ...place.env }
      return (await promisify(execFile)(process.execPath, [...CLI, ...words], { env })).stdout
    }
    expect(await command('user', 'show', 'grace')).toMatch(/balance +9\.79\n(?:.*\n)*.*spent +0\.21 of 2\.00 today, 0\.21 this month/)
    expect(await command('key', 'show', key)).toMatch(/spent +0\.21 today, 0\.21 this month/)
    expect(await command('user', 'edit', 'grace', '--billed', 'off')).toContain('9.79')
    expect(await command('user', 'credits', 'grace')).toMatch(/-9\.79 +no longer billed\n.* 10\.00 +opening balance\n/)
  })
})
