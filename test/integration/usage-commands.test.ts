import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLI } from '../support/built.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { intentOf, outcomeOf } from '../support/ledger.ts'

let gate: GatewayUnderTest
beforeAll(async () => {
  gate = await startTestGateway()
  const { id } = await gate.key({ user: 'ada' })
  const { ledger } = gate.gateway.house
  for (const request of ['req_one', 'req_two']) {
    const about = { user: 'ada', key: id, model: 'fast' }
    await ledger.intent(intentOf(request, about))
    ledger.outcome(outcomeOf(request, { ...about, cost_micro: 250_000 }))
  }
  await gate.lines()
})
afterAll(() => gate.stop())

/** As a person runs it: the whole program, which finds its subcommand and that one's options by itself. */
async function portcullis(...words: string[]) {
  const env = { PATH: process.env.PATH, HOME: gate.dir, NO_COLOR: '1', ...gate.env }
  return promisify(execFile)(process.execPath, [...CLI, ...words], { env }).catch(
    (thrown: unknown) => thrown as { code: number; stdout: string; stderr: string }, // how execFile rejects
  )
}

describe('what stands below portcullis usage, in the whole program', () => {
  it('has its own --csv and --json', async () => {
    const csv = (await portcullis('usage', 'requests', '--csv')).stdout.split('\r\n')
    expect([csv[0]?.slice(0, 16), csv.length]).toEqual(['time,request,seq', 4])
    expect(JSON.parse((await portcullis('usage', 'requests', '--limit', '1', '--json')).stdout).requests).toHaveLength(1)
    expect(JSON.parse((await portcullis('usage', 'show', 'req_one', '--json')).stdout)).toMatchObject({ request: 'req_one', cost: '0.25' })
    expect(JSON.parse((await portcullis('usage', '--by', 'user', '--json')).stdout).rows).toMatchObject([{ name: 'ada', cost: '0.50' }])
  })

  it('refuses what is an option of the level above, instead of ignoring it', async () => {
    for (const flags of [
      ['--by', 'user'],
      ['--from', '2026-01-01'],
      ['--to', '2026-01-01'],
    ])
      expect(await portcullis('usage', 'requests', ...flags)).toMatchObject({ code: 2, stderr: expect.stringContaining('unknown option') })
  })
})
