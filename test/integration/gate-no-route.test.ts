import { afterAll, beforeAll, expect, it } from 'vitest'
import { listSegments } from '../../src/audit/index.ts'
import { systemClock } from '../../src/kernel/index.ts'
import { analyse, findInputs } from '../../src/report/index.ts'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway, type TestKey } from '../support/gateway.ts'

let gate: GatewayUnderTest
let key: TestKey
beforeAll(async () => {
  gate = await startTestGateway({ TRUSTED_PROXIES: '127.0.0.1/32' })
  key = await gate.key()
})
afterAll(() => gate.stop())

const OWNER = '203.0.113.9'
const STRANGER = '203.0.113.10'
const ask = (address: string, path: string, more: { key?: string; method?: string } = {}) =>
  call(gate.port, { path, headers: { 'x-forwarded-for': address }, ...more })

async function findings() {
  const { inputs } = await findInputs(listSegments(gate.ledgerFile))
  const { threats } = await analyse(inputs, { clock: systemClock, stdin: process.stdin })
  return threats
}

it('a program of ours that asks at wrong places is known by its key, and is nobody to be blocked', async () => {
  const answers = []
  for (let n = 0; n < 12; n += 1) answers.push(await ask(OWNER, `/v1/wrong/${n}`, { key: key.text }))
  answers.push(await ask(OWNER, '/chat/api/generate', { key: key.text }))
  expect(answers.map(({ status }) => status)).toEqual([...Array(12).fill(404), 405])
  const told = (await gate.refusals()).filter(({ address }) => address === OWNER)
  expect(told).toHaveLength(13)
  for (const line of told) expect(line).toMatchObject({ kind: 'key', key: key.id, user: expect.any(String) })
  const [found, ...more] = await findings()
  expect(more).toEqual([])
  expect(found).toMatchObject({ kind: 'probing', severity: 'medium', subject: { type: 'key', id: key.id } })
})

it('a stranger at the same places is one, whatever key he shows, and gets the same answer', async () => {
  const wrong = `${key.text.slice(0, -1)}${key.text.endsWith('0') ? '1' : '0'}`
  const answers = []
  for (let n = 0; n < 6; n += 1) answers.push(await ask(STRANGER, `/.env/${n}`), await ask(STRANGER, `/admin/${n}`, { key: wrong }))
  const bodies = new Set(answers.map(({ status, body }) => `${status} ${body}`))
  expect([...bodies]).toEqual([expect.stringMatching(/^404 /)])
  for (const line of (await gate.refusals()).filter(({ address }) => address === STRANGER)) {
    expect([line.kind, line.user]).toEqual([undefined, undefined])
  }
  const network = (await findings()).filter(({ subject }) => subject.id === STRANGER)
  expect(network).toMatchObject([{ kind: 'probing', subject: { type: 'address', id: STRANGER } }])
})
