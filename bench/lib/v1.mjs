import { manage, startGateway } from './gateway.mjs'

/** As a provider would have it: the model has a price, its user pays, and everything has limits of every kind; none of them is ever reached. */
const LIMITED = { tokens_per_minute: 1_000_000_000, budget_day: '900000000', budget_month: '900000000' }
const COUNTED = { ...LIMITED, rate: '100000/s', concurrency: 10_000 }
const RPM = 1_000_000

async function made(home, path, value) {
  const { status, body } = await manage(home, 'POST', `/admin/api${path}`, value)
  if (status !== 201) throw new Error(`${path}: ${status} ${body}`)
  return JSON.parse(body)
}

/** A gateway with one endpoint, one model at it, and a key with limits and an account. */
export async function startV1(name, backend, { sync = 'write', home, env = {}, node } = {}) {
  const running = await startGateway({ name, backend, sync, home, env: { DISCOVERY: 'off', ...env }, node })
  return v1Target(running, await furnish(running.home, backend))
}

/** `digits` is how many more or fewer an answer may have, since it tells what is left of the limits. */
export const v1Target = (running, key) => ({
  running,
  path: '/v1/chat/completions',
  headers: { authorization: `Bearer ${key}` },
  digits: 16,
})

export async function furnish(home, backend) {
  await made(home, '/endpoints', { name: 'bench', url: `http://127.0.0.1:${backend}/v1`, dialect: 'openai', ...LIMITED })
  await made(home, '/models', {
    name: 'bench',
    endpoints: [{ endpoint: 'bench', upstream: 'bench' }],
    unit: 'token',
    price_in: '0.15',
    price_out: '0.60',
    rpm: RPM,
    concurrency: 10_000,
    ...LIMITED,
  })
  await made(home, '/users', { name: 'payer', balance: '900000000', ...COUNTED })
  return (await made(home, '/keys', { user: 'payer', rights: ['all'], ...COUNTED })).api_key
}
