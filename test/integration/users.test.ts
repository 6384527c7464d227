import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { call, generate } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { endlessStream, generation, type TextBackend, textBackend } from '../support/text-backend.ts'
import { until } from '../support/until.ts'

let upstream: TextBackend
let gate: GatewayUnderTest
beforeAll(async () => {
  upstream = await textBackend()
  gate = await startTestGateway({ OLLAMA_URL: upstream.url })
})
beforeEach(() => {
  upstream.forget()
  upstream.behave(generation())
})
afterAll(async () => {
  await gate.stop()
  await upstream.close()
})

const manage = async (method: string, path: string, body?: Readonly<Record<string, unknown>>) => {
  const answer = await call(0, { method, path: `/admin/api${path}`, socketPath: gate.gateway.house.socket, ...(body && { body }) })
  return { status: answer.status, body: JSON.parse(answer.body) as Record<string, unknown> } // our own view
}
const ask = (text: string) => call(gate.port, generate(text))
const reasonsOf = async (id: string) => (await gate.refusals()).filter((line) => line.key === id).map(({ reason }) => reason)
/** An answer but for what differs from one request to the next by design. */
const bytesOf = ({ status, headers, body }: Awaited<ReturnType<typeof call>>) =>
  JSON.stringify([status, { ...headers, date: '', 'x-request-id': '' }, body.replaceAll(/req_\w+/g, 'req')])

describe('users and edited keys, over sockets', () => {
  it('a key from a network that is not its own gets the bytes of any bad key, and the ledger says why', async () => {
    const key = await gate.key({ networks: ['10.0.0.0/8'] })
    const elsewhere = await ask(key.text)
    expect(bytesOf(elsewhere)).toBe(bytesOf(await ask('pcl_no_key_at_all')))
    expect(upstream.asked.length).toBe(0)
    expect(await reasonsOf(key.id)).toEqual(['wrong_network'])
    await manage('PATCH', `/keys/${key.id}`, { networks: ['10.0.0.0/8', '127.0.0.0/8'] })
    expect((await ask(key.text)).status).toBe(200)
  })

  it('an edit is what the very next request meets', async () => {
    const key = await gate.key({ rate: '1/h' })
    expect([(await ask(key.text)).status, (await ask(key.text)).status]).toEqual([200, 429])
    expect(await manage('PATCH', `/keys/${key.id}`, { rate: null })).toMatchObject({ status: 200, body: { rate: null } })
    expect([(await ask(key.text)).status, (await ask(key.text)).status]).toEqual([200, 200])
    await manage('PATCH', `/keys/${key.id}`, { rights: ['tts'] })
    expect((await ask(key.text)).status).toBe(403)
    const targets = (await gate.outcomes()).filter(({ method }) => method === 'PATCH').map(({ target }) => target)
    expect(targets).toEqual(expect.arrayContaining([`${key.id} rate=none`, `${key.id} rights=tts`]))
  })

  it('a user whose name is not ASCII is found by it, renamed, and named in the ledger as it was then', async () => {
    const key = await gate.key({ user: 'zoë' })
    await ask(key.text)
    expect(await manage('PATCH', '/users/zo%C3%AB', { name: '日本' })).toMatchObject({ status: 200, body: { name: '日本', keys: 1 } })
    await ask(key.text)
    const users = (await gate.outcomes()).filter((line) => line.key === key.id).map(({ user }) => user)
    expect(users).toEqual(['zoë', '日本'])
    expect((await manage('GET', '/users/zo%C3%AB')).status).toBe(404)
    expect((await manage('GET', '/users/%E6%97%A5%E6%9C%AC')).status).toBe(200)
  })

  it('disabling a user stops all keys at once, and cuts what runs when told so', async () => {
    const keys = [await gate.key({ user: 'eve' }), await gate.key({ user: 'eve' })]
    const other = await gate.key({ user: 'ada' })
    upstream.behave(endlessStream(3))
    const running = [...keys, other].map(({ text }) => ask(text))
    await until(() => upstream.asked.length === 3 && upstream.asked.every(({ sentBytes }) => sentBytes > 0), {
      withinMs: 5_000,
      what: 'three streams to run',
    })
    expect((await manage('PATCH', '/users/eve', { active: false })).status).toBe(200)
    for (const { text } of keys) expect((await ask(text)).status).toBe(401)
    expect(gate.gateway.house.corridor.inFlight.size).toBe(3)
    await manage('PATCH', '/users/eve?now=true', { active: false })
    for (const cut of running.slice(0, 2)) expect((await cut).body).toContain('disabled while the request ran')
    expect(gate.gateway.house.corridor.inFlight.size).toBe(1)
    await gate.gateway.house.identity.keys.disable(other.id, { now: true })
    await running[2]
    for (const { id } of keys) expect(await reasonsOf(id)).toEqual(['user_disabled'])
    await manage('PATCH', '/users/eve', { active: true })
    upstream.behave(generation())
    for (const { text } of keys) expect((await ask(text)).status).toBe(200)
    expect((await manage('DELETE', '/users/eve')).status).toBe(200)
    for (const { text } of keys) expect((await ask(text)).status).toBe(401)
  })

  it('says in the ledger whose balance was changed, and by how much', async () => {
    await manage('POST', '/users', { name: 'mia', balance: '5' })
    expect(await manage('POST', '/users/mia/credit', { amount: '2.5', note: 'cash' })).toMatchObject({ body: { balance: '7.50' } })
    const [made, credited] = (await gate.outcomes()).filter(({ target }) => target?.includes(' mia'))
    expect(made?.target).toMatch(/^usr_\w{16} mia 5\.00$/)
    expect(credited?.target).toMatch(/^usr_\w{16} mia 2\.50$/)
  })
})
