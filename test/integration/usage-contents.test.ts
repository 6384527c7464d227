import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, gatewayPlace, startTestGateway } from '../support/gateway.ts'
import { json } from '../support/hostile.ts'
import { type OpenaiBackend, openaiBackend } from '../support/openai-backend.ts'
import { until } from '../support/until.ts'

const place = gatewayPlace({ CHAT_ENABLED: 'false', DISCOVERY: 'false' })
const KEPT_BYTES = 64 * 1024
let gate: GatewayUnderTest
let backend: OpenaiBackend
beforeAll(async () => {
  backend = await openaiBackend()
  gate = await startTestGateway({}, place)
  const { endpoints, models } = gate.gateway.house.models.manage
  await endpoints.create({ name: 'one', url: backend.baseUrl, dialect: 'openai' })
  await models.create({ name: 'm', capability: 'text', endpoints: [{ endpoint: 'one', upstream: null }] })
})
afterAll(async () => {
  await gate.stop()
  await backend.close()
})

const shown = async (id: string) => {
  const { body } = await call(0, { method: 'GET', path: `/admin/api/usage/requests/${id}`, socketPath: gate.gateway.house.socket })
  return JSON.parse(body) as { content: Record<string, number | string> | null; content_fault: string | null } // our own view
}

describe('what was kept of a long request', () => {
  let id = ''
  it('says how long it was, where it is cut', async () => {
    const { text: key } = await gate.key({ log_content: true })
    backend.behave(json({ choices: [{ message: { role: 'assistant', content: 'a'.repeat(200_000) } }] }))
    const body = { model: 'm', messages: [{ role: 'user', content: 'p'.repeat(300_000) }] }
    const answer = await call(gate.port, { path: '/v1/chat/completions', key, body })
    id = String(answer.headers['x-request-id'])
    await gate.lines()
    const { content } = await until(
      async () => {
        const found = await shown(id)
        return found.content ? found : null
      },
      { withinMs: 10_000, what: 'what was kept' },
    )
    const { prompt, prompt_bytes, answer: told, answer_bytes } = content ?? {}
    expect([String(prompt).length, prompt_bytes]).toEqual([KEPT_BYTES, JSON.stringify(body).length])
    expect([String(told).length, answer_bytes]).toEqual([KEPT_BYTES, Buffer.byteLength(answer.body)])
  })

  it('cannot be read without its key file, which reading does not make anew', async () => {
    const file = join(place.dataDir, 'contents.key')
    await gate.stop({ keep: true })
    rmSync(file)
    gate = await startTestGateway({}, place)
    const { content, content_fault } = await shown(id)
    expect([content, content_fault]).toEqual([
      null,
      `it is sealed under the key file ${file}, which is gone; restore that file from a backup`,
    ])
    expect(existsSync(file)).toBe(false)
  })
})
