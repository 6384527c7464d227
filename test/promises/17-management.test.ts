import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { json } from '../support/hostile.ts'
import { MANAGED, MANAGEMENT } from '../support/management.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'

let upstream: TextBackend
let gate: GatewayUnderTest
beforeAll(async () => {
  upstream = await textBackend(json({}))
  const all = { OLLAMA_URL: upstream.url, TTS_URL: upstream.url, IMAGE_URL: upstream.url, WHISPER_URL: upstream.url }
  gate = await startTestGateway({ ...all, TTS_ENABLED: 'true', IMAGE_ENABLED: 'true', WHISPER_ENABLED: 'true' })
})
afterAll(async () => {
  await gate.stop()
  await upstream.close()
})

const ask = (route: string, path: string, key: string) => {
  const method = route.split(' ')[0] ?? ''
  return call(gate.port, { method, path, key, ...(method === 'GET' || method === 'HEAD' ? {} : { body: '{"model":"m"}' }) })
}

/** Where a caller would look for it: as the backend has it, below its service's prefix, and below the prefix's api. */
const placesOf = (service: string, path: string): readonly string[] => [
  path,
  `/${service}${path}`,
  `/${service}/api${path.replace(/^\/(?:api|sdapi\/v1|v1)(?=\/)/, '')}`,
]

describe('promise 17: management endpoints of every backend are closed to ordinary keys', () => {
  it('wherever a caller looks for them', { timeout: 60_000 }, async () => {
    const key = await gate.key({ rights: ['all', 'observe', 'use:chat', 'manage:tts', 'manage:image', 'manage:whisper'], concurrency: 0 })
    const open: string[] = []
    let asked = 0
    let endpoints = 0
    for (const [backend, { service, routes }] of Object.entries(MANAGEMENT)) {
      for (const route of routes) {
        endpoints += 1
        for (const path of new Set(placesOf(service, route.split(' ')[1] ?? ''))) {
          upstream.forget()
          const { status } = await ask(route, path, key.text)
          asked += 1
          // The gate has a /v1 of its own, where nobody stands behind a model that is not there.
          const isOurs =
            upstream.asked.length === 0 &&
            (path === '/' || path.startsWith('/v1') ? [200, 404, 405, 415] : [403, 404, 405]).includes(status)
          if (!isOurs) open.push(`${backend}: ${route} at ${path} answered ${status}, ${upstream.asked.map(({ target }) => target).join()}`)
        }
      }
    }
    process.stdout.write(
      `promise 17: ${endpoints - new Set(open.map((one) => one.split(' at ')[0])).size} of ${endpoints} management endpoints of ${Object.keys(MANAGEMENT).length} backends denied to an ordinary key (${asked} requests)\n`,
    )
    expect(open).toEqual([])
  })

  it('and those of Ollama are open to holders of manage:chat, on their own paths alone', async () => {
    const { text } = await gate.key({ rights: ['manage:chat'] })
    for (const route of MANAGED) {
      upstream.forget()
      const path = route.split(' ')[1] ?? ''
      expect(await ask(route, `/chat${path}`, text), route).toMatchObject({ status: 200 })
      expect(upstream.asked.map(({ method, target }) => `${method} ${target}`)).toEqual([route])
    }
    upstream.forget()
    for (const route of MANAGEMENT.Ollama?.routes.filter((one) => !MANAGED.includes(one)) ?? []) {
      expect((await ask(route, `/chat${route.split(' ')[1]}`, text)).status, route).toBe(404)
    }
    expect((await ask('POST /api/chat', '/chat/api/chat', text)).status).toBe(403)
    expect(upstream.asked).toEqual([])
  })
})
