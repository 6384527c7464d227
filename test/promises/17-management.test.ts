import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { call } from '../support/caller.ts'
import { type GatewayUnderTest, startTestGateway } from '../support/gateway.ts'
import { json } from '../support/hostile.ts'
import { type TextBackend, textBackend } from '../support/text-backend.ts'

const DIGEST = `sha256:${'0'.repeat(64)}`

/** What changes or tells something for everybody at each backend that people put behind the gate: [service, prefix, method and path]. */
const MANAGEMENT: Readonly<Record<string, { readonly service: string; readonly routes: readonly string[] }>> = {
  Ollama: {
    service: 'chat',
    routes: [
      'POST /api/pull',
      'POST /api/push',
      'POST /api/create',
      'POST /api/copy',
      'DELETE /api/delete',
      `HEAD /api/blobs/${DIGEST}`,
      `POST /api/blobs/${DIGEST}`,
      'POST /api/me',
      'POST /api/signout',
      'DELETE /api/user/keys/1',
      'GET /api/status',
      'POST /api/experimental/web_search',
      'POST /api/experimental/web_fetch',
      'GET /api/experimental/model-recommendations',
      'GET /debug/pprof/',
      'GET /debug/pprof/heap',
      'GET /debug/vars',
      'POST /v1/chat/completions',
      'GET /v1/models',
    ],
  },
  Piper: { service: 'tts', routes: ['POST /download', 'GET /info', 'GET /all-voices'] },
  'Kokoro and speaches': {
    service: 'tts',
    routes: [
      'POST /v1/models/org/model',
      'DELETE /v1/models/org/model',
      'POST /api/ps/m',
      'DELETE /api/ps/m',
      'GET /v1/realtime',
      'POST /dev/unload',
      'GET /debug/threads',
      'GET /debug/system',
    ],
  },
  AUTOMATIC1111: {
    service: 'image',
    routes: [
      'POST /sdapi/v1/options',
      'GET /sdapi/v1/options',
      'GET /sdapi/v1/cmd-flags',
      'GET /sdapi/v1/memory',
      'GET /sdapi/v1/progress',
      'POST /sdapi/v1/interrupt',
      'POST /sdapi/v1/skip',
      'POST /sdapi/v1/refresh-checkpoints',
      'POST /sdapi/v1/refresh-vae',
      'POST /sdapi/v1/refresh-embeddings',
      'POST /sdapi/v1/unload-checkpoint',
      'POST /sdapi/v1/reload-checkpoint',
      'POST /sdapi/v1/create/embedding',
      'POST /sdapi/v1/create/hypernetwork',
      'POST /sdapi/v1/train/embedding',
      'POST /sdapi/v1/train/hypernetwork',
      'POST /sdapi/v1/server-kill',
      'POST /sdapi/v1/server-restart',
      'POST /sdapi/v1/server-stop',
      'GET /sdapi/v1/extensions',
      'POST /sdapi/v1/img2img',
      'GET /file=/etc/passwd',
      'POST /queue/join',
      'POST /run/predict',
      'GET /',
      'POST /upload',
    ],
  },
  ComfyUI: {
    service: 'image',
    routes: [
      'POST /prompt',
      'POST /interrupt',
      'POST /queue',
      'POST /free',
      'POST /upload/image',
      'GET /history',
      'GET /view',
      'GET /ws',
      'POST /history',
      'GET /system_stats',
    ],
  },
  'stable-diffusion.cpp': {
    service: 'image',
    routes: ['POST /sdcpp/v1/img_gen', 'GET /jobs/1', 'DELETE /jobs/1', 'POST /v1/images/generations'],
  },
  'whisper.cpp': { service: 'whisper', routes: ['POST /load', 'POST /inference', 'GET /'] },
  'whisper-asr-webservice': { service: 'whisper', routes: ['POST /asr', 'POST /detect-language', 'GET /docs', 'GET /openapi.json'] },
  speaches: {
    service: 'whisper',
    routes: [
      'POST /v1/models/org/model',
      'DELETE /v1/models/org/model',
      'POST /api/ps/m',
      'DELETE /api/ps/m',
      'POST /v1/audio/translations',
    ],
  },
}

/** What holders of manage:chat may do, and nobody else. */
const MANAGED = [
  'POST /api/pull',
  'POST /api/push',
  'POST /api/create',
  'POST /api/copy',
  'DELETE /api/delete',
  `HEAD /api/blobs/${DIGEST}`,
  `POST /api/blobs/${DIGEST}`,
]

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
          const isOurs =
            upstream.asked.length === 0 && (path === '/' || path.startsWith('/v1') ? [200, 404, 405] : [403, 404, 405]).includes(status)
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
